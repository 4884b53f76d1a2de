"""Put together the night of median accuracy, for the figure of a whole night."""

from itertools import chain
from pathlib import Path

from hypnolens.evaluation.predictions import codes, read_predictions
from hypnolens.evaluation.tables import median_recording
from hypnolens.explanations.maps import LAYER_IG, read_maps
from hypnolens.explanations.night import night_strip, write_night_strip
from hypnolens.io.frames import read_table
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.listed import Listed
from hypnolens.training.folds import about_folds

with logged(snakemake.log[0]) as log:
    name = median_recording(read_table(snakemake.input.by_recording))
    given = snakemake.input
    epochs = Listed(snakemake.params.epochs, *given.folds).read(name)
    about = about_folds(given.folds, snakemake.wildcards)
    maps_of_folds = (read_maps(Path(path), its, recording=name) for path, its in zip(given.maps, about, strict=True))
    (maps,) = chain.from_iterable(maps_of_folds)
    predictions = read_predictions(given.predictions, about)
    predicted = codes(predictions[predictions["recording"] == name].sort_values("epoch_index")["stage_pred"])
    bands = read_table(given.bands)
    strip = night_strip(epochs, maps, bands, predicted, method=LAYER_IG)
    write_night_strip(strip, Path(snakemake.output[0]))
    log.info("%s", name)
