# Two commands: `make demo` and `make test`. Each sets up .venv by itself, without root, conda or a GPU.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo model test test-all arithmetic faults rehearsal lint clean

demo: $(VENV)/installed
	@$(BIN)/python -m hypnolens.pipeline.brief \
		$(BIN)/snakemake --cores all --configfile config/demo.yaml --quiet rules host reason
	@echo; $(BIN)/python -c 'import pandas as pd; table = pd.read_table("reports/sim/tables/scores.tsv", dtype=str); \
		print(table.filter(regex="^(?!.*ci95)").to_string(index=False))'
	@echo; echo "Simulated nights. Report: $(CURDIR)/reports/sim/report.html"
	@echo "A night of your own: $(BIN)/hypnolens score NIGHT.edf --out scores (docs/score.md)"

# The network that comes with hypnolens, made anew: a matter for its developers.
model: $(VENV)/installed
	$(BIN)/snakemake release --cores all --configfile config/shipped.yaml
	$(BIN)/python -m hypnolens.network.release reports/carry/carry/release.zip hypnolens/data

PYTEST := $(BIN)/python -m pytest --durations=40

# What a change needs before a commit: linters, units, scripts of rules, one small chain.
test: lint
	$(PYTEST) --numprocesses=2 -m "not slow"

# And damaged files, faults, environments, a SLURM, downloads, a browser, whole chains. These start processes of their own
# and wait for them, so that two files of tests at a time fill two cores.
test-all: lint
	$(PYTEST) --numprocesses=2 -m "not machine"
	$(PYTEST) --numprocesses=2 --dist loadfile -m machine

# What `make test` runs, but with the instructions of other processors, and with two threads.
arithmetic: $(VENV)/tools
	ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 $(PYTEST) --numprocesses=2 -m "not slow" tests/unit tests/rules
	ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 $(PYTEST) --numprocesses=2 -m "not slow" tests/unit tests/rules
	HYPNOLENS_TEST_THREADS=2 $(PYTEST) --numprocesses=2 -m "not slow" tests/unit tests/rules

# Injects faults into small runs for most of an hour, and prints what was lost.
faults: $(VENV)/tools
	$(BIN)/python -m tests.faults

# The paper's run on simulated recordings in the names and layout of the real ones, killed, changed and damaged; hours.
rehearsal: $(VENV)/tools
	$(BIN)/python -m tests.rehearsal

lint: $(VENV)/tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/mypy
	$(BIN)/codespell

# torch first and alone: pip then takes the build that is there rather than resolving the largest one again. pip would
# compile on one core; some files are of another Python, and are left.
PIP := $(BIN)/python -m pip install --quiet --no-compile --constraint requirements.lock
COMPILE := $(BIN)/python -m compileall -qq -j 0 -x '[/\\]tests?[/\\]' $(VENV)/lib || true

$(VENV)/installed: pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("hypnolens needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) $$(grep '^torch==' requirements.lock)
	$(PIP) --editable '.[published]'
	@$(COMPILE)
	touch $@

$(VENV)/tools: $(VENV)/installed
	$(PIP) --editable '.[test,cluster,progress]'
	@$(COMPILE)
	touch $@

# Not .snakemake, which knows with what the results were made.
clean:
	rm -rf $(VENV)
