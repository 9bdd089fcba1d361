# Needs Python 3.11 or newer and make; everything else is installed into .venv.
# Another Python: make demo PYTHON=python3.12. Options of the demo: make demo ARGS="--port 3100"

PYTHON ?= python3
TNS := .venv/bin/tiktok-ns

.PHONY: help demo demo-reset test lint install install-dev clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/make \1\t\2/' | expand -t 20

demo: install  ## both systems, buyers and the pipeline on this machine; a second start goes on
	@$(TNS) demo $(ARGS)

demo-reset: install  ## the same, from the beginning
	@$(TNS) demo --reset $(ARGS)

test: install-dev  ## all tests
	@.venv/bin/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: install-dev  ## ruff, pyright and the direction of imports
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/pyright
	@.venv/bin/lint-imports --no-logo

install:  ## .venv with what runs
	@$(PYTHON) scripts/install.py

install-dev:  ## .venv with what tests need, too
	@$(PYTHON) scripts/install.py --dev

clean:  ## remove .venv, .uv and the demo's state
	rm -rf .venv .uv .demo
