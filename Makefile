BIN := .venv/bin

.PHONY: help demo test check bench clean
help:                  ## Show these targets
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*##/\t/'

.venv/ready: pyproject.toml
	python3 -m venv --clear .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable . --group dev
	$(BIN)/python -m compileall -q flowlens parsers graphs
	$(BIN)/python -c "from flowlens_parsers import machine; machine.ensure()"
	touch $@

demo: .venv/ready      ## Run the whole investigation on the sample in data/
	$(BIN)/flowlens demo

test: .venv/ready      ## Run every test
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest  # what was compiled for a run serves the next

check: .venv/ready     ## Lint and type-check
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

.venv/bench: .venv/ready
	$(BIN)/pip install --quiet --group bench
	touch $@

bench: .venv/bench     ## Measure against DuckDB, chdb and Polars on a million records
	$(BIN)/python benchmarks/engines.py

clean:                 ## Remove the environment
	rm -rf .venv
