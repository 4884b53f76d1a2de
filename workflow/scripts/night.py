"""Put together the night of median accuracy, for the figure of a whole night."""

from pathlib import Path

from hypnolens.evaluation.predictions import codes, read_predictions
from hypnolens.evaluation.tables import median_recording
from hypnolens.explanations.maps import LAYER_IG, read_maps
from hypnolens.explanations.night import night_strip, write_night_strip
from hypnolens.io.frames import read_table
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.epochs import read_epochs

with logged(snakemake.log[0]) as log:
    name = median_recording(read_table(snakemake.input.by_recording))
    epochs = read_epochs(Path(snakemake.params.epochs) / f"{name}.safetensors")
    (maps,) = [one for path in snakemake.input.maps for one in read_maps(Path(path), recording=name)]
    predictions = read_predictions(snakemake.input.predictions)
    predicted = codes(predictions[predictions["recording"] == name].sort_values("epoch_index")["stage_pred"])
    bands = read_table(snakemake.input.bands)
    strip = night_strip(epochs, maps, bands, predicted, method=LAYER_IG)
    write_night_strip(strip, Path(snakemake.output[0]))
    log.info("%s", name)
