# make demo    install what it takes, evaluate two splits of examples/shop, write report/index.html
# make test    install what it takes, run every test
# make check   what CI runs: formatting, lints, make test
# make bench   run every benchmark under bench/
# make clean   remove everything that was made here
#
# PYTHON=/path/to/python3 chooses the interpreter; by default scripts/find-python does. CARGO_TARGET_DIR is honoured.

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PINS := requirements/constraints.txt
CARGO ?= cargo
export PYTHON

# What runs inside sees the virtual environment as if it had been activated.
ACTIVATED := VIRTUAL_ENV="$(CURDIR)/$(VENV)" PATH="$(BIN):$$PATH"

# A virtual environment that cannot be used any more goes before make looks at what depends on it.
$(shell scripts/venv-is-stale $(VENV) && rm -rf $(VENV))

# Directories are among the inputs, so that a removed file counts as a change.
INPUTS := $(shell find crates python \( -name __pycache__ -o -name tests -o -name '*.so' \) -prune -o -print) \
	Cargo.toml Cargo.lock pyproject.toml setup.py

.PHONY: help demo test check lint bench clean build
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# make /make /p' Makefile

demo: $(VENV)/.splitcost $(VENV)/.demo
	@mkdir -p report
	cd examples/shop && $(ACTIVATED) splitcost evaluate --report ../../report/index.html

test: $(VENV)/.splitcost $(VENV)/.test
	@scripts/need-chromium
	$(ACTIVATED) $(CARGO) test --locked --workspace --all-features
	$(ACTIVATED) python -m pytest tests/python
	cd examples/shop && $(ACTIVATED) python -m pytest

check: lint test

lint: $(VENV)/.test
	$(CARGO) fmt --all --check
	$(ACTIVATED) ruff check
	$(ACTIVATED) ruff format --check
	$(ACTIVATED) mypy
	$(ACTIVATED) scripts/lint-english
	$(ACTIVATED) $(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings

bench: $(VENV)/.splitcost $(VENV)/.test
	@status=0; for script in bench/*; do \
		if [ -f "$$script" ] && [ -x "$$script" ]; then \
			echo "== $$script"; $(ACTIVATED) "$$script" || status=1; \
		fi; \
	done; exit $$status

clean:
	rm -rf $(VENV) report build .splitcost examples/shop/.splitcost
	find . -name __pycache__ -prune -exec rm -rf {} +
	find . \( -name '*.egg-info' -o -name .pytest_cache -o -name .ruff_cache -o -name .mypy_cache \) -prune -exec rm -rf {} +
	$(CARGO) clean

build: $(VENV)/.splitcost

# The virtual environment, with the tools that build the wheel.
$(VENV)/.tools: $(PINS)
	@if [ ! -d $(VENV) ]; then \
		python=$$(scripts/find-python) && echo "Making $(VENV) with $$python …" && "$$python" -m venv $(VENV); \
	fi
	@$(PIP) install -c $(PINS) pip setuptools setuptools-rust
	@touch $@

# The wheel, installed. The binary, which is nearly all of the work, is built first and in the open: cargo shows its
# progress, which pip would hide. The wheel then finds it built.
$(VENV)/.splitcost: $(INPUTS) $(VENV)/.tools
	$(CARGO) build --locked --profile wheel --package splitcost --bin splitcost
	@echo "Building and installing the wheel …"
	@rm -rf $(VENV)/wheel
	@$(PIP) wheel --no-build-isolation --no-deps --wheel-dir $(VENV)/wheel .
	@$(PIP) install --force-reinstall --no-deps $(VENV)/wheel/splitcost-*.whl
	@touch $@

# What is imported beside splitcost: by the demo, and by the tests.
$(VENV)/.demo $(VENV)/.test: $(VENV)/.%: $(PINS) scripts/requirements pyproject.toml examples/shop/pyproject.toml $(VENV)/.tools
	@echo "Installing the Python packages of the $* …"
	@$(BIN)/python scripts/requirements $* > $(VENV)/requirements-$*.txt
	@$(PIP) install -c $(PINS) -r $(VENV)/requirements-$*.txt
	@touch $@
