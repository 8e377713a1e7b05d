# Crowdwatch: every target sets itself up first. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
STAMP := $(VENV)/.crowdwatch-setup
TRAINING := .cache/training
LICENCES := Apache;BSD;ISC;LGPL;MIT;Mozilla;Python Software Foundation;PSF
ARGS ?=

.PHONY: help setup browser check format test training-setup training-tests unit integration cases run demo docs bench lock audit sbom clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

.tools/bin/uv:
	@echo "uv is not on the PATH: installing it into .tools/"
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || { echo "neither uv nor pip is here: install one of them, then run make again" >&2; exit 1; }
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .tools uv

$(STAMP): requirements-dev.txt pyproject.toml | $(if $(findstring .tools,$(UV)),.tools/bin/uv)
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	$(UV) pip sync --compile-bytecode --python $(BIN)/python --require-hashes requirements-dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

setup: $(STAMP)  ## bring uv, the virtual environment and all that the rest needs

check: setup  ## lint, format, types, import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup  ## put the code in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

browser: setup  ## a Chromium for the browser tests, where the machine has none
	@for name in chromium chromium-browser google-chrome google-chrome-stable; do command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "no browser on the PATH: installing Debian's chromium"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; \
	else \
		echo "no browser on the PATH: Playwright fetches one"; \
		$(BIN)/playwright install --with-deps chromium-headless-shell || $(BIN)/playwright install chromium-headless-shell; \
	fi

test: check browser  ## everything: checks, unit, integration and end-to-end tests, against real servers
	$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

training-setup: $(TRAINING)/.crowdwatch-setup  ## PyTorch in .cache/training: 3 GB to download, which nothing else needs

$(TRAINING)/.crowdwatch-setup: requirements-training.txt | $(if $(findstring .tools,$(UV)),.tools/bin/uv)
	@test -x $(TRAINING)/bin/python || $(UV) venv --quiet --python $(PYTHON) $(TRAINING)
	$(UV) pip sync --python $(TRAINING)/bin/python --require-hashes requirements-training.txt
	@touch $@

training-tests: training-setup  ## the tests that learn, on a toy; not part of `make test`: PyTorch from PyPI brings CUDA along
	$(TRAINING)/bin/python -m pytest tests/training $(ARGS)

unit: setup  ## the tests that need no server: under a minute
	$(BIN)/pytest tests/unit $(ARGS)

integration: setup browser  ## the tests against real Kafka, Redis and MongoDB
	$(BIN)/pytest tests/integration tests/e2e $(ARGS)

cases: setup  ## 2,000 made-up requests, and whether each answer is as the description of the interface says
	$(BIN)/pytest tests/integration/web/test_openapi_cases.py --cases 2000 $(ARGS)

run: setup  ## start real servers and every role, play the sample, print the URL; Ctrl-C stops it all
	@$(BIN)/crowdwatch up $(ARGS)

demo: setup  ## as run, but ends by itself: process the sample, print a table of what was stored
	@$(BIN)/crowdwatch demo $(ARGS)

bench: setup  ## the benchmarks, as ratios against peers in one run
	$(BIN)/python -m bench $(ARGS)

docs: setup  ## the documentation site, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

lock: setup  ## pin the dependencies anew, with hashes, from pyproject.toml
	$(UV) pip compile --quiet --universal --python-version 3.10 --generate-hashes --extra tracing pyproject.toml --output-file requirements.txt
	$(UV) pip compile --quiet --universal --python-version 3.10 --generate-hashes --extra tracing --extra local --group dev --constraint requirements.txt pyproject.toml --output-file requirements-dev.txt
	$(UV) pip compile --quiet --universal --python-version 3.10 --generate-hashes --extra tracing --extra local --extra torch --group dev --constraint requirements-dev.txt pyproject.toml --output-file requirements-training.txt

audit: setup  ## known weaknesses of the dependencies; asks PyPI, and fails where PyPI does not tell
	$(BIN)/python -m tests.advisories

sbom: setup  ## build/sbom.cdx.json (CycloneDX) and build/licences.md of what a deployment installs; other licences fail
	$(UV) venv --quiet --clear --python $(BIN)/python build/deployed
	$(UV) pip sync --quiet --python build/deployed/bin/python --require-hashes requirements.txt
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file build/sbom.cdx.json build/deployed/bin/python
	$(BIN)/pip-licenses --python build/deployed/bin/python --with-system --format markdown --with-urls --partial-match --allow-only '$(LICENCES)' --output-file build/licences.md

clean:  ## remove the environment and what was built
	rm -rf $(VENV) .tools build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
