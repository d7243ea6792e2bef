# Two commands: `make run` and `make test`. Both are idempotent; the second time takes seconds.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# Python keeps what it has compiled, also where the environment says not to: the tests start hundreds of
# processes, and each would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

CHECKS := check-types check-tests check-style check-imports check-docs

.DEFAULT_GOAL := help
.PHONY: help run test lint docs bench lock setup-sandbox clean $(CHECKS)

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/:/' | column -t -s:

run: $(VENV)/.run setup-sandbox  ## Set everything up and open the workbench on its example query
	@$(BIN)/flowreasoner

test: $(VENV)/.test setup-sandbox lint  ## Set everything up and run every check and test
	@echo "tests: running all of them"
	@$(BIN)/python -m pytest -n 4 --dist worksteal

lint: $(VENV)/.test
	@echo "checks: ruff, pyright, import contracts, generated docs, collection of the tests"
	@$(MAKE) --no-print-directory -j2 $(CHECKS)

check-types:
	@$(BIN)/pyright

check-style:
	@$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet .

check-imports:
	@$(BIN)/lint-imports --no-logo

check-docs:
	@$(BIN)/cog --check docs/*.md README.md

# Beside pyright, which takes longest. It also compiles the test files: each process of `make test` would
# otherwise do so for itself, all at the same time.
check-tests:
	@found=$$($(BIN)/python -m pytest --collect-only -q) || { echo "$$found"; exit 1; }

docs: $(VENV)/.test  ## Regenerate the generated parts of the docs
	@$(BIN)/cog -r docs/*.md README.md

bench: $(VENV)/.test setup-sandbox  ## Print the benchmark tables
	@for file in tests/benchmarks/*.py; do name=$$(basename $$file .py); echo "== $$name"; \
		$(BIN)/python -m tests.benchmarks.$$name || exit 1; done

# First install the newer versions you want and check that `make test` is green.
lock: $(VENV)/.test  ## Rewrite constraints.txt from what is installed
	@echo "# The versions that the checks and tests were last green with; \`make lock\` rewrites this file." > constraints.txt
	@$(BIN)/python -m pip freeze --exclude-editable --exclude pip --exclude setuptools \
		| sed -n 's/+cpu$$//; /==/p' >> constraints.txt

setup-sandbox: $(VENV)/.run
	@echo "sandbox: checking Docker and the image"
	@$(BIN)/flowreasoner doctor --fix --brief

$(VENV)/.run: pyproject.toml constraints.txt sandbox/command/flowreasoner.py | $(VENV)/bin/pip
	@echo "packages: installing the workbench with its embedded models"
	@$(PIP) -e '.[local]'
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/.run
	@echo "packages: installing what the tests need"
	@$(PIP) -e '.[dev]'
	@touch $@

$(VENV)/bin/pip:
	@echo "environment: creating $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(MAKE) --no-print-directory python-venv
	@$(PYTHON) -m venv $(VENV)

# Debian splits venv from Python.
python-venv:
	@[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
		|| { echo "Python's venv module is missing; install it with: sudo apt-get install python3-venv"; exit 1; }
	@echo "environment: installing python3-venv"
	@apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv >/dev/null

clean:  ## Remove the virtual environment and caches
	@rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache
