"""A release: all that somebody else needs to use the networks of a cross-validation, or to check what is said of them.

The archive holds, in a folder named after the run: ``fold-N/model.safetensors`` and ``fold-N/model.json`` of each fold
(with the scores of that fold's test recordings), ``MODEL_CARD.md``, ``metrics.json``, ``folds.tsv``,
``recordings.tsv``, ``predictions/fold-N.parquet``, ``envs/``, ``requirements.lock``, ``LICENSE`` and ``SHA256SUMS``.

    python -m hypnolens.release RELEASE.zip FOLDER

takes fold 0 out of a release of simulated nights, and makes of it the network that comes with hypnolens.
"""

import csv
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from hypnolens.cards import model_card
from hypnolens.errors import HypnolensError
from hypnolens.metrics import confusion_matrix, scores, without_nan
from hypnolens.models import SHIPPED
from hypnolens.predictions import codes, read_predictions

LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""Time of every entry, so that the same files give the same bytes: the first that the format knows."""

HERE = """## Here

`{name}.safetensors` is the network of fold 0 alone. It comes with hypnolens, and is what `hypnolens score` takes where no
`--model` is given, so that the command can be tried.
"""

PUBLIC = ("recording", "subject", "night", "channel", "sampling_rate_hz", "epochs", "W", "N1", "N2", "N3", "R")
"""Columns of ``recordings.tsv`` that are released; a source may be a path of the person who ran it."""


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
    read = [json.loads(card.read_text(encoding="utf-8")) for card in cards]
    whole = json.loads(metrics.read_text(encoding="utf-8"))
    content: dict[str, bytes] = {}
    for number, (model, card, its) in enumerate(zip(models, read, predictions, strict=True)):
        content[f"fold-{number}/model.safetensors"] = model.read_bytes()
        content[f"fold-{number}/model.json"] = _json({**_anonymous(card), "metrics": _scores(its)})
        content[f"predictions/fold-{number}.parquet"] = its.read_bytes()
    content["MODEL_CARD.md"] = model_card(read[0], whole, n_folds=len(read), file=path.name).encode()
    content["metrics.json"] = _json(whole)
    content["folds.tsv"] = folds.read_bytes()
    content["recordings.tsv"] = _public(recordings)
    content |= {file.relative_to(root).as_posix(): file.read_bytes() for file in project}
    sums = [f"{hashlib.sha256(content[name]).hexdigest()}  {name}\n" for name in sorted(content)]
    content["SHA256SUMS"] = "".join(sums).encode()
    folder = read[0]["name"].removesuffix(f"-fold-{read[0]['fold']}")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(content):
            archive.writestr(zipfile.ZipInfo(f"{folder}/{name}", LONG_AGO), content[name], zipfile.ZIP_DEFLATED)


def ship(release: Path, folder: Path) -> None:
    """Take the first fold out of a release of simulated nights: weights, card, and card for people.

    Raises
    ------
    HypnolensError
        The networks saw real nights: those are for their maker to publish, not for this package.
    """
    with zipfile.ZipFile(release) as archive:
        base = next(PurePosixPath(name).parent for name in archive.namelist() if name.endswith("/MODEL_CARD.md"))
        card = json.loads(archive.read(f"{base}/fold-0/model.json"))
        if card["kind"] != "simulate":
            raise HypnolensError(f"{release}: trained on {card['dataset']}, not on simulated nights; not shipped")
        shipped = folder / SHIPPED.name
        shipped.write_bytes(archive.read(f"{base}/fold-0/model.safetensors"))
        shipped.with_suffix(".json").write_bytes(_json(card))
        text = archive.read(f"{base}/MODEL_CARD.md").decode()
        shipped.with_suffix(".md").write_text(f"{text}\n{HERE.format(name=SHIPPED.stem)}", encoding="utf-8")


def _scores(predictions: Path) -> Mapping[str, Any]:
    """Scores of the test recordings of one fold."""
    its = read_predictions([predictions])
    confusion = confusion_matrix(codes(its["stage_true"]), codes(its["stage_pred"]))
    found = {name: round(float(value), 4) for name, value in scores(confusion).items()}
    return {"n_epochs": len(its), "n_subjects": int(its["subject"].nunique()), **without_nan(found)}  # type: ignore[dict-item]


def _anonymous(card: Mapping[str, Any]) -> dict[str, Any]:
    """A card without the machine on which the network was trained."""
    kept = {key: value for key, value in card["made"].items() if key not in ("platform", "processor", "time")}
    return {**card, "made": kept}


def _public(recordings: Path) -> bytes:
    with recordings.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    text = io.StringIO()
    writer = csv.DictWriter(text, PUBLIC, delimiter="\t", lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


if __name__ == "__main__":
    ship(Path(sys.argv[1]), Path(sys.argv[2]))
