"""The page of measured explanations: what the maps show, what they do not, and at which resolution in time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.display import Markdown, display

from hypnolens.explanations.maps import GRAD_CAM, LAYER_IG
from hypnolens.io.frames import read_table
from hypnolens.io.tables import read_json
from hypnolens.network.cards import read_card
from hypnolens.plots.catalogue import FIGURES
from hypnolens.reports.pages import note, show_figure, show_heading, show_table
from hypnolens.stages import CODE

SOURCES = {"true": "true (simulated)", "union": "expert-marked", "detected": "detected"}
"""Sources of events, the one that is read out first, and what it is called."""

PLURAL = {"spindle": "spindles", "k-complex": "K-complexes", "slow-wave": "slow waves", "alpha": "alpha bursts"}
"""Events in words; the others are waves."""

FAILS = 0.5
"""A map of a random network that is as like the trained one's as this does not depend on what was learnt."""


class Page:
    """The sections of the page.

    Parameters
    ----------
    dataset, experiment
        Whose explanations; files are found below ``results/`` and ``reports/`` of the current folder.
    kind
        Kind of the dataset.
    sample
        What every method explained: ``sample`` epochs of each stage of a recording, in ``recordings`` of a fold.
    """

    def __init__(self, dataset: str, experiment: str, kind: str, sample: Mapping[str, int]) -> None:
        self.dataset, self.experiment, self.kind, self.sample = dataset, experiment, kind, sample
        self.run = {"dataset": dataset, "experiment": experiment}
        self.reports = Path("reports") / dataset / experiment
        tables = sorted((self.reports / "explanations" / "tables").glob("*.tsv"))
        self.tables = {path.stem: _read(path) for path in tables}
        path = Path("results") / dataset / experiment / "fold-0" / "model.json"
        self.card = read_card(path, needed=("experiment", "sampling_rate_hz", "cell_step", "cell_field"))
        rate = self.card["sampling_rate_hz"]
        self.step_s, self.field_s = self.card["cell_step"] / rate, self.card["cell_field"] / rate
        self.metrics = read_json(Path("results") / dataset / experiment / "metrics.json")

    def show(self) -> None:
        """Display all sections."""
        for section in (
            self.head, self.reading, self.pictures, self.alignment, self.faithfulness, self.sanity, self.bands
        ):  # fmt: skip
            section()

    def head(self) -> None:
        """Title and what was done."""
        simulated = " **Simulated nights: the true events are known.**" if self.kind == "simulate" else ""
        per_stage, recordings = self.sample["sample"], self.sample["recordings"]
        display(Markdown(
            f"# Explanations of {self.dataset}, {self.experiment}\n\n{simulated} The network reached a macro-F1 of "
            f"{self.metrics['macro_f1']:.3f} on {self.metrics['n_subjects']} subjects that it had not seen. Of each "
            f"stage of a recording up to {per_stage} epochs that it staged as the expert did were explained by every "
            f"method, in up to {recordings} recordings of a fold; what is explained is the log-odds of the stage. "
            "Intervals: 95 %, over subjects."
        ))  # fmt: skip

    def reading(self) -> None:
        """What the numbers say, in sentences."""
        show_heading("In plain words")
        sentences = [
            *self._on_events(),
            *self._on_events_elsewhere(),
            *self._on_faithfulness(),
            *self._on_removal(),
            *self._on_sanity(),
            self._on_time(),
        ]
        display(Markdown("\n".join(f"- {sentence}" for sentence in sentences)))

    def pictures(self) -> None:
        """The paper's figure and the gallery."""
        show_heading("Epochs")
        for name in ("gradcam", "gallery"):
            show_figure(name, **self.run, note=note(name, self.card))

    def alignment(self) -> None:
        """Maps against events."""
        show_heading("Maps and events")
        display(Markdown(
            "Per source of events, stage and kind: share of the map inside events over the share of time that they "
            "cover (ratio; 1 is chance), how often the map's maximum lies within an event or half a second beside it "
            "(hit) with the rate of a random place (base), and the map as a detector of events (AUROC, average "
            "precision). Controls on the same epochs: noise, the map of another epoch, the amplitude of the signal, "
            "and that of the event's own band. *A filter that knows the band finds events as well as a good map does: "
            "the claim is that the network used them, not that its maps are the best detector.* Only epochs with an "
            "event count."
        ))  # fmt: skip
        columns = ("ratio", "hit", "base", "auroc", "average_precision")
        show_table(with_intervals(self.tables["alignment"], columns))
        display(Markdown("How well the detectors find true events, or experts' marks, in the signal:"))
        show_table(self.tables["detectors"].round(3))

    def faithfulness(self) -> None:
        """Deletion, insertion, and removal of events."""
        show_heading("Faithfulness")
        show_figure("faithfulness", **self.run)
        show_table(with_intervals(self.tables["faithfulness"], ("deletion", "insertion")))
        display(Markdown(
            "An event's own band taken out where the event is, and as much of it elsewhere in the epoch: log-odds "
            "that the stage loses, and the share of the map at the event before and after."
        ))  # fmt: skip
        columns = ("at_event", "elsewhere", "share_before", "share_after", "cover")
        show_table(with_intervals(self.tables["removal"], columns))

    def sanity(self) -> None:
        """Similarity to maps of other networks and of a shifted signal."""
        show_heading("Sanity")
        show_figure("sanity", **self.run)
        show_table(with_intervals(self.tables["sanity"], ("similarity",)))

    def bands(self) -> None:
        """Bands and context."""
        show_heading("Bands and context")
        for figure in FIGURES:
            if figure.of == "explanations" and figure.name not in ("faithfulness", "sanity"):
                show_figure(figure.name, **self.run)
        display(Markdown(
            "Share of the window's neighbours in decisions (integrated gradients over features, from the recording's "
            "mean features), by predicted stage:"
        ))  # fmt: skip
        show_table(with_intervals(self.tables["context"], ("neighbours",)))

    def _on_events(self) -> list[str]:
        table = self.tables["alignment"]
        table = table[table["sign"].astype(bool)]
        if table.empty:
            return ["No event lies in an explained epoch whose sign it is, so that maps cannot be compared with any."]
        found = []
        for (stage, kind), part in table.groupby(["stage", "kind"], sort=False):
            source = _preferred(part["events"])
            rows = {row["map"]: row for row in part[part["events"] == source].to_dict("records")}
            own, shuffled = rows[LAYER_IG], rows["shuffled"]["ratio"]
            if pd.isna(own["ratio_low"]):
                verdict = "One subject: no verdict."
            elif own["ratio_low"] > max(1.0, 0.0 if pd.isna(shuffled) else shuffled) and own["auroc"] > 0.5:
                verdict = "**The map points to them.**"
            else:
                verdict = "**The map does not show that the network uses them.**"
            rates = {name: f"{rows[name]['hit']:.0%}" for name in (LAYER_IG, GRAD_CAM, "band amplitude")}
            found.append(
                f"{stage}, {SOURCES.get(source, source)} {kind} ({own['epochs']:.0f} epochs, {own['subjects']:.0f} "
                f"subjects): the default map has {own['ratio']:.2f} times its even share inside events "
                f"({_span(own, 'ratio')}; maps of other epochs: {shuffled:.2f}) and hits {rates[LAYER_IG]} (a random "
                f"place: {own['base']:.0%}; Grad-CAM: {rates[GRAD_CAM]}; the event's band: {rates['band amplitude']}). "
                + verdict
            )
        return found

    def _on_events_elsewhere(self) -> list[str]:
        """Does the map also follow an event in stages of which it is not typical?"""
        table = self.tables["alignment"]
        table = table[~table["sign"].astype(bool) & (table["map"] == LAYER_IG) & table["ratio_low"].notna()]
        found = []
        for kind, part in table.groupby("kind", sort=False):
            rows = part[part["events"] == _preferred(part["events"])].to_dict("records")
            said = ", ".join(
                f"{r['stage']} {r['ratio']:.2f} ({_span(r, 'ratio')}; {r['epochs']:.0f} epochs)" for r in rows
            )
            drawn = " and ".join(row["stage"] for row in rows if row["ratio_low"] > 1)
            verdict = (
                f"**in {drawn} the map lies on them too: it shows what stands out there**" if drawn
                else "there the map does not go to them"
            )  # fmt: skip
            name = PLURAL.get(str(kind), f"{kind} waves")
            found.append(f"{name} in stages of which they are not typical, times the even share: {said}; {verdict}.")
        return found

    def _on_faithfulness(self) -> list[str]:
        rows = self.tables["faithfulness"].query("stage == 'all'").set_index("order")
        own, chance = rows.loc[LAYER_IG], rows.loc["random"]
        better = own["deletion"] < chance["deletion"] and own["insertion"] > chance["insertion"]
        verdict = "what the maps point to matters to it" if better else "**the maps do not order what matters to it**"
        return [
            f"Taking away first what the default map points to leaves an area of {own['deletion']:.3f} under the "
            f"probability of the stage (random order: {chance['deletion']:.3f}); putting it back first gives "
            f"{own['insertion']:.3f} (random: {chance['insertion']:.3f}): {verdict}.",
            self._on_spectrum(),
        ]

    def _on_spectrum(self) -> str:
        curve = self.tables["curves"].query("order == 'random'").set_index("step")["deletion"]
        whole, noise = curve.iloc[0], curve.iloc[-1]
        verdict = (
            "it goes by the spectrum, and waveforms add little" if noise > 0.9 * whole else "waveforms matter to it too"
        )
        return (
            f"A whole epoch replaced by noise of its own spectrum keeps a probability of {noise:.2f} for its stage, of "
            f"{whole:.2f} before: {verdict}."
        )

    def _on_removal(self) -> list[str]:
        found = []
        for _, part in self.tables["removal"].groupby(["stage", "kind"], sort=False):
            (row,) = part[part["source"] == _preferred(part["source"])].to_dict("records")
            if pd.isna(row["at_event_low"]):
                verdict = "One subject: no verdict."
            elif row["at_event_low"] > row["elsewhere_high"]:
                verdict = "The decision follows the event."
            else:
                verdict = "**The decision does not clearly follow it.**"
            found.append(
                f"Without its {PLURAL[row['kind']]} an epoch of {row['stage']} loses {row['at_event']:.2f} of its "
                f"log-odds ({_span(row, 'at_event')}; as much taken out elsewhere: {row['elsewhere']:.2f}); the "
                f"map's share there goes from {row['share_before']:.0%} to {row['share_after']:.0%}. {verdict}"
            )
        return found

    def _on_sanity(self) -> list[str]:
        table = self.tables["sanity"]
        found = []
        compared = table[(table["check"] == "labels") | ((table["check"] == "parameters") & (table["level"] == "stem"))]
        for (check, level), rows in compared.groupby(["check", "level"], sort=False):
            other = "a network all of whose parameters are random" if check == "parameters" else f"'{level}'"
            alike = dict(zip(rows["method"], rows["similarity"], strict=True))
            failing = [method for method, value in alike.items() if value > FAILS]
            said = ", ".join(f"{method} {value:.2f}" for method, value in alike.items())
            verdict = f"**{', '.join(failing)} fails this check**" if failing else "none stays as it was"
            found.append(f"Rank correlation of the maps with those of {other}: {said}; {verdict}.")
        if "labels" not in set(table["check"]):
            found.append(
                "Not compared with a network of shuffled labels: no experiment here is one (`shuffle_labels`)."
            )
        shift = table[(table["check"] == "shift") & (table["method"] == LAYER_IG)]
        said = ", ".join(f"{row['similarity']:.2f} for {row['level']} s" for row in shift.to_dict("records"))
        moving = ", ".join(shift["level"][shift["similarity"] < FAILS])
        verdict = f"**shifts of {moving} s change it**" if moving else "it moves along"
        return [
            *found,
            f"Shifted in time and back, the default map's rank correlation with itself is {said}: {verdict}.",
        ]

    def _on_time(self) -> str:
        return (
            f"Resolution: maps of layers step {self.step_s:.2f} s; a cell of Grad-CAM sees {self.field_s:.1f} s, one "
            "of the default method about half of that. What is closer together cannot be told apart by them."
        )


def with_intervals(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """A table to read: what names a row, and each of the columns with its interval in brackets."""
    if table.empty:
        return table
    names = [str(name) for name in table]
    named = [name for name in names if not name.endswith(("_low", "_high")) and f"{name}_low" not in names]
    shown = table[named].copy()
    for name in columns:
        shown[name] = [f"{row[name]:.3f} ({_span(row, name)})" for row in table.to_dict("records")]
    return shown


def _preferred(sources: pd.Series) -> str:
    """Which source is read out: one of `SOURCES`, as every recording has detected events or none at all."""
    return next((name for name in SOURCES if name in set(sources)), str(sources.iloc[0]))


def _span(row: Mapping[Any, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "one subject" if pd.isna(low) else f"{low:.3f} to {high:.3f}"


def _read(path: Path) -> pd.DataFrame:
    table = read_table(path)
    if "stage" not in table:
        return table
    order = {**CODE, "all": len(CODE)}
    return table.sort_values("stage", key=lambda stages: stages.map(order), kind="stable", ignore_index=True)
