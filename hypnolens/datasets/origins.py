"""What each kind of dataset is, under which licence, and what to cite for it."""

from typing import NamedTuple


class Origin(NamedTuple):
    """A sentence for the report, the licence, and the citation."""

    text: str
    licence: str
    citation: str


ORIGINS = {
    "simulate": Origin(
        "**Simulated nights.** The signal is synthetic, calibrated on statistics of Sleep-EDF; scores on it "
        "say that the chain works, and nothing about how well real sleep is staged.",
        "none (simulated)",
        "none (simulated)",
    ),
    "folder": Origin(
        "Recordings of your own folder, staged by the experts who made the hypnograms.", "not stated", "not stated"
    ),
    "sleepedf": Origin(
        "Sleep-EDF Expanded 1.0.0, sleep-cassette study (PhysioNet).",
        "ODC-BY 1.0",
        "Kemp et al. 2000, doi:10.1109/10.867928; Goldberger et al. 2000, doi:10.1161/01.CIR.101.23.e215; "
        "doi:10.13026/C2X676",
    ),
    "shhs": Origin(
        "Sleep Heart Health Study, visit 1 (National Sleep Research Resource).",
        "NSRR data use agreement; not to be shared onward",
        "Zhang et al. 2018, doi:10.1093/jamia/ocy064; Quan et al. 1997, doi:10.1093/sleep/20.12.1077",
    ),
}
"""By ``kind:`` of the configuration."""
