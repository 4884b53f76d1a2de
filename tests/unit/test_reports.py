"""Words of the pages: what came out, how sure it is, what may be said of maps, what to cite; and tables as shown."""

import json

import numpy as np
import pandas as pd
import pytest

from hypnolens.evaluation.metrics import COVERED, covered
from hypnolens.evaluation.scores import evaluate
from hypnolens.evaluation.tables import readable, title
from hypnolens.explanations.maps import GRAD_CAM, LAYER_IG
from hypnolens.explanations.verdicts import map_verdicts, removal_verdicts
from hypnolens.io.shipped import HOME, NOTEBOOKS
from hypnolens.pipeline.provenance import code_version, sources
from hypnolens.reports import cite, findings, summary
from hypnolens.reports.pages import execute, read
from hypnolens.stages import STAGES
from tests.conftest import ROOT, make_predictions

RNG = np.random.default_rng(0)


def _metrics(right, *, subjects=8, n=400, seed=0):
    """Scores of subjects of whose epochs a share is right, the rest being guessed."""
    rng = np.random.default_rng(seed)
    frames = []
    for number in range(subjects):
        true = rng.choice(STAGES, n, p=[0.2, 0.1, 0.4, 0.15, 0.15])
        said = np.where(rng.random(n) < right, true, rng.choice(STAGES, n))
        frame = make_predictions([(a, b, 0.9) for a, b in zip(true, said, strict=True)])
        frames.append(frame.assign(subject=f"s{number}", recording=f"r{number}", fold=0))
    return evaluate(pd.concat(frames), seed=0, protocol="clean")


@pytest.mark.parametrize(
    ("right", "simulated", "said"),
    [
        (0.95, False, "this is more."), (0.3, False, "this is less."), (0.95, True, "this cannot be compared."),
        (0.705, False, "this cannot be told from that."),
    ],
)  # fmt: skip
def test_three_sentences_say_what_came_out(right, simulated, said):
    metrics = _metrics(right)
    first, sure, people = summary.sentences(metrics, simulated=simulated)
    assert "3,200 " + "simulated " * simulated + "epochs of 8 subjects" in first
    assert (
        f"kappa {metrics['kappa']:.2f} (" in first and "over 8 subjects; with 6 simulated ones such intervals" in sure
    )
    assert "0.76 (0.71 to 0.81; N1 alone 0.24)" in people and people.endswith(said)


def test_how_sure_an_interval_is_was_measured():
    measured = json.loads((ROOT / "benchmarks/results/intervals.json").read_text())
    for size, (low, high) in COVERED.items():
        held = [
            measured[population]["coverage"][str(size)][score]["student"]
            for population in ("even", "skewed") for score in ("accuracy", "macro_f1", "kappa")
        ]  # fmt: skip
        assert (low, high) == (round(min(held), 2), round(max(held), 2)), size
    assert covered(2) == (3, *COVERED[3]) and covered(9) == (6, *COVERED[6]) and covered(5793) == (78, *COVERED[78])
    _, low, high = covered(9)
    assert f"in {high:.0%}".replace("%", " %") in summary.sentences(_metrics(0.5, subjects=9), simulated=False)[1]


def test_sentences_of_the_readme_on_explanations_follow_from_its_tables():
    folder = ROOT / "benchmarks/results/explanations"
    tables = {path.stem: read(path) for path in folder.glob("*.tsv")}
    readme = " ".join((ROOT / "README.md").read_text().split())
    said = [
        *findings.on_events(tables["alignment"], tables["contrasts"]),
        findings.on_faithfulness(tables["faithfulness"]),
        findings.on_spectrum(tables["spectrum"]),
        *findings.on_removal(tables["removal"]),
    ]
    shown = [sentence for sentence in said if sentence in readme]
    assert len(shown) == 5 and readme.count("(simulated)") == sum("(simulated)" in sentence for sentence in shown)
    points = map_verdicts(tables["contrasts"], sign=True)["points"]
    follows = removal_verdicts(tables["removal"])["follows"]
    words = dict(enumerate(("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")))
    assert f"says of {words[len(points)]} pairs of stage and event" in readme
    assert f"that the map points to events in {words[points.sum()]}, and of {words[follows.sum()]} that" in readme
    networks = json.loads((ROOT / "benchmarks/results/random_networks.json").read_text())
    assert f"in {networks['positive']} of {networks['rows']} cases" in readme
    assert json.loads((ROOT / "benchmarks/results/planted.json").read_text())["verdict"]["points"]


def test_what_is_useless_is_said_first_and_plainly():
    guessed = summary.sentences(_metrics(0.0), simulated=False)
    assert len(guessed) == 4 and "of no use" in guessed[0] and "by chance" in guessed[0]
    # Better than chance, and yet worse than to call everything N2.
    poor = summary.sentences(_metrics(0.15, subjects=30), simulated=False)
    assert "to call every epoch N2 would be right as often (40 %)" in poor[0]
    one = summary.sentences(_metrics(0.9, subjects=1), simulated=False)
    assert "there are no intervals" in one[1] and "of one subject" in one[2]
    same = evaluate(make_predictions([("N2", "N2", 0.9)] * 5).assign(fold=0), seed=0, protocol="clean")
    assert "one stage only" in summary.sentences(same, simulated=False)[0]


def _events(points=True, *, amplitude=0.2):
    """Tables of alignment and of contrasts of N2 spindles."""
    aurocs = {LAYER_IG: 0.8 if points else 0.5, GRAD_CAM: 0.6, f"shuffled {LAYER_IG}": 0.5, "untrained": 0.5,
              "amplitude": 0.6, "band amplitude": 0.8 - amplitude}  # fmt: skip
    of = {"stage": "N2", "kind": "spindle", "events": "true", "sign": True, "epochs": 90, "subjects": 9}
    alignment = pd.DataFrame([
        {**of, "map": name, "auroc": value, "hit": value / 2, "hit_low": 0.1, "hit_high": 0.6, "base": 0.15}
        for name, value in aurocs.items()
    ])  # fmt: skip
    differences = {name: aurocs[LAYER_IG] - value for name, value in aurocs.items() if name not in (LAYER_IG, GRAD_CAM)}
    contrasts = pd.DataFrame([
        {**of, "map": LAYER_IG, "control": name, "difference": value, "low": value - 0.05, "high": value + 0.05,
         "p": 0.001 if abs(value) > 0.05 else 0.8}
        for name, value in differences.items()
    ])  # fmt: skip
    return alignment, contrasts


def test_a_map_that_beats_what_cannot_know_is_said_to_point_to_events():
    (said,) = findings.on_events(*_events())
    assert "**The map points to them** (p 0.001)." in said and "untrained networks: 25 %" in said
    assert "a random place: 15 %" in said and "Plain amplitude" not in said
    (said,) = findings.on_events(*_events(amplitude=-0.15))
    assert said.endswith("(p 0.001). Plain amplitude does better.")
    (said,) = findings.on_events(*_events(amplitude=0.0))
    assert said.endswith("Plain amplitude does as well.")
    (said,) = findings.on_events(*_events(points=False))
    assert said.endswith("**The map does not show that the network uses them.**")


def test_without_controls_there_is_no_verdict_and_without_events_one_sentence():
    alignment, contrasts = _events()
    (said,) = findings.on_events(
        alignment[alignment["map"] != "untrained"], contrasts[contrasts["control"] != "untrained"]
    )
    assert said.endswith("no verdict.") and "untrained" not in said
    (said,) = findings.on_events(alignment[:0], contrasts[:0])
    assert "No event lies in an explained epoch" in said


@pytest.mark.parametrize(
    ("deletion", "insertion", "said"),
    [((0.1, 0.2), (0.05, 0.1), "more than other places do"), ((-0.1, 0.2), (0.05, 0.1), "is not shown"),
     ((-0.2, -0.1), (-0.2, -0.1), "less than other places"), ((np.nan, np.nan), (np.nan, np.nan), "one subject")],
)  # fmt: skip
def test_faithfulness_goes_by_intervals(deletion, insertion, said):
    row = {"stage": "all", "order": LAYER_IG, "deletion_gain": 0.15, "insertion_gain": 0.07}
    row |= dict(zip(("deletion_gain_low", "deletion_gain_high"), deletion, strict=True))
    row |= dict(zip(("insertion_gain_low", "insertion_gain_high"), insertion, strict=True))
    assert said in findings.on_faithfulness(pd.DataFrame([row]))


@pytest.mark.parametrize(
    ("own_low", "half", "said"),
    [(0.1, (0.01, 0.1), "the spectrum is more than half"), (0.1, (-0.1, -0.01), "waveforms, and where they lie"),
     (0.1, (-0.1, 0.1), "cannot be told"), (-0.01, (0.01, 0.1), "its neighbours is not shown"),
     (np.nan, (np.nan, np.nan), "one subject")],
)  # fmt: skip
def test_the_spectrum_is_judged_above_what_neighbours_give(own_low, half, said):
    row = {"whole": 0.78, "noise": 0.7, "neighbours": 0.62, "own_low": own_low, "kept": 0.5}
    sentence = findings.on_spectrum(pd.DataFrame([{**row, "half_low": half[0], "half_high": half[1]}]))
    assert said in sentence and "0.62 by its neighbours alone, which is the floor" in sentence


@pytest.mark.parametrize(
    ("difference", "p", "said"),
    [(0.5, 0.001, "The decision follows the event (p 0.001)."), (0.5, 0.2, "follows the event is not shown"),
     (-0.5, 0.001, "follows the event is not shown"), (0.5, np.nan, "no verdict")],
)  # fmt: skip
def test_removal_is_judged_by_equal_energies(difference, p, said):
    row = {"source": "true", "stage": "N2", "kind": "spindle", "at_event": 0.7, "matched": 0.9, "matched_at_event": 0.6}
    row |= {"matched_elsewhere": 0.1, "share_before": 0.3, "share_after": 0.1, "difference": difference, "p": p}
    row |= {"difference_low": difference - 0.2, "difference_high": difference + 0.2}
    (sentence,) = findings.on_removal(pd.DataFrame([row]))
    assert said in sentence and "90 % of theirs" in sentence


def test_values_have_as_many_decimals_as_their_interval_allows():
    table = pd.DataFrame({
        "macro_f1": [0.6937, 0.69371, 412.34, np.nan], "macro_f1_low": [0.60, 0.692, 380.1, np.nan],
        "macro_f1_high": [0.75, 0.695, 440.0, np.nan], "p_holm": [0.0004, 0.03, 1.0, np.nan], "epochs": [1234, 5, 6, 7],
        "seconds": [5.74, 10.0, 0.5, 12345.6], "loa_low": [1.0, 2.0, 3.0, 4.0],
    })  # fmt: skip
    shown = readable(table)
    assert list(shown) == ["macro-F1", "p (Holm)", "epochs", "seconds", "limit of agreement, low"]
    assert shown["macro-F1"].tolist() == ["0.69 (0.60 to 0.75)", "0.694 (0.692 to 0.695)", "412 (380 to 440)", "-"]
    assert shown["p (Holm)"].tolist() == ["< 0.001", "0.030", "1.000", "-"]
    assert shown["epochs"].tolist() == ["1,234", "5", "6", "7"] and shown["seconds"].tolist() == [
        "5.74",
        "10",
        "0.500",
        "12,345.6",
    ]
    assert list(readable(table, ["epochs"])) == ["epochs"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("f1_ci95", "F1, 95 % interval"), ("f1_W", "F1 W"), ("macro_f1_p_holm", "macro-F1 p (Holm)"), ("ece", "ECE"),
     ("classwise_ece", "classwise ECE"), ("pieces", "pieces"), ("kappa_difference", "kappa difference")],
)  # fmt: skip
def test_names_of_columns_are_words(name, words):
    assert title(name) == words


def test_what_was_used_is_cited_once():
    text = cite.bibtex(["sleepedf", "sleepedf", "folder"], ["se-resnet-bilstm", "attnsleep", "yasa"])
    keys = [line.split("{")[1].rstrip(",") for line in text.splitlines() if line.startswith("@")]
    assert keys == ["sharma2023", "hypnolens", "molder2021", "kemp2000", "goldberger2000", "vallat2021", "eldele2021"]
    assert text.count("{") == text.count("}") and "VERSION" not in text
    every = cite.bibtex([*cite.OF_KIND], [*cite.OF_MODEL])
    entries = (HOME / "hypnolens" / "data" / "references.bib").read_text().count("\n@") + 1
    assert every.count("@") == entries  # none that nothing cites


@pytest.mark.parametrize("value", [("a", "b"), {"run": ("a",)}, {1: "a"}])
def test_what_a_notebook_would_not_get_as_it_is_is_refused(tmp_path, value):
    with pytest.raises(TypeError, match="parameter figures of the notebook report"):
        execute("report", {"figures": value}, tmp_path / "n.ipynb")


def test_what_cells_of_a_notebook_import_is_part_of_its_code(tmp_path):
    found = {path.name for path in sources(HOME, "paper", "workflow/notebooks/paper.ipynb")}
    assert {"paper.ipynb", "summary.py", "cite.py", "pages.py"} <= found
    assert code_version(HOME, "paper", "workflow/notebooks/paper.ipynb") != code_version(HOME, "paper")


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_words_stand_in_markdown_cells_and_nothing_was_run(path):
    cells = json.loads(path.read_text())["cells"]
    words = sum(len("".join(cell["source"])) for cell in cells if cell["cell_type"] == "markdown")
    assert words > 1200 and not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]
    assert all(len(cell["source"]) <= 25 for cell in cells if cell["cell_type"] == "code")
