# Everything people do with this repository; `make help` lists it.
# Each target sets itself up: a virtual environment in .venv, pinned packages, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000

.DEFAULT_GOAL := help
.PHONY: help demo run test torture check lint types layers templates css css-check words bench pins clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: $(VENV)/run.stamp ## the whole product with an invented community, in one process
	$(BIN)/python -m siyu demo --port $(PORT)

run: $(VENV)/run.stamp ## the product itself; settings come from .env
	$(BIN)/python -m siyu run

test: $(VENV)/dev.stamp ## the whole suite, on SQLite and on a real PostgreSQL
	@# Four at a time on two cores: they wait more than they work. Browsers work, and go by themselves: beside races and
	@# kills a page would wait for its turn longer than a person would.
	@# One or two that fail beside three others are asked again by themselves.
	$(BIN)/python -m pytest -m "not torture and not browser" -n 4 --dist worksteal --cache-clear || $(BIN)/python -m scripts.alone
	$(BIN)/python -m pytest -m "browser and not torture" -n 2 --cache-clear || $(BIN)/python -m scripts.alone

torture: $(VENV)/dev.stamp ## the long kill, soak and fuzz runs
	$(BIN)/python -m pytest -m torture --timeout 1800
	EFFORT=20 $(BIN)/python -m pytest -m "not torture" --timeout 1800 tests/siyu/test_metrics_cuts.py tests/siyu/test_metrics_never_drift.py tests/siyu/test_rules_truth_table.py tests/siyu/test_coupons_histories.py tests/siyu/test_coupons_doors.py tests/siyu/test_points_histories.py

check: lint types layers templates css-check test ## everything that must be green before a commit

lint: $(VENV)/dev.stamp ## format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/bandit -q -c pyproject.toml -r siyu bot admin

types: $(VENV)/dev.stamp ## mypy, strict
	$(BIN)/mypy

layers: $(VENV)/dev.stamp ## who may import whom
	$(BIN)/lint-imports

templates: $(VENV)/dev.stamp ## the shape of the templates
	$(BIN)/djlint --quiet --lint templates

css: $(VENV)/dev.stamp ## compile the stylesheet after a change in templates
	$(BIN)/tailwindcss -i admin/assets/app.css -o admin/static/app.css --minify

css-check: $(VENV)/dev.stamp ## the committed stylesheet is what the templates need
	@mkdir -p var
	$(BIN)/tailwindcss -i admin/assets/app.css -o var/app.css --minify
	cmp var/app.css admin/static/app.css

words: $(VENV)/dev.stamp ## collect new messages into the catalogue
	$(BIN)/python -m scripts.words

bench: $(VENV)/dev.stamp ## benchmarks with ratios against baselines of the same run
	$(BIN)/python -m benchmarks

pins: ## choose the newest allowed packages anew, with hashes
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make pins" --extra clv pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make pins" --extra clv --group dev --group build -c requirements/run.txt pyproject.toml -o requirements/dev.txt

clean: ## forget the environment and everything in var/
	rm -rf $(VENV) var

$(VENV)/run.stamp: requirements/run.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements/run.txt
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --no-build-isolation --no-deps --editable .
	@touch $@ $(VENV)/run.stamp
