# `make help` lists what there is. Every target sets itself up: nothing needs to be installed by hand but Python and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow check bench bench-sched results bench-gpu chaos slurm-up slurm-down postgres-up postgres-down docs lock

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup: $(STAMP)  ## create .venv and install the project with its locked dependencies

$(STAMP): requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --editable .
	touch $(STAMP)

demo: setup  ## a drive log becomes a trained model and a report, surviving a killed rank
	$(BIN)/drivetrain demo

test: setup  ## the default tests, two at a time (JOBS=2)
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal

test-slow: setup  ## the long tests, which CI runs too
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal -m slow --timeout 1200

check: setup  ## ruff, mypy, import-linter, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --numprocesses $(JOBS) tests/docs

bench: setup .venv-peers/.installed  ## our figures beside the peers', measured, recorded, and made into RESULTS.md
	$(BIN)/python -m benchmarks

results: setup  ## benchmarks/RESULTS.md from what is recorded
	$(BIN)/python -m benchmarks --results

bench-sched: setup  ## scheduling: policies beside those that were published, measured, recorded, and made into RESULTS.md
	$(BIN)/python -m benchmarks packing completion waiting plan throughput submit

bench-gpu: setup .venv-peers/.installed  ## the same on a GPU, with MFU; needs one
	$(BIN)/python -c 'import sys, torch; sys.exit(None if torch.cuda.is_available() else "error: no GPU at hand")'
	$(BIN)/python -m pytest -m gpu
	$(BIN)/python -m benchmarks step_overhead recovery mfu

.venv-peers/.installed: benchmarks/requirements-peers.txt benchmarks/requirements-peers-alone.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --requirement benchmarks/requirements-peers.txt
	.venv-peers/bin/python -m pip install --quiet --no-deps --requirement benchmarks/requirements-peers-alone.txt
	touch $@

chaos: setup  ## the control plane broken at random, on a real Slurm and PostgreSQL (SEEDS=100; test-slow has ten)
	$(BIN)/python -m pytest -m chaos tests/integration/test_chaos.py --seeds $(or $(SEEDS),100) --timeout 0

slurm-up: setup  ## a real Slurm of four nodes on this machine, in .slurm; says how to use it
	@$(BIN)/python -m tests.slurm_cluster up .slurm

slurm-down: setup  ## end it
	@$(BIN)/python -m tests.slurm_cluster down .slurm

postgres-up: setup  ## a real PostgreSQL on this machine, in .postgres; prints its URL
	@$(BIN)/python -m tests.postgres_server up .postgres

postgres-down: setup  ## end it
	@$(BIN)/python -m tests.postgres_server down .postgres

docs: setup  ## run the examples of README and docs and compare what they print
	$(BIN)/python -m pytest --numprocesses $(JOBS) tests/docs

lock: setup  ## write requirements-dev.lock anew from what .venv holds
	$(BIN)/python -m pip freeze --exclude-editable | sed -E 's/^torch==([0-9.]+).*/torch==\1/' > requirements-dev.lock
