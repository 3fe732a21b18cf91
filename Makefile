.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
IMITATION_VENV ?= .venv-imitation
# The one torch both stacks are developed and tested with; a newer one would pull gigabytes of CUDA packages
TORCH ?= torch==2.13.0
PIP_FLAGS ?= -qq --disable-pip-version-check
STAMPS := $(VENV)/.installed $(IMITATION_VENV)/.installed
OUT ?= runs/demo
SEED ?= 0

.PHONY: help setup demo test test-main test-imitation check docs bench clean system

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(STAMPS)  ## make both virtual environments (main and `imitation`)

$(VENV)/.installed: pyproject.toml
	@echo "installing the main stack into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install $(PIP_FLAGS) --upgrade pip
	@$(VENV)/bin/pip install $(PIP_FLAGS) $(TORCH)
	@$(VENV)/bin/pip install $(PIP_FLAGS) -e ".[dev]"
	@touch $@

$(IMITATION_VENV)/.installed: pyproject.toml
	@echo "installing the stack that imitation pins into $(IMITATION_VENV)"
	@$(PYTHON) -m venv $(IMITATION_VENV)
	@$(IMITATION_VENV)/bin/pip install $(PIP_FLAGS) --upgrade pip
	@$(IMITATION_VENV)/bin/pip install $(PIP_FLAGS) $(TORCH)
	@$(IMITATION_VENV)/bin/pip install $(PIP_FLAGS) -e ".[imitation,tests]"
	@touch $@

# Chromium opens the report in a test, OpenGL draws pictures; where they cannot be installed it says so
system:
	@./.ci/install-system

demo: $(VENV)/.installed  ## recover rewards in two mazes and solve their mirror images with them (about 3 minutes)
	@$(VENV)/bin/sb3-vdb demo --out $(OUT) --seed $(SEED)

test:  ## all tests, on the second stack those that it can change
	@$(MAKE) --no-print-directory -j 2 setup system
	@$(MAKE) --no-print-directory test-main test-imitation

test-main: $(VENV)/.installed system
	@$(VENV)/bin/python -m pytest -n 2 --dist worksteal

test-imitation: $(IMITATION_VENV)/.installed system
	@$(IMITATION_VENV)/bin/python -m pytest -n 2 --dist worksteal -m stacks

# TESTED=1 leaves out the tests, where all of them have just been run
check: $(VENV)/.installed docs  ## format, lint, types, docs and the fast tests
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(if $(TESTED),true,$(VENV)/bin/python -m pytest -n 2 --dist worksteal -m "not slow and not browser")

docs: $(VENV)/.installed  ## build the documentation, warnings as errors
	@$(VENV)/bin/sphinx-build -q -W --keep-going -b html docs docs/_build/html

bench: $(STAMPS)  ## measure speed, as ratios in one run
	@$(VENV)/bin/sb3-vdb bench
	@$(IMITATION_VENV)/bin/sb3-vdb bench --only imitation

clean:  ## remove both environments and everything built
	@rm -rf $(VENV) $(IMITATION_VENV) docs/_build build dist *.egg-info
