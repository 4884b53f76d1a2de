"""A release: all that somebody else needs to use the networks of a cross-validation, or to check what is said of them.

The archive holds, in a folder named after the run: ``fold-N/model.safetensors`` and ``fold-N/model.json`` of each fold
(with the scores of that fold's test recordings and of all), ``MODEL_CARD.md``, ``metrics.json``, ``folds.tsv``,
``recordings.tsv``, ``predictions/fold-N.parquet``, ``envs/``, ``requirements.lock``, ``LICENSE`` and ``SHA256SUMS``.
The experts' stages, and with them predictions and counts of stages, are left out where the data are not for all.

    python -m hypnolens.network.release RELEASE.zip FOLDER

takes fold 0 out of a release of simulated nights, and makes of it the network that comes with hypnolens; ``make model``
runs it.
"""

import csv
import io
import json
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from hypnolens.errors import HypnolensError
from hypnolens.evaluation.metrics import confusion_matrix, scores, without_nan
from hypnolens.evaluation.predictions import codes, read_predictions
from hypnolens.io.about import check_about
from hypnolens.io.checksums import sha256
from hypnolens.io.tables import checked_table, read_json, read_rows
from hypnolens.network.cards import FROM_CARD, lacking, model_card, read_card
from hypnolens.network.files import SHIPPED, UNREADABLE, load_models, read_weights
from hypnolens.stages import STAGES

RELEASED = (
    *FROM_CARD, "name", "fold", "experiment_name", "experiment.normalisation", "sampling_rate_hz", "weights_sha256",
    "made.commit", "recordings", "usual", "training.subjects", "training.passes", "training.kept_pass",
    "training.channels", "training.licence", "training.citation",
)  # fmt: skip
"""What the card of a network must say to be released: of that, the card for people is made."""

LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""Time of every entry, so that the same files give the same bytes: the first that the format knows."""

OPEN = ("simulate", "sleepedf")
"""Kinds of datasets whose stages may be passed on. SHHS's agreement forbids it, and of a folder nobody said so."""

PUBLIC = ("recording", "subject", "night", "channel", "sampling_rate_hz", "epochs", "source_sha256")
"""Columns of ``recordings.tsv`` that are released; a source may be a path of the person who ran it."""

MACHINE = ("platform", "processor", "time")
"""What a released card does not say of how a network was made: it is of the maker's machine, and nobody needs it."""

SUMMARY = ("accuracy", "macro_f1", "kappa", "ci95", "n_epochs", "n_subjects", "n_recordings", "n_folds", "protocol")
"""What the card of a fold says of all folds; ``metrics.json`` says more."""

USE = """\
hypnolens score NIGHT.edf --out scores --model {file}              # the network of the first fold
hypnolens score NIGHT.edf --out scores --model {file} --ensemble   # all folds together"""

USE_SHIPPED = "hypnolens score NIGHT.edf --model demo   # all folds together"

BESIDE = (
    "`folds.tsv` and `predictions/` say who was tested where, and with what result; `SHA256SUMS` has a checksum of "
    "every file."
)

BESIDE_CLOSED = (
    "`folds.tsv` says who was tested where; `SHA256SUMS` has a checksum of every file. Predictions of single epochs, "
    "beside which the experts' stages stand, are not here, as the data are not for all. Recordings and subjects have "
    "the names that they had: see that these name nobody before you pass this on."
)

BESIDE_SHIPPED = (
    "The scores are of single networks; all of them together, which stage when hypnolens is tried, have not been "
    "scored on simulated nights, as there is none that neither has seen. `make model` makes them anew."
)


def write_release(
    path: Path,
    *,
    models: Sequence[Path],
    cards: Sequence[Path],
    predictions: Sequence[Path],
    metrics: Path,
    folds: Path,
    recordings: Path,
    project: Sequence[Path],
    root: Path,
) -> None:
    """Write a release.

    Parameters
    ----------
    path
        The archive.
    models, cards, predictions
        Of each fold, in the order of folds.
    metrics, folds, recordings
        ``metrics.json`` of the run, and the tables of its dataset.
    project
        Files of hypnolens to add, under their names from ``root``.
    """
    read = [read_card(card, needed=RELEASED) for card in cards]
    whole = read_json(metrics)
    shared = read[0]["kind"] in OPEN
    content: dict[str, bytes] = {}
    run = {key: read[0][key] for key in ("dataset", "experiment_name")}
    for number, (model, path_of_card, card, its) in enumerate(zip(models, cards, read, predictions, strict=True)):
        check_about(path_of_card, card, {**run, "fold": number})
        content[f"fold-{number}/model.safetensors"] = read_weights(model, card)
        about = {**run, "fold": number, "weights_sha256": card["weights_sha256"]}
        found = {"metrics": _scores(its, about), "metrics_of_all_folds": {key: whole[key] for key in SUMMARY}}
        content[f"fold-{number}/model.json"] = _json({**_anonymous(card), **found})
        if shared:
            content[f"predictions/fold-{number}.parquet"] = its.read_bytes()
    use, also = USE.format(file=path.name), BESIDE if shared else BESIDE_CLOSED
    content["MODEL_CARD.md"] = model_card(read[0], whole, n_folds=len(read), use=use, also=also).encode()
    content["metrics.json"] = _json(whole)
    content["folds.tsv"] = checked_table(folds).encode()
    content["recordings.tsv"] = _columns(recordings, (*PUBLIC, *STAGES) if shared else PUBLIC)
    content |= {file.relative_to(root).as_posix(): file.read_bytes() for file in project}
    sums = [f"{sha256(content[name])}  {name}\n" for name in sorted(content)]
    content["SHA256SUMS"] = "".join(sums).encode()
    folder = read[0]["name"].removesuffix(f"-fold-{read[0]['fold']}")
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(content):
            archive.writestr(_entry(f"{folder}/{name}"), content[name])


def ship(release: Path, folder: Path) -> None:
    """Take the networks out of a release of simulated nights: weights and cards, and the card for people.

    Raises
    ------
    HypnolensError
        The networks saw real nights: those are for their maker to publish, not for this package. Or it is damaged.
    """
    every = load_models(release, ensemble=True)  # which refuses what cannot be used
    card, shipped = dict(every[0].card), folder / SHIPPED.name
    if absent := lacking(card, RELEASED):
        raise HypnolensError(f"{release}: its card has no {', '.join(absent)}; make the release again")
    if card["kind"] != "simulate":
        raise HypnolensError(f"{release}: trained on {card['dataset']}, not on simulated nights; not shipped")
    names = [PurePosixPath(one.source.removeprefix(f"{release}/")) for one in every]
    try:
        with zipfile.ZipFile(release) as archive:
            weights = {name.parent.name: archive.read(str(name)) for name in names}
            metrics = archive.read(str(names[0].parents[1] / "metrics.json"))
        whole = json.loads(metrics)
        said = model_card(card, whole, n_folds=whole["n_folds"], use=USE_SHIPPED, also=BESIDE_SHIPPED)
    except (*UNREADABLE, TypeError, ValueError, RecursionError) as error:
        raise HypnolensError(f"{release}: its metrics.json is damaged ({error!r}); make the release again") from error
    for (fold, content), one in zip(weights.items(), every, strict=True):
        (shipped / fold).mkdir(parents=True, exist_ok=True)
        (shipped / fold / "model.safetensors").write_bytes(content)
        (shipped / fold / "model.json").write_bytes(_json(dict(one.card)))
    (shipped / "MODEL_CARD.md").write_text(said, encoding="utf-8")


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, LONG_AGO)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system, entry.external_attr = 3, 0o644 << 16  # for all to read, wherever it was written
    return entry


def _scores(predictions: Path, about: Mapping[str, Any]) -> Mapping[str, Any]:
    """Scores of the test recordings of one fold."""
    its = read_predictions([predictions], [about])
    confusion = confusion_matrix(codes(its["stage_true"]), codes(its["stage_pred"]))
    found = {name: round(float(value), 4) for name, value in scores(confusion).items()}
    return {"n_epochs": len(its), "n_subjects": int(its["subject"].nunique()), **without_nan(found)}  # type: ignore[dict-item]


def _anonymous(card: Mapping[str, Any]) -> dict[str, Any]:
    """A card without the machine on which the network was trained."""
    return {**card, "made": {key: value for key, value in card["made"].items() if key not in MACHINE}}


def _columns(recordings: Path, columns: Sequence[str]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, delimiter="\t", lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(read_rows(recordings))
    return text.getvalue().encode()


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


if __name__ == "__main__":
    try:
        ship(Path(sys.argv[1]), Path(sys.argv[2]))
    except HypnolensError as error:
        sys.exit(str(error))
