# The verbs of the house. Bare `make` is exactly what CI does; `make help` lists them all.
# A fresh machine needs python3 (3.11 or newer), make and a package registry; hashed locks bring the rest.
.POSIX:
.PHONY: check test lint format types contracts derive derived gate demo golden bench setup tools lock clean help

PYTHON = python3
ARGS =
UPGRADE =

BIN = .venv/bin
UV = PYTHON=$(PYTHON) tools/uv
EDITABLE = $(UV) pip install --quiet --python .venv --no-deps \
	--build-constraints requirements/build.txt --require-build-hashes --editable .
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command 'make lock' $(UPGRADE)

check: lint types contracts derived gate test ## all that CI checks

# Two more than there are cores: the tests of whole processes spend most of their time waiting.
test: .venv/dev tools ## every test, in random order, on all cores: make test ARGS='-k ledger'
	$(BIN)/pytest --numprocesses=$$(($$(getconf _NPROCESSORS_ONLN) + 2)) --dist=worksteal $(ARGS)

lint: .venv/dev ## the style of every file
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: .venv/dev ## rewrite what lint would complain of, as far as a program can
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

types: .venv/dev ## strict types
	$(BIN)/mypy

contracts: .venv/dev ## who may import whom
	$(BIN)/lint-imports --no-logo

derive: .venv/dev ## rewrite what is derived from the catalogue and from the configuration's declarations
	$(BIN)/python -m exporter.catalogue.derive
	$(BIN)/python -m exporter.reference

derived: .venv/dev ## say which derived file is out of date
	$(BIN)/python -m exporter.catalogue.derive --check
	$(BIN)/python -m exporter.reference --check

gate: .venv/dev ## say what takes more instructions than it did; after a change that is worth it: make gate ARGS=--renew
	$(BIN)/python tests/bench/instructions.py $(ARGS)

golden: .venv/dev tools ## rewrite the golden files of the tests; review them as a diff
	$(BIN)/pytest --golden $(ARGS)

demo: .venv/run ## the whole program on a make-believe AWS account
	$(BIN)/sagemaker-exporter demo $(ARGS)

bench: .venv/dev ## the exporter against plain boto3 and against its budgets; about a minute of it: make bench ARGS=--quick
	$(BIN)/python tests/bench/compare.py $(ARGS)

setup: .venv/dev ## the environment alone, in .venv
	@$(UV) --version
	@$(BIN)/python --version

tools: ## the real programs that tests run, in the user's cache, linked as .tools
	$(PYTHON) tools/install.py

lock: .venv/made ## the hashed locks after a change of pyproject.toml; the newest of all: make lock UPGRADE=--upgrade
	$(LOCK) --output-file requirements/run.txt pyproject.toml
	$(LOCK) --output-file requirements/dev.txt --constraints requirements/run.txt --group dev pyproject.toml
	for group in build go uv; do $(LOCK) --output-file requirements/$$group.txt --group $$group || exit; done

clean: ## remove what was made in this clone, the tools in the user's cache excepted
	rm -rf .venv .venv-uv .tools build dist .hypothesis .mypy_cache .ruff_cache .import_linter_cache

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1 - /p' Makefile

# A stamp is touched when all before it is done, so an interrupted set-up is taken up again, and a changed lock too.

.venv/made: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit("python3 is too old, 3.11 is needed: make PYTHON=..." if sys.version_info < (3, 11) else 0)'
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	@touch $@

.venv/run: .venv/made requirements/run.txt requirements/build.txt pyproject.toml exporter/__init__.py
	@echo 'setting up .venv to run'
	@$(UV) pip install --quiet --python .venv --require-hashes --requirement requirements/run.txt
	@$(EDITABLE)
	@touch $@

.venv/dev: .venv/made requirements/dev.txt requirements/build.txt pyproject.toml exporter/__init__.py
	@echo 'setting up .venv to develop'
	@$(UV) pip sync --quiet --python .venv --require-hashes requirements/dev.txt
	@$(EDITABLE)
	@touch .venv/run $@
