# Everything from a bare checkout, on a machine that has Python 3.11 or newer.
#   make demo   the whole story on the emulator, with real clients
#   make test   every test
#   make fuzz   new random examples for the property tests, for about two minutes; SEED=N repeats a round
#   make lint   style, types, and the import rules
#   make orb    the made part of orb/src again
#   make bench  paired timings; read the docstrings under tests/benchmarks

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=

.PHONY: demo test fuzz lint orb bench clean
.DEFAULT_GOAL := test

demo: $(VENV)/.installed
	@$(BIN)/gcp-wif demo

test: $(VENV)/.installed-dev
	$(BIN)/coverage erase
	$(BIN)/pytest --numprocesses=auto --cov --cov-report=term $(PYTEST_ARGS)

fuzz: $(VENV)/.installed-dev
	@$(BIN)/python tests/support/fuzz.py $(if $(SEED),--seed $(SEED))

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

orb: $(VENV)/.installed-dev
	@$(BIN)/python tests/support/orb_source.py

bench: $(VENV)/.installed-dev
	$(BIN)/python tests/benchmarks/startup.py
	$(BIN)/python tests/benchmarks/tokens.py
	$(BIN)/python tests/benchmarks/plan.py
	$(BIN)/python tests/benchmarks/agent.py

clean:
	rm -rf $(VENV) dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gcp-wif needs Python 3.11 or newer; name one with  make PYTHON=python3.12")'
	@echo "making $(VENV) and installing (about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/pip
	@$(BIN)/pip install --quiet --editable '.[all]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/.installed
	@$(BIN)/pip install --quiet --editable '.[all]' --group dev
	@touch $@
