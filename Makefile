# `make train` and `make test` need only Python >= 3.11 and a package index.
PYTHON ?= python3
BIN := .venv/bin
# a worker more than there are cores, because some tests wait; each needs at least half a gigabyte of memory
WORKERS := $(shell $(PYTHON) -c 'import os; print(min(8, 1 + os.cpu_count()))')
PYTEST := $(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal

# these train much or start many processes
LONGER := api browser cli comparison comparison_report comparison_verdicts dashboards disk distributed docs explain_variance \
	export export_networks extending fixed_point fuzz image_size label_noise lockstep other_dashboards own_code own_loss_and_sink \
	places ray release run scripts security tensorboard terminal weights

.PHONY: setup tools train compare test test-slow test-all quick sentences lint types check release-check audit bench docs reference \
	linkcheck pictures notebook tensorboard clean

setup: .venv/installed  ## install what training needs into .venv

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tudui needs Python 3.11 or newer, and .venv \
	has an older one; remove .venv and name a newer Python: make train PYTHON=python3.12")'
	$(BIN)/python -m pip install --editable .
	touch $@

tools: .venv/tools  ## install also what tests, lint and docs need

.venv/tools: .venv/installed
	$(BIN)/python -m pip install --editable '.[dev]'
	touch $@

train: setup  ## train on real images, in seconds
	$(BIN)/tudui train --config digits

compare: setup  ## compare four losses, five seeds each: a table with intervals and verdicts, and a report
	$(BIN)/tudui compare-losses

test: tools  ## all tests except the slow ones
	$(PYTEST) -m "not slow"

test-slow: tools  ## the slow tests
	$(PYTEST) -m slow

test-all: test test-slow  ## all tests

quick: tools  ## tests that train little and start few processes, for the loop while editing
	$(PYTEST) -m "not slow" $(LONGER:%=--ignore=tests/test_%.py)

sentences: tools  ## write tests/sentences.json from the code; read the changes with git diff
	echo '{}' > tests/sentences.json
	$(PYTEST) --keep-sentences

lint: tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: tools
	$(BIN)/mypy

check: lint types test-all  ## everything that CI runs

release-check: tools  ## build sdist and wheel, and run every command in an environment that contains only the wheel; needs the network
	$(BIN)/python scripts/release_check.py

audit: setup .venv-audit/bin/pip-audit  ## known vulnerabilities of the installed packages; needs the network
	@.venv-audit/bin/pip-audit --vulnerability-service osv --progress-spinner off --skip-editable \
		--path "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" 2> .venv-audit/errors \
	|| { if grep -q ConnectionError .venv-audit/errors; \
		then echo "audit: cannot reach the vulnerability service; nothing was checked" >&2; \
		else cat .venv-audit/errors >&2; fi; exit 1; }

.venv-audit/bin/pip-audit:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet pip-audit

bench: setup  ## measure speed, growth and start-up beside their baselines
	$(BIN)/python scripts/bench.py

docs: reference  ## build the site in docs/_build/html
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

reference: tools  ## write docs/configuration.md, docs/commands.md, the picture of the rooms, and the pages that only the site has
	$(BIN)/python scripts/make_reference.py

linkcheck: reference  ## check the links to other sites; needs the network
	$(BIN)/sphinx-build --quiet -b linkcheck docs docs/_build/linkcheck

pictures: notebook  ## run the commands that the pages show again, half an hour: outputs, and every picture; needs chromedriver
	$(BIN)/python scripts/make_docs.py
	TUDUI_SCREENSHOTS=$(CURDIR)/docs/pictures $(BIN)/pytest -m slow tests/test_dashboards.py

notebook: tools  ## run docs/notebook.ipynb again
	$(BIN)/python scripts/make_notebook.py

tensorboard: setup
	$(BIN)/tudui tensorboard runs

clean:  ## remove what can be made again; runs stay
	rm -rf .venv .venv-audit dist docs/_build docs/generated .mypy_cache .pytest_cache .ruff_cache .hypothesis
