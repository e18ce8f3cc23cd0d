# Two commands on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
SIZE ?= regular
BIN := $(VENV)/bin
SOURCES := pyproject.toml CMakeLists.txt $(shell find native src -name '*.py' -o -name '*.cpp' -o -name '*.h' -o -name '*.inc' -o -name '*.css' -o -name '*.js' 2>/dev/null)

.PHONY: help install demo test check bench format clean

help:
	@echo "make demo     install, then study a built-in text data set (no download)"
	@echo "make test     install what tests need and run them all"
	@echo "make check    lint, types and import rules"
	@echo "make bench    measure lanes against Keras on JAX, TensorFlow and torch, and scikit-learn (SIZE=fast|regular|large)"
	@echo "make install  goodfit into $(VENV)"

install: $(VENV)/installed

$(VENV)/installed: $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check .
	@touch $@

$(VENV)/tools: $(VENV)/installed
	$(BIN)/python scripts/group.py test check | xargs -d '\n' $(BIN)/python -m pip install --quiet --disable-pip-version-check
	@touch $@

demo: install
	$(BIN)/goodfit fit docstrings --seeds 12 --out demo

test: $(VENV)/tools
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

check: $(VENV)/tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_house.py

format: $(VENV)/tools
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install
	$(BIN)/python benchmarks/speed.py --size $(SIZE)

clean:
	rm -rf build demo .pytest_cache .ruff_cache .mypy_cache
