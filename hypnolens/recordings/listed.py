"""Epochs as tables list them: what lies in the folder of epochs is taken only if it is what was listed."""

from pathlib import Path

from hypnolens.errors import OtherError
from hypnolens.io.tables import read_rows
from hypnolens.recordings.epochs import Epochs, read_epochs


class Listed:
    """Epochs of the recordings of some tables.

    Parameters
    ----------
    folder
        Where the files of epochs lie, one a recording.
    tables
        Tables with the columns ``recording`` and ``epochs_sha256``: that of recordings, or those of folds.
    """

    def __init__(self, folder: str | Path, *tables: str | Path) -> None:
        self._folder = Path(folder)
        self._listed = {row["recording"]: (row["epochs_sha256"], table) for table in tables for row in read_rows(table)}

    def read(self, name: str, *, signal: bool = True, mapped: bool = False) -> Epochs:
        """Epochs of a recording, see `read_epochs`.

        Raises
        ------
        OtherError
            They are not those that the table lists.
        """
        path = self._folder / f"{name}.safetensors"
        epochs = read_epochs(path, signal=signal, mapped=mapped)
        if name not in self._listed:
            raise OtherError(path, "is of no recording that the fold or the dataset has now")
        sha256, table = self._listed[name]
        if epochs.sha256 != sha256:
            raise OtherError(path, f"holds other epochs than {table} lists")
        return epochs
