# The two commands of a newcomer: `make demo` and `make test`. Everything CI does, and the coverage: `make check`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: demo test check lint fmt bench storm pins clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   the bot at work, with nothing but this machine"
	@echo "make test   the tests"
	@echo "make check  all that CI does (the linters, the types, the tests), and their coverage"
	@echo "make fmt    format the code"
	@echo "make bench  measure it (in under two minutes: make bench QUICK=1)"
	@echo "make storm  break everything at random, and see whether the promise holds (make storm SECONDS=1800 SEED=7)"
	@echo "make pins   renew requirements*.txt from pyproject.toml"

$(READY): requirements.txt requirements-dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Say which: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@# The console script. What setuptools warns of, a folder named as the package, is the checkout itself.
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)
	@$(BIN)/python -m bot demo

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint
	rm -f .coverage .coverage.*
	$(BIN)/python -m pytest --cov --cov-report=
	$(BIN)/coverage report

fmt: $(READY)
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(READY)
	$(BIN)/python -m tests.bench $(if $(QUICK),--quick)

storm: $(READY)
	$(BIN)/python -m tests.storm $(if $(DATABASE),--database $(DATABASE)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

# Without an index in them: whoever installs uses the index of their own machine.
PIP_COMPILE := $(BIN)/pip-compile --quiet --no-strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host
pins: $(READY)
	CUSTOM_COMPILE_COMMAND="make pins" $(PIP_COMPILE) --upgrade --output-file requirements.txt pyproject.toml
	CUSTOM_COMPILE_COMMAND="make pins" $(PIP_COMPILE) --upgrade --extra dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml

clean:
	rm -rf $(VENV) .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
