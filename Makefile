# Everything a contributor or a curious reader types. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEV_INSTALLED := $(VENV)/.dev-installed

# One thread per process: the tests and the paired runs use processes, and two threads each is slower.
export OMP_NUM_THREADS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint types bench clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

demo: $(INSTALLED) ## Compare baseline and D³ on the digits that ship with the package
	$(BIN)/d3wrap compare --data digits --seeds 2,3,4 --jobs 2 --out runs/demo --overwrite

test: $(INSTALLED) ## Run the tests but the slow ones; fail under 90 % coverage
	$(BIN)/pytest -n 2 -m 'not slow' --cov --cov-fail-under=90

test-slow: $(INSTALLED) ## Run the slow tests
	$(BIN)/pytest -m slow

lint: $(DEV_INSTALLED) ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# adapters/ and plugins/ are inside d3wrap only once installed, and mypy cannot follow an editable
# install there: check the package as the build backend assembles it.
types: $(DEV_INSTALLED) ## Check types
	rm -rf build/types
	$(BIN)/python -c 'from setuptools import setup; setup()' --quiet build_py --build-lib build/types
	cd build/types && ../../$(BIN)/mypy --config-file ../../setup.cfg --cache-dir ../../.mypy_cache -p d3wrap

bench: $(INSTALLED) ## Run every benchmark
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

clean: ## Remove the environment and everything built or cached (runs/ is kept)
	rm -rf $(VENV) build dist *.egg-info .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[all,test]'
	touch $@

$(DEV_INSTALLED): $(INSTALLED)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@
