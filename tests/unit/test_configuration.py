"""The configuration: merging, inheritance, seeds, and documentation that keeps up."""

import re

import pytest
import yaml

from hypnolens.errors import ConfigurationError
from hypnolens.pipeline import keys
from hypnolens.pipeline.configuration import TAKEN, load, tables_of
from tests.conftest import ROOT
from tests.planning import rules


def _schema(name):
    return yaml.safe_load((ROOT / "workflow" / "schemas" / f"{name}.schema.yaml").read_text())


def test_what_ships_is_always_known_and_may_be_changed_key_by_key():
    configuration = load({"run": ["sim"], "datasets": {"sim": {"subjects": 9}}}, ROOT)
    shipped = yaml.safe_load((ROOT / "config" / "datasets" / "sim.yaml").read_text())
    assert configuration.datasets["sim"]["subjects"] == 9
    assert configuration.datasets["sim"]["hours"] == shipped["hours"]
    assert {"sim", "sleep-edf-20", "sleep-edf-78", "shhs"} <= configuration.datasets.keys()
    assert {"paper", "demo"} <= configuration.experiments.keys()


def test_another_kind_replaces_a_dataset_whole():
    configuration = load({"datasets": {"sim": {"kind": "folder", "path": "x"}}}, ROOT)
    assert configuration.datasets["sim"]["path"] == "x" and "hours" not in configuration.datasets["sim"]


def test_an_experiment_starts_from_another_and_seeds_make_runs():
    experiments = {"a": {"from": "demo", "width": 3}, "b": {"from": "a", "seeds": [0, 4]}}
    configuration = load({"experiments": experiments, "datasets": {"sim": {"experiments": ["b", "a"]}}}, ROOT)
    assert configuration.datasets["sim"]["experiments"] == ["b-seed0", "b-seed4", "a"]
    demo, four = configuration.experiments["demo"], configuration.experiments["b-seed4"]
    assert four == {**demo, "width": 3, "seed": 4}


def test_the_papers_values():
    paper = load({}, ROOT).experiments["paper"]
    wanted = {"width": 64, "lstm_layers": 3, "lstm_hidden": 100, "window": 9, "stride": 3, "batch_windows": 128,
              "passes": 60, "learning_rate": 0.001, "dropout": 0.2, "head_hidden": [2000, 200], "se": True}  # fmt: skip
    assert {key: paper[key] for key in wanted} == wanted


@pytest.mark.parametrize(
    "config, words",
    [
        ({"experiments": {"a": {"from": "b"}, "b": {"from": "a"}}}, "starts from itself"),
        ({"experiments": {"a": {"from": "nothing"}}}, "'nothing' is not defined"),
        ({"experiments": {"demo": {"widht": 4}}}, "unknown key 'widht' (did you mean 'width'?)"),
        ({"experiments": {"demo": {"precision": "fp8"}}}, "value 'fp8' is not allowed; allowed are auto, fp32, bf16"),
        ({"datasets": {"a b": {"kind": "simulate"}}}, "value 'a b' is not allowed; allowed: letters"),
        ({"datasets": {"x": {"kind": "folder"}}}, "key 'path' is missing"),
        ({"datasets": {"x": {"path": "y"}}}, "key 'kind' is missing; allowed are sleepedf, shhs, folder, simulate"),
        ({"datasets": {"x": {"kind": "folder", "path": "y", "hours": 2}}}, "unknown key 'hours'"),
        ({"datasets": {"sim": {"folds": "three"}}}, "value 'three' is not allowed; allowed: published, leave-one"),
        ({"datasets": {"sim": {"validation": 1}}}, "value 1 is not allowed"),
        ({"datasets": {"sim": None}}, "value None is not allowed"),
        ({"datasets": {"sim": {"experiments": []}}}, "value [] is not allowed"),
        ({"datasets": {"sim": {"subjects": 6.0}}}, "value 6.0 is not allowed"),
        ({"datasets": {"sim": {"trim_wake_min": float("nan")}}}, "value nan is not allowed"),
        ({"experiments": {"demo": {"width": True}}}, "value True is not allowed"),
        (
            {"experiments": {"demo": {"learning_rate": "1e-3"}}},
            "value '1e-3' is not allowed; allowed: the learn",
        ),
        (
            {"download": {"sleepedf": ["ftp://x"]}},
            "download.sleepedf.0: value 'ftp://x' is not allowed; allowed: an address",
        ),
        ({"download": {"retries": 3}}, "download: unknown key 'retries'; allowed are sleepedf, shhs, attempts"),
        ({"experiments": {"x": {"from": ["demo"]}}}, "value ['demo'] is not allowed"),
        ({"datasets": {1: {"kind": "simulate"}}}, "the name 1 is no text"),
        ({"experiments": {"a": {"seeds": [0]}, "a-seed0": {"width": 9}}}, "a-seed0 is both an experiment and a seed"),
    ],
)
def test_mistakes_name_the_key_the_value_and_what_is_allowed(config, words):
    with pytest.raises(ConfigurationError, match=re.escape(words)) as caught:
        load(config, ROOT)
    assert str(caught.value).startswith("configuration: ") and "\n" not in str(caught.value)


def _bomb(leaf, wide=9, deep=9):
    """A billion values in a hundred, as YAML's aliases make them."""
    for _ in range(deep):
        leaf = [leaf] * wide
    return leaf


def _own():
    within = []
    within.append([within, within])
    return within


@pytest.mark.parametrize(
    "config, words",
    [
        ({"run": _bomb("lol")}, "more than 100,000 values"),
        ({"datasets": {"sim": {"exclude": _bomb("lol"), "kind": _bomb("lol")}}}, "more than 100,000 values"),
        ({_: _bomb("lol") for _ in "ab"}, "more than 100,000 values"),
        ({"experiments": {"demo": {"width": _own()}}}, "more than 100 deep"),
        ({"experiments": {"demo": {"head_hidden": _bomb(1, wide=1, deep=5000)}}}, "more than 100 deep"),
        ({"experiments": {"e0": {}} | {f"e{n + 1}": {"from": f"e{n}"} for n in range(3000)}}, "starts from 100 others"),
        ({"experiments": {f"e{n}": {"from": f"e{n + 1}"} for n in range(3000)} | {"e3000": {}}}, "from 100 others"),
        ({"experiments": {"demo": {"width": 16**5000}}}, "no key takes one of so many"),
        ({"experiments": {"demo": {"seed": 2**32}}}, "from 0 to 4294967295"),
        ({"experiments": {"demo": {"learning_rate": 10**400}}}, "no key takes one of so many"),
        ({"experiments": {"demo": {"precision": "x" * 10**6}}}, "is not allowed"),
        ({"experiments": {"demo": {"x" * 10**6: 1}}}, "unknown key"),
        ({"datasets": {"sleep-edf-20": {"subjects": "0-99999999999"}}}, "is not allowed"),
    ],
)  # fmt: skip
def test_what_would_fill_the_memory_or_never_end_is_one_line(config, words):
    with pytest.raises(ConfigurationError, match=re.escape(words)) as caught:
        load(config, ROOT)
    assert len(str(caught.value)) < 1500


def test_an_alias_that_is_small_is_as_good_as_what_it_stands_for():
    text = "experiments: {a: &a {from: demo, head_hidden: &h [3]}, b: {from: a, head_hidden: *h}, c: *a}"
    runs = load(yaml.safe_load(text), ROOT).experiments
    assert runs["a"] == runs["b"] == runs["c"] and runs["a"]["head_hidden"] == [3]


@pytest.mark.parametrize("room", ["datasets", "experiments"])
@pytest.mark.parametrize("name", ["x\n", "x\r", "\nx", "x\u2028", "x y", "", "x" * 101, "\u00b2", "../x", "x/y", "x.y"])
def test_names_that_cannot_name_folders_are_refused(room, name):
    entry = {"kind": "simulate"} if room == "datasets" else {"from": "demo"}
    with pytest.raises(ConfigurationError, match="is not allowed; allowed: letters") as caught:
        load({room: {name: entry}}, ROOT)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        {"datasets": {"x": {"kind": "folder", "path": "y", "recordings": "t.tsv\n"}}},
        {"datasets": {"sim": {"folds": "t.tsv\n"}}},
        {"datasets": {"sleep-edf-20": {"subjects": "0-5\n"}}},
        {"datasets": {"shhs": {"recordings": "all\n"}}},
        {"download": {"shhs": "https://x\n"}},
        {"download": {"sleepedf": ["https://x\ny"]}},
    ],
)
def test_values_with_an_end_of_line_are_refused(config):
    with pytest.raises(ConfigurationError, match="is not allowed"):
        load(config, ROOT)


def test_no_pattern_of_the_schemas_passes_an_end_of_line():
    """In Python's expressions, ``$`` matches before one."""
    for path in (ROOT / "workflow/schemas").glob("*.yaml"):
        assert not re.findall(r"pattern.*\$", path.read_text()), path.name


def _beside():
    """Names of what rules have beside the folders of datasets, and of experiments; endings of files aside."""
    # Keys of rules are no outputs of them.
    found = {"datasets": {keys.place("r").parts[1]}, "experiments": {keys.place("r", "d").parts[2]}}
    for rule in rules().values():
        for file in map(str, [*rule.output, *rule.log, *([rule.benchmark] if rule.benchmark else [])]):
            first, *parts = re.sub(r"\{(\w+),[^}]*\}", r"{\1}", file).split("/")
            if first in ("results", "reports"):
                found["datasets"].add(parts[0].partition(".")[0])
                if parts[0] == "{dataset}":
                    found["experiments"].add(parts[1].partition(".")[0])
    return {room: names - {"{dataset}", "{experiment}"} for room, names in found.items()}


def test_names_that_are_taken_are_those_that_rules_have_beside_folders_of_datasets_and_experiments():
    assert _beside() == TAKEN


@pytest.mark.parametrize(
    "room, name",
    [(room, name) for room, names in TAKEN.items() for name in sorted(names)]
    + [("experiments", "fold-0"), ("experiments", "Fold-12"), ("experiments", "LOGS"), ("datasets", "Logs")],
)
def test_names_of_folders_of_ours_are_refused(room, name):
    entry = {"kind": "simulate"} if room == "datasets" else {"from": "demo"}
    with pytest.raises(ConfigurationError, match=f"^configuration: {room}: '{name}' is what hypnolens calls"):
        load({room: {name: entry}}, ROOT)


@pytest.mark.parametrize(
    "config, words",
    [
        ({"datasets": {"Sim": {"kind": "simulate"}}}, "datasets: 'sim' and 'Sim' differ in case only"),
        ({"experiments": {"A": {}, "a": {}}}, "experiments: 'A' and 'a' differ in case only"),
        ({"experiments": {"a": {"seeds": [0]}, "A-seed0": {}}}, "'a-seed0' and 'A-seed0' differ in case only"),
    ],
)
def test_names_that_a_file_system_may_take_for_one_are_refused(config, words):
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        load(config, ROOT)


def test_every_key_is_explained_with_its_default():
    text = (ROOT / "config" / "README.md").read_text()
    dataset, experiment, download = _schema("dataset"), _schema("experiment"), _schema("download")
    kinds = {key: sub for kind in dataset["$defs"].values() for key, sub in kind["properties"].items()}
    for key, sub in {**kinds, **dataset["properties"], **experiment["properties"], **download["properties"]}.items():
        assert sub["description"], key
        rows = [line for line in text.splitlines() if line.startswith(f"| `{key}` |")]
        assert rows or key in ("subjects", "path"), key
        if rows and "default" in sub and key != "kind":
            shown = yaml.safe_dump(sub["default"], default_flow_style=True, width=1000).split("\n")[0].replace("'", "")
            assert any(f"`{shown}`" in row for row in rows), (key, shown)


def test_every_key_of_the_table_exists():
    known = {
        key for name in ("config", "dataset", "experiment", "download", "score") for key in _schema(name)["properties"]
    }
    for kind in _schema("dataset")["$defs"].values():
        known |= kind["properties"].keys()
    documented = re.findall(r"^\| `(\w+)` \|", (ROOT / "config" / "README.md").read_text(), re.M)
    assert set(documented) - known == {"from"}


def test_runs_that_differ_in_their_seed_only_are_one_family():
    experiments = {"a": {"from": "demo"}, "b": {"from": "a", "seeds": [3, 4]}, "c": {"from": "a", "width": 3}}
    configuration = load({"experiments": experiments, "datasets": {"sim": {"experiments": ["a", "c", "b"]}}}, ROOT)
    there = configuration.datasets["sim"]["experiments"]
    assert configuration.families(there) == {"a": ["a", "b-seed3", "b-seed4"], "c": ["c"]}


def test_a_model_has_the_keys_that_it_reads():
    runs = load({}, ROOT).experiments
    assert runs["yasa"] == {"model": "yasa"} and runs["boosting"].keys() == {"model", "seed"}
    assert "width" not in runs["usleep"] and "passes" in runs["usleep"] and "width" in runs["paper"]


def test_pages_of_two_configurations_have_names_of_their_own():
    assert load({}, ROOT).page == "paper" and load({"page": "mine"}, ROOT).page == "mine"
    assert tables_of("paper") == "tables" and tables_of("mine") == "tables-mine"
    with pytest.raises(ConfigurationError, match="'tables-mine' is where the tables of the page 'mine' lie"):
        load({"page": "mine", "datasets": {"tables-mine": {"kind": "simulate"}}}, ROOT)
    for name in ("a/b", "", "..", "a\n"):
        with pytest.raises(ConfigurationError, match="page"):
            load({"page": name}, ROOT)


def test_an_ensemble_has_all_seeds_of_its_members_once():
    experiments = {
        "a": {"from": "demo", "seeds": [3, 4]},
        "e": {"model": "ensemble", "members": ["a", "boosting", "a-seed4"]},
    }
    dataset = {"experiments": ["a", "e", "boosting"]}
    configuration = load({"experiments": experiments, "datasets": {"sim": dataset}}, ROOT)
    assert configuration.experiments["e"] == {"model": "ensemble", "members": ["a-seed3", "a-seed4", "boosting"]}
    shipped = load({}, ROOT).experiments["paper-ensemble"]
    assert shipped["members"] == ["paper", "paper-again-seed1", "paper-again-seed2"]


def test_the_two_protocols_of_the_paper_differ_in_nothing_else():
    runs = load({}, ROOT).experiments
    assert {**runs["paper-test-selected"], "protocol": "clean"} == runs["paper"]


def test_what_is_compared_goes_with_the_experiments_and_may_be_named_for_all():
    assert "yasa" in load({}, ROOT).datasets["sleep-edf-78"]["compared"]
    changed = load({"datasets": {"sleep-edf-78": {"experiments": ["demo"]}}}, ROOT)
    assert changed.datasets["sleep-edf-78"]["compared"] == []
    configuration = load({"run": ["sim"], "compared": ["boosting", "demo"]}, ROOT)
    assert configuration.datasets["sim"]["compared"] == ["boosting"]  # `demo` is among its experiments
    assert "boosting" not in configuration.datasets["shhs"]["experiments"]


@pytest.mark.parametrize(
    "experiment, words",
    [
        ({"from": "demo", "protocol": "test-selected"}, "x.patience: value 15 is not allowed; allowed: null"),
        ({"model": "ensemble"}, "experiments.x: key 'members' is missing"),
        ({"model": "ensemble", "members": []}, "experiments.x.members"),
        ({"model": "ensemble", "members": ["paper"]}, "x.members: 'paper' is no single network among the experiments"),
        ({"model": "ensemble", "members": ["demo", "x"]}, "x.members: 'x' is no single network among the experiments"),
        ({"model": "ensemble", "members": ["demo", "demo"]}, "x.members: it is one run, 'demo'"),
        ({"model": "linear-probe"}, "experiments.x: key 'features_of' is missing"),
        ({"model": "linear-probe", "features_of": "paper"}, "x.features_of: 'paper' is no se-resnet-bilstm among the"),
        ({"model": "linear-probe", "features_of": "boosting"}, "'boosting' is no se-resnet-bilstm among the exp"),
    ],
)
def test_mistakes_of_protocols_and_probes(experiment, words):
    datasets = {"sim": {"experiments": ["demo", "x"], "compared": ["boosting"]}}
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        load({"datasets": datasets, "experiments": {"x": experiment}}, ROOT)
