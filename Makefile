# `make train` and `make test` need nothing but Python >= 3.11 and a package index.
PYTHON ?= python3
BIN := .venv/bin
# each worker takes one core, and half a gigabyte of memory or more
PYTEST := $(BIN)/pytest --numprocesses logical --maxprocesses 8 --dist worksteal

# what trains much or starts many processes
LONGER := api browser cli comparison comparison_report dashboards disk distributed docs export extending fixed_point fuzz \
	lockstep ray release run scripts security tensorboard terminal weights

.PHONY: setup tools train compare test test-slow test-all quick sentences lint types check release-check audit bench docs reference \
	linkcheck tutorial notebook tensorboard clean

setup: .venv/installed  ## .venv with what training needs

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tudui needs Python 3.11 or newer, and .venv \
	has an older one; remove .venv, and name a newer one: make train PYTHON=python3.12")'
	$(BIN)/python -m pip install --editable .
	touch $@

tools: .venv/tools  ## also what tests, lint and docs need

.venv/tools: .venv/installed
	$(BIN)/python -m pip install --editable '.[dev]'
	touch $@

train: setup  ## train on real images, in seconds
	$(BIN)/tudui train --config digits

compare: setup  ## four losses on the same footing, five seeds each: a table with intervals and verdicts, and a report
	$(BIN)/tudui compare-losses

test: tools  ## the tests but the slow ones
	$(PYTEST) -m "not slow"

test-slow: tools  ## the slow ones
	$(PYTEST) -m slow

test-all: test test-slow  ## all tests

quick: tools  ## the tests that train little and start few processes, for the loop while editing
	$(PYTEST) -m "not slow" $(LONGER:%=--ignore=tests/test_%.py)

sentences: tools  ## takes the sentences that tests/sentences.json holds from today's code; see them by git diff
	echo '{}' > tests/sentences.json
	$(PYTEST) --keep-sentences

lint: tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: tools
	$(BIN)/mypy

check: lint types test-all  ## everything that CI holds

release-check: tools  ## sdist and wheel, and every command in an environment that holds nothing but the wheel; needs the network
	$(BIN)/python scripts/release_check.py

audit: setup .venv-audit/bin/pip-audit  ## known vulnerabilities of what is installed; needs the network
	@.venv-audit/bin/pip-audit --vulnerability-service osv --progress-spinner off --skip-editable \
		--path "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" 2> .venv-audit/errors \
	|| { if grep -q ConnectionError .venv-audit/errors; \
		then echo "audit: the vulnerability service cannot be reached, so nothing was checked" >&2; \
		else cat .venv-audit/errors >&2; fi; exit 1; }

.venv-audit/bin/pip-audit:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet pip-audit

bench: setup  ## speed, growth and start-up, side by side with what they are compared with
	$(BIN)/python scripts/bench.py

docs: reference  ## the site, in docs/_build/html
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

reference: tools  ## docs/configuration.md, docs/commands.md, the picture of the rooms, and the pages that only the site has
	$(BIN)/python scripts/make_reference.py

linkcheck: reference  ## whether the links to other sites still lead somewhere; needs the network
	$(BIN)/sphinx-build --quiet -b linkcheck docs docs/_build/linkcheck

tutorial: tools  ## runs the commands of the tutorial and of the FAQ again: outputs and pictures
	$(BIN)/python scripts/make_docs.py

notebook: tools  ## runs docs/notebook.ipynb again
	$(BIN)/python scripts/make_notebook.py

tensorboard: setup
	$(BIN)/tudui tensorboard runs

clean:  ## removes what can be made again; runs stay
	rm -rf .venv .venv-audit dist docs/_build docs/generated .mypy_cache .pytest_cache .ruff_cache .hypothesis
