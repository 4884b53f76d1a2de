"""The commands ``hypnolens score NIGHT.edf``, ``models``, ``progress`` and ``check``, and nothing else."""

import argparse
import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hypnolens import __version__
from hypnolens.errors import HypnolensError
from hypnolens.pipeline.progress import progress_lines, read_runs
from hypnolens.recordings.vocabulary import CODES
from hypnolens.scoring.folder import alone_in
from hypnolens.scoring.names import ENDINGS, STAGES_ONLY, nights_in
from hypnolens.scoring.run import REVIEW_BELOW, ScoringOptions, available_cores, score_files, unnamed
from hypnolens.stagers.names import BUILT_IN, DEFAULT, DEMO
from hypnolens.terminal import heard, say

EXAMPLES = """\
examples:
  hypnolens score night.edf
      Staged by YASA. One EEG channel in the file: it is taken. Several: the first of a known order, and the choice is
      printed. Results are in the folder scores.
  hypnolens score nights --out results
      All recordings of a folder, and a page of all of them. Again, later: only what is new or was changed.
  hypnolens score night.edf --channel C4-M1
      By name. If the file has C4 and M1 but no C4-M1, the difference is computed.
  hypnolens score night.edf --channel C4-M1 --channel F4-M1
      Both are staged and voted.
  hypnolens score nights/*.edf --model release.zip --ensemble --jobs 4
      Four nights at a time, by all networks of a cross-validation together.
  hypnolens score night.edf --lights-off 23:10 --lights-on 06:45 --json | jq .nights[0].statistics
      Statistics from lights off to lights on, for a script.

what you get, in the folder of --out:
  NIGHT.html             the night to look at, in any browser, without a network
  NIGHT-stages.tsv       a line an epoch: stage, confidence, five probabilities
  NIGHT-statistics.tsv   TIB, TST, SE, WASO, latencies, minutes of stages; NIGHT-transitions.tsv
  NIGHT-hypnogram.edf    EDF+ annotations, for a viewer
  sub-NIGHT_task-sleep_events.tsv/.json   the same for BIDS
  NIGHT-yasa.json        a hypnogram of YASA with probabilities
  NIGHT.json             all of it for a program
  nights.html            a row a night: small hypnogram, statistics, warnings

exit status: 0 all nights were scored; 1 some could not be (one line each says why; the others are complete);
2 the command makes no sense.

Stages from a program are not a diagnosis. docs/score.md has more.
"""

WATCHED = """\
examples:
  hypnolens progress
      In the folder in which snakemake was started, from any terminal, also while jobs run on a cluster.
  watch -n 30 hypnolens progress
      The same, again and again.

what is read: results/DATASET/folds.tsv, the file progress.json that each training keeps beside its checkpoint,
histories, and the last line of a log, which says why a training failed. A fold that is done stays so until snakemake
begins it anew; whether its network is out of date, `snakemake --dry-run` says.
"""

CHECKED = """\
examples:
  hypnolens check --configfile config/first-nights.yaml
      Before `snakemake --configfile config/first-nights.yaml`: what it will fetch, room, GPU, conda, token, hours.
  hypnolens check
      The same for a bare `snakemake`, which is the paper's run.
  hypnolens check /data/psg
      A folder of your own: channels, rates, lengths, stages and texts of all files, what would be refused and why, and
      a configuration to start from.

Nothing is fetched or written. Networks are timed for some seconds each on whatever would train them.

exit status: 0 go on; 1 something is missing, or a recording would be refused; 2 the command makes no sense.
"""

STAGED = "{name}: {channels}; TST {tst} min, SE {se} %, {review} of {n} epochs to review{human}; {page}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    with heard():
        parser = _parser()
        given = parser.parse_args(arguments)
        match given.command:
            case "progress":
                return _progress(given)
            case "check":
                return _check(given, parser)
            case "models":
                return _models()
            case _:
                return _score(given, parser)


def _progress(given: argparse.Namespace) -> int:
    """Say where training is."""
    now, damaged = time.time(), list[str]()
    try:
        say(*progress_lines(read_runs(given.folder, now, damaged.append), now))
    except HypnolensError as error:
        damaged.append(str(error))
    say(*damaged, file=sys.stderr)
    return 1 if damaged else 0


def _check(given: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Say what a run needs, or what a folder holds."""
    if given.folder and given.configfile:
        parser.error("give a folder, or --configfile, not both")

    from hypnolens.preflight import folder, run  # with torch, which takes seconds

    def tell(what: str) -> None:
        if sys.stderr is not None and sys.stderr.isatty():
            say(f"looking at {what} …", file=sys.stderr)

    try:
        if given.folder:
            lines, good = folder.look(given.folder, tell)
        else:
            lines, good = run.preflight(given.configfile, cores=given.cores or available_cores(), tell=tell)
    except HypnolensError as error:
        say(str(error), file=sys.stderr)
        return 1
    say(*lines)
    return 0 if good else 1


def _models() -> int:
    """List the stagers that have a name."""
    from hypnolens.stagers.known import cards  # with torch, which takes seconds

    for name, card in cards().items():
        if isinstance(card, str):
            say(f"{name}: cannot be used here: {card}")
        else:
            which = f"{name} (the default)" if name == DEFAULT else name
            say(
                f"{which}: {', '.join(dict.fromkeys(card.models))}; trained on {card.trained_on}; licence "
                f"{card.licence}; {card.citation}; needs {card.needs}. {card.caution}"
            )
    say("or the path of a network: a folder, a .safetensors file, a release archive")
    return 0


def _nights(given: Sequence[Path], failed: list[dict[str, str]]) -> list[Path]:
    """Recordings among what was named, those of folders included; what is none of them is said."""
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            try:
                inside = nights_in(path)
            except OSError as error:
                failed.append({"file": str(path), "error": f"{path}: cannot be read ({error.strerror})"})
                continue
            if not inside:
                what = f"{path}: no recordings there ({', '.join(ENDINGS)}); give a folder that holds some"
                failed.append({"file": str(path), "error": what})
            found += inside
        elif path.name.endswith(STAGES_ONLY):
            _say(f"{path}: left out, as it holds stages and no signal")
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _score(given: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Stage nights."""
    # Libraries write warnings into the progress bar; what matters of them is in our own.
    logging.captureWarnings(True)
    summaries: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    nights = _nights(given.nights, failed)
    if not nights and not failed:
        parser.error(f"no night among these: files called …{STAGES_ONLY} hold stages and no signal")
    if given.hypnogram and len(nights) > 1:
        parser.error("--hypnogram is of one night; give no other with it")
    if not 0 <= given.review_below <= 1:
        parser.error(f"--review-below: {given.review_below:g} is no probability")
    if given.jobs is not None and given.jobs < 1:
        parser.error(f"--jobs: {given.jobs} is no number of at least 1")
    if (given.age is None) != (given.sex is None):
        parser.error("--age and --sex are used together; give both, or none")
    if given.age is not None and not 0 < given.age < 120:
        parser.error(f"--age: {given.age:g} is not an age in years")
    options = ScoringOptions(
        model=given.model,
        ensemble=given.ensemble,
        channels=tuple(given.channel),
        hypnogram=given.hypnogram,
        stage_codes=given.stage_codes,
        lights=(given.lights_off, given.lights_on),
        below=given.review_below,
        precision=given.precision,
        page=not given.no_page,
        method=given.method,
        beside={kind: label for kind in ("eog", "emg") if (label := getattr(given, kind)) is not None},
        person={} if given.age is None else {"age": given.age, "male": float(given.sex == "M")},
        classes=given.classes,
        reasons=given.reasons,
        again=given.again,
    )
    overview = ""
    try:
        twice = unnamed(nights)
        failed += [{"file": str(path), "error": str(error)} for path, error in twice.items()]
        nights = [path for path in nights if path not in twice]
        jobs = min(given.jobs or available_cores(), len(nights)) or 1
        bar = tqdm(total=len(nights), unit="night", disable=None if not given.quiet else True)
        with alone_in(given.out), bar:
            for path, result in score_files(nights, given.out, options, jobs=jobs):
                if isinstance(result, HypnolensError):
                    failed.append({"file": str(path), "error": str(result)})
                else:
                    summaries.append(result)
                    if not given.quiet:
                        _tell(result, given.out, json_wanted=given.json)
                bar.update()
            from hypnolens.scoring.overview import told  # with pandas, which takes a second

            overview = told(given.out)
    except HypnolensError as error:
        failed.append({"file": "", "error": str(error)})
    except KeyboardInterrupt:
        _say("interrupted; nights that were done are complete")
        return 130
    if given.json:
        summaries.sort(key=lambda night: night["name"])
        document = {"hypnolens": __version__, "nights": summaries, "failed": failed}
        say(*json.dumps(document, indent=2).splitlines())
    if left := sum(bool(one.get("left")) for one in summaries):
        _say(f"{left} of {len(summaries)} nights were complete and are left as they are; --again stages them anew")
    if overview and summaries and not given.quiet:
        _say(overview)
    # What is wrong with the model is the same for all nights.
    for line in dict.fromkeys(failure["error"] for failure in failed):
        _say(line)
    return 1 if failed else 0


def _tell(night: dict[str, Any], out: Path, *, json_wanted: bool) -> None:
    """One line a night, and what a person must know of it."""
    if night.get("left"):
        return
    by = f"stages by {', '.join(dict.fromkeys(night['models']))} ({night['stager']['citation']})"
    for sentence in (f"{by}. {night['caution']}".rstrip(), *night["warnings"], *night["notes"]):
        if sentence:
            _say(f"{night['name']}: {sentence}")
    if json_wanted:
        return
    statistics, human = night["statistics"], night["human"]
    with tqdm.external_write_mode(sys.stdout):
        say(
            STAGED.format(
                name=night["name"],
                channels=" + ".join(night["channels"]),
                tst=_number(statistics["tst_min"]),
                se=_number(statistics["se_percent"]),
                review=len(night["review"]["epochs"]),
                n=night["n_epochs"],
                human=f"; human stages: accuracy {human['accuracy']:.2f}, kappa {human['kappa']:.2f}"
                if human and None not in (human["accuracy"], human["kappa"])
                else "",
                page=out / night["files"].get("page", night["files"]["stages"]),
            )
        )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _say(line: str) -> None:
    with tqdm.external_write_mode(sys.stderr):
        say(line, file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """A parser whose help and errors, which repeat arguments, go the one way to the terminal."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.color = False  # of Python 3.14, whose escape sequences would be shown as such

    def _print_message(self, message: str, file: Any = None) -> None:
        say(*message.splitlines(), file=file or sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="hypnolens", description="Sleep stages from one EEG channel.")
    parser.add_argument("--version", action="version", version=f"hypnolens {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    score = commands.add_parser(
        "score",
        help="stage nights: from EDF to stages, statistics and a page",
        description="Stage nights: from EDF, EDF+, BDF, FIF (or whatever else MNE reads) to stages with probabilities, "
        "sleep statistics, and a page to look at. Nothing leaves this machine.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    score.add_argument("nights", nargs="+", type=Path, metavar="NIGHT", help="recordings, or folders of them")
    score.add_argument(
        "--out",
        type=Path,
        default=Path("scores"),
        metavar="DIR",
        help="folder for results; made if need be (default: %(default)s)",
    )
    score.add_argument(
        "--model",
        metavar="MODEL",
        help=f"a stager by its name ({', '.join(BUILT_IN)}, or one that is installed: `hypnolens models`), or the "
        f"folder, .safetensors file or release archive of a network; default: {DEFAULT}. `{DEMO}` was trained on "
        "simulated nights and is NOT fit for real use",
    )
    score.add_argument("--again", action="store_true", help="stage nights, too, whose results are there already")
    score.add_argument("--ensemble", action="store_true", help="all folds of the model together, not the first alone")
    score.add_argument(
        "--channel",
        action="append",
        default=[],
        metavar="NAME",
        help="channel by name, alias, or difference (C4-M1); repeat it to vote several",
    )
    score.add_argument(
        "--hypnogram",
        type=Path,
        metavar="FILE",
        help="human stages of the night, to compare with; default: those in the file, or NAME-Hypnogram.edf beside "
        "NAME-PSG.edf",
    )
    score.add_argument(
        "--stage-codes",
        choices=list(CODES),
        help="what numbers mean in a table of human stages (docs/score.md)",
    )
    score.add_argument("--lights-off", metavar="TIME", help="HH:MM[:SS], or seconds from the start of the recording")
    score.add_argument("--lights-on", metavar="TIME", help="the same")
    score.add_argument(
        "--review-below",
        type=float,
        default=REVIEW_BELOW,
        metavar="P",
        help="list epochs whose probability is below this (default: %(default)s)",
    )
    score.add_argument(
        "--precision",
        choices=("fp32", "bf16", "auto"),
        default="fp32",
        help="arithmetic; bf16 is faster on recent CPUs and GPUs and may change a stage in a thousand; auto: bf16 on a "
        "GPU (default: %(default)s)",
    )
    score.add_argument(
        "--method",
        choices=("layer-integrated-gradients", "grad-cam", "layer-cam"),
        default="layer-integrated-gradients",
        help="what shades the epochs on the page (default: %(default)s)",
    )
    score.add_argument("--eog", metavar="NAME", help="an EOG channel beside the EEG, for stagers that can use it")
    score.add_argument("--emg", metavar="NAME", help="the same for the EMG of the chin")
    score.add_argument("--age", type=float, metavar="YEARS", help="of the person, for stagers that can use it")
    score.add_argument("--sex", choices=("F", "M"), help="the same")
    score.add_argument(
        "--classes",
        default="",
        metavar="LIST",
        help="fewer classes, such as W,N1+N2,N3,R, counted beside the five stages",
    )
    score.add_argument(
        "--reasons",
        action="store_true",
        help="a table of what each feature added to each stage (NIGHT-reasons.tsv), where the stager has features",
    )
    score.add_argument("--no-page", action="store_true", help="tables only, which is faster")
    score.add_argument("--jobs", type=int, metavar="N", help="nights at a time (default: one a core)")
    score.add_argument("--json", action="store_true", help="print one JSON document in place of sentences")
    score.add_argument("--quiet", action="store_true", help="errors only")
    check = commands.add_parser(
        "check",
        help="before a run: what it needs and how long it takes; or what a folder of your own holds",
        description="Before a run: what it will fetch, how much room is needed and there, whether a GPU is seen, "
        "whether conda and a token are there, trainings by experiment, and hours. Or what a folder of your own holds.",
        epilog=CHECKED,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="recordings of your own")
    check.add_argument(
        "--configfile", nargs="+", type=Path, default=[], metavar="FILE", help="as Snakemake will be given it"
    )
    check.add_argument("--cores", type=int, metavar="N", help="as Snakemake will be given them (default: all)")
    commands.add_parser("models", help="which stagers can be used here", description="Which stagers can be used here.")
    progress = commands.add_parser(
        "progress",
        help="where training is: each fold of each run, and the time left",
        description="Where training is: each fold of each run, when it last gave a sign of life, and an estimate of "
        "when all of them will be trained.",
        epilog=WATCHED,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    progress.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="FOLDER",
        help="where snakemake was started (default: here)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
