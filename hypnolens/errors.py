"""Errors that a user can act on. Each is one line: whom it concerns, what is wrong, what to do."""


class HypnolensError(Exception):
    """Base of every error that is the input's fault rather than the program's."""


class RecordingError(HypnolensError):
    """A recording (or one of its files) cannot be used."""

    def __init__(self, recording: str, what: str, remedy: str) -> None:
        super().__init__(" ".join(f"{recording}: {what}; {remedy}".split()))


class DatasetError(RecordingError):
    """A dataset as a whole cannot be used, for example because it has too few subjects."""


class ConfigurationError(HypnolensError):
    """The configuration asks for something that does not exist or does not fit."""

    def __init__(self, what: str) -> None:
        super().__init__(" ".join(f"configuration: {what}".split()))
