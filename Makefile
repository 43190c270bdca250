# Two commands do everything on a fresh machine: `make demo` and `make test`.
# They need python3 (3.11 or newer, with venv), make, and a network for packages.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check install --quiet
SOURCES := cli.py foundation media dht swarm tests examples benchmarks

.DEFAULT_GOAL := help
.PHONY: fuzz help demo demo-live test lint types unit e2e bench sim sim-dht chaos soak chromium clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/installed  ## Install, run four nodes on this machine, check that the swarm works
	@$(BIN)/swarmd demo --check

demo-live: $(VENV)/installed  ## The same for people: the tree as it grows, until Ctrl-C
	@$(BIN)/swarmd demo

test: lint types chromium  ## Install, lint, check types, run all tests
	@$(BIN)/pytest -n 2 tests/unit tests/fuzz tests/sim
	@$(BIN)/pytest tests/e2e

lint: $(VENV)/installed-dev  ## Style, and the walls between the packages
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/lint-imports

types: $(VENV)/installed-dev  ## mypy, strict
	@$(BIN)/mypy

unit: $(VENV)/installed-dev  ## The quick tests only
	@$(BIN)/pytest -n 2 tests/unit

e2e: chromium  ## The tests with real processes, clients and a browser
	@$(BIN)/pytest tests/e2e

bench: $(VENV)/installed-dev  ## Measure everything on this machine, some of it beside other servers, into benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks.results

fuzz: $(VENV)/installed-dev  ## Feed every parser for SECONDS each (60), or only TARGETS
	@$(PIP) atheris
	@$(BIN)/python -m tests.fuzz.run --seconds $(or $(SECONDS),60) $(TARGETS)

sim: $(VENV)/installed  ## The relay tree in virtual time: 10,000 nodes, herds, deaths, 1,000 swarms full of faults; what is reached
	@$(BIN)/swarmd simulate --table

sim-dht: $(VENV)/installed-dev  ## A swarm of N nodes in virtual time: how quickly and surely producers are found
	@$(BIN)/python -m tests.sim.sim_dht --nodes $(or $(N),1000) $(ARGS)

chaos: $(VENV)/installed-dev  ## Faults among real nodes, and what viewers notice; ARGS="--seed 7 stop" plays one again
	@$(BIN)/python -m tests.chaos.run $(ARGS)

soak: $(VENV)/installed-dev  ## Four nodes under a crowd that comes and goes for N seconds (1800): does anything grow?
	@$(BIN)/python -m tests.chaos.soak --seconds $(or $(N),1800) $(ARGS)

chromium: $(VENV)/installed-dev
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing chromium for the browser tests"; \
		{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends chromium; } \
			>$(VENV)/chromium.log 2>&1 || echo "browser tests are skipped: chromium cannot be installed, see $(VENV)/chromium.log"; \
	else echo "browser tests are skipped: chromium is missing, and only root can install it with apt-get"; fi

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "swarmd needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	@echo "installing swarmd and what it needs into $(VENV)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(VENV)/bin/python
	@echo "installing swarmd and its development tools into $(VENV)"
	@$(PIP) --editable '.[dev]'
	@touch $(VENV)/installed $@

clean:  ## Remove what make has made
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
