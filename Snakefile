# hypnolens: from polysomnography to stages, scores, explanations and a report.
# The rooms are workflow/rules/*.smk, one a stage of the way, in the order in which data flow through them.
from snakemake.utils import min_version

min_version("9.0")


# A bare `snakemake` runs the paper's datasets; --configfile merges a file of yours over this one.
configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/download.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/epochs.smk"
include: "workflow/rules/events.smk"
include: "workflow/rules/folds.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/baselines.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/explain.smk"
include: "workflow/rules/explanations.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/release.smk"
include: "workflow/rules/score.smk"


localrules:
    all,
    demo,
    explanations,
    release,
    score,


rule all:
    default_target: True
    input:
        all_reports,


rule demo:
    input:
        "reports/sim/report.html",


rule explanations:
    input:
        explanation_pages,


rule release:
    input:
        releases,


rule score:
    input:
        scores_of_nights,


onerror:
    # The reason last, below all that Snakemake has still to say.
    atexit.register(print, *failures(*log), sep="\n", file=sys.stderr)
