# Quietdesk. `make help` lists what can be done here.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
PORT ?= 8000
CITY ?= site/city
STAGE ?= demo
VENV := .venv
BIN := $(VENV)/bin
# Where it is set, each process of the tests compiles all of them anew: half a minute a run.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Over the cores there are; who is done takes over what others have left.
SPREAD = --numprocesses auto --maxprocesses 4 --dist worksteal

.PHONY: run check core test test-loaded soak lint site words script shots access bench bundle \
  desk-bundle deploy publish-site rollback rotate-origin locks clean help

run: $(VENV)/run.stamp ## Start everything on this machine: http://127.0.0.1:8000 (PORT= to change)
	@$(BIN)/quietdesk run --port $(PORT)

check: $(VENV)/dev.stamp ## Check style, types and all that needs no other process: a minute and a half
	@$(MAKE) --no-print-directory --jobs 2 core lint

core: $(VENV)/dev.stamp
	$(BIN)/python -m pytest $(SPREAD) -m core

test: $(VENV)/dev.stamp tools ## Run the tests, or a part: T=tests/test_x.py K=name (finds or installs Chromium, node, fonts)
	$(BIN)/python -m pytest $(if $(T),,$(SPREAD)) -m 'not slow' $(T) $(if $(K),-k '$(K)')

test-loaded: $(VENV)/dev.stamp tools ## The same with four busy loops beside them (T=, K=)
	$(BIN)/python -m tests.loaded $(if $(T),,$(SPREAD)) -m 'not slow' $(T) $(if $(K),-k '$(K)')

soak: $(VENV)/dev.stamp tools ## Run what is long, and what Hypothesis tries, at length and with other examples each time (T=, K=)
	$(BIN)/python -m pytest $(if $(T),,$(SPREAD)) -m 'slow or hypothesis' --hypothesis-profile=soak $(T) $(if $(K),-k '$(K)')

lint: $(VENV)/dev.stamp ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32

site: $(VENV)/run.stamp ## Build the website into build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

words: $(VENV)/run.stamp ## Bring site/words up to date with the texts of templates, tables, city
	@$(BIN)/quietdesk translations --update

script: tools ## Build site/script into the files that the pages load
	cd site/script && npm ci --no-audit --no-fund --silent && npm run --silent build

shots: $(VENV)/dev.stamp tools ## Take pictures of every page into build/shots (T=ur: of one locale)
	$(BIN)/python -m tests.shots $(T)

access: $(VENV)/dev.stamp tools ## Check every page for accessibility and write docs/accessibility.md
	$(BIN)/python -m tests.access_report

.PHONY: breaks
breaks: $(VENV)/dev.stamp tools ## Break each promise on purpose: its tests must turn red (K=name: one)
	$(BIN)/python -m tests.breaking $(K)

bench: $(VENV)/dev.stamp tools ## Measure, beside a baseline in the same run (T=warm: one measure)
	$(BIN)/python -m tests.bench $(T)

bundle: $(VENV)/run.stamp ## Make the zip for Lambda in build/bundle.zip (needs python3.13)
	@$(BIN)/python -m infra.bundle

desk-bundle: $(VENV)/run.stamp ## Make the zip for Windows desks in build/desk.zip (needs QUIETDESK_STORE)
	@$(BIN)/python -m infra.desk_bundle

ON_AWS = @$(BIN)/python -m infra.deploy $@ --city '$(CITY)' --stage '$(STAGE)' --unreviewed '$(UNREVIEWED)'

deploy: $(VENV)/dev.stamp ## Bring code, tables and edge on AWS up to date (CITY=, STAGE=)
	$(ON_AWS)

publish-site: $(VENV)/dev.stamp ## Build the site for its address on AWS and serve it
	$(ON_AWS)

rollback: $(VENV)/dev.stamp ## Bring back the release before, on AWS
	$(ON_AWS)

rotate-origin: $(VENV)/dev.stamp ## Another word between CloudFront and the functions
	$(ON_AWS)

locks: $(VENV)/run.stamp ## Write the hash-locked requirements anew from pyproject.toml
	$(BIN)/python -m pip install --quiet 'uv>=0.9'
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --all-extras --group build -o infra/locks/run.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --all-extras --group build --group dev -o infra/locks/dev.txt -c infra/locks/run.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --python-version 3.13 --python-platform aarch64-manylinux_2_28 --generate-hashes \
	  --no-annotate --no-header -o infra/locks/cloud.txt -c infra/locks/run.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --python-version 3.13 --python-platform x86_64-pc-windows-msvc --generate-hashes \
	  --no-annotate --no-header --extra desk --extra local -o infra/locks/desk.txt -c infra/locks/run.txt pyproject.toml
	echo aws-sam-cli==1.170.0 | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --no-header -o infra/locks/sam.txt -
	printf 'ministack==1.5.33\naws-sam-translator>=1.115\n' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --no-header -o infra/locks/ministack.txt -

clean: ## Remove what was built (never var/, where requests and keys lie)
	rm -rf build $(VENV) site/script/node_modules

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 15

.PHONY: tools
tools:
	@sh infra/find-tools.sh

# The first rule that runs on a fresh machine: say plainly what is missing.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "Quietdesk needs Python 3.11 or newer (on Debian: apt install git make python3-venv)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "Python cannot make a virtual environment here (on Debian: apt install git make python3-venv)" >&2; exit 1; }

$(VENV)/run.stamp: infra/locks/run.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) install --require-hashes -r infra/locks/run.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: infra/locks/dev.txt infra/locks/ministack.txt infra/locks/sam.txt $(VENV)/run.stamp
	$(PIP) install --require-hashes -r infra/locks/dev.txt
	@# The DynamoDB emulator pins an older botocore than ours, so it lives in a place of its own.
	$(BIN)/python -m venv $(VENV)/ministack
	$(VENV)/ministack/bin/python -m pip --disable-pip-version-check --quiet install \
	  --require-hashes -r infra/locks/ministack.txt
	@# So does SAM CLI, which brings half of PyPI. Its lock is whole; extras in it confuse pip's check.
	$(BIN)/python -m venv $(VENV)/sam
	$(VENV)/sam/bin/python -m pip --disable-pip-version-check --quiet install \
	  --no-deps --require-hashes -r infra/locks/sam.txt
	@touch $@
