# make demo          install the requirements, evaluate two splits of examples/shop, write report/index.html
# make test          install the requirements, run every test
# make test-pythons  run the recorder's and the rehearsal's tests on every other CPython that can be had
# make check         run everything that CI runs: lints, make test, make test-pythons
# make lint          run the linters and formatters, which change nothing
# make bench         run every benchmark under bench/
# make corpus        run splitcost on real applications (or on some: APPS="datasette"), write docs/corpus.md
# make hunt          run the Python tests RUNS times (10), in other orders and under load, to find flaky ones
# make wheel         build the wheel that users install, in dist/
# make clean         remove everything that was made here
#
# PYTHON=/path/to/python3 chooses the interpreter; by default scripts/find-python does. CARGO_TARGET_DIR is honoured.
# WHEEL=dist/… tests a wheel that exists already. SHUFFLE=random, or a number, runs the Python tests in another order.

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PINS := requirements/constraints.txt
CARGO ?= cargo
RUNS ?= 10
export PYTHON

# What runs inside sees the virtual environment as if it had been activated.
ACTIVATED := VIRTUAL_ENV="$(CURDIR)/$(VENV)" PATH="$(BIN):$$PATH"

# A virtual environment that cannot be used any more goes before make looks at what depends on it.
$(shell scripts/venv-is-stale $(VENV) && rm -rf $(VENV))

# Directories are among the inputs, so that a removed file counts as a change.
INPUTS := $(shell find crates python \( -name __pycache__ -o -name tests -o -name '*.so' \) -prune -o -print) \
	Cargo.toml Cargo.lock pyproject.toml setup.py

# One set of features for everything that the tests need, so that each crate is compiled once for all of it.
ALL := --locked --workspace --all-features
# Most tests wait, for servers that start and for phases that take their time: more of them run at once than there are
# cores. A Python file's tests stay in one process, which shares their fixtures.
PYTEST_FLAGS := --numprocesses=3 --dist=loadfile $(if $(SHUFFLE),--shuffle=$(SHUFFLE))
export RUST_TEST_THREADS ?= 4

.PHONY: help demo test test-rust test-python test-pythons check lint bench corpus hunt wheel clean build
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# make /make /p' Makefile

demo: $(VENV)/.splitcost $(VENV)/.demo
	@mkdir -p report
	cd examples/shop && $(ACTIVATED) splitcost evaluate --report ../../report/index.html

test: test-rust test-python

test-rust: $(VENV)/.tested $(VENV)/.test
	$(ACTIVATED) $(CARGO) test $(ALL)

test-python: $(VENV)/.tested $(VENV)/.test $(VENV)/.generator
	@scripts/need-chromium
	@scripts/need-databases
	$(ACTIVATED) python -m pytest tests/python $(PYTEST_FLAGS)
	cd examples/shop && $(ACTIVATED) python -m pytest

test-pythons: $(VENV)/.tested
	$(BIN)/python scripts/test-pythons $(if $(WHEEL),--own) $(VENV)/tested/splitcost-*.whl $(PYTEST_FLAGS)

check: lint test test-pythons

# The quick ones first.
lint: $(VENV)/.test
	$(CARGO) fmt --all --check
	$(ACTIVATED) ruff check
	$(ACTIVATED) ruff format --check
	$(ACTIVATED) mypy
	$(ACTIVATED) scripts/lint-english
	$(ACTIVATED) check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(ACTIVATED) check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(ACTIVATED) zizmor --offline --quiet .github/workflows action.yml
	$(ACTIVATED) $(CARGO) clippy $(ALL) --all-targets -- -D warnings

hunt: $(VENV)/.tested $(VENV)/.test $(VENV)/.generator
	@scripts/need-chromium
	@scripts/need-databases
	$(ACTIVATED) python scripts/hunt-flakes $(RUNS)

bench: $(VENV)/.splitcost $(VENV)/.test
	@status=0; for script in bench/*; do \
		if [ -f "$$script" ] && [ -x "$$script" ]; then \
			echo "== $$script"; $(ACTIVATED) "$$script" || status=1; \
		fi; \
	done; exit $$status

# An hour, mostly for recordings; WHEEL=… is recorded with instead of an optimized one.
corpus: $(if $(WHEEL),$(VENV)/.tools,wheel)
	$(BIN)/python corpus/run --wheel $(or $(WHEEL),dist/splitcost-*.whl) $(APPS)

clean:
	rm -rf $(VENV) report build dist .splitcost examples/shop/.splitcost
	find . -name __pycache__ -prune -exec rm -rf {} +
	find . \( -name '*.egg-info' -o -name .pytest_cache -o -name .ruff_cache -o -name .mypy_cache \) -prune -exec rm -rf {} +
	$(CARGO) clean

# All that tests need.
build: $(VENV)/.tested $(VENV)/.test $(VENV)/.generator

# The virtual environment, with the tools that build the wheel.
$(VENV)/.tools: $(PINS)
	@if [ ! -d $(VENV) ]; then \
		python=$$(scripts/find-python) && echo "Making $(VENV) with $$python …" && "$$python" -m venv $(VENV); \
	fi
	@$(PIP) install -c $(PINS) pip setuptools setuptools-rust
	@touch $@

wheel: $(VENV)/.tools
	$(call BUILD_RELEASE,dist)

# The wheel that users install. The binary, which is nearly all of the work, is built first and in the open: cargo shows
# its progress, which pip would hide. The wheel then finds it built.
define BUILD_RELEASE
$(CARGO) build --locked --profile wheel --package splitcost --bin splitcost
@echo "Building the wheel …"
@rm -rf $(1)
@$(PIP) wheel --no-build-isolation --no-deps --wheel-dir $(1) .
endef

# That wheel, installed.
$(VENV)/.splitcost: $(INPUTS) $(VENV)/.tools
	$(call BUILD_RELEASE,$(VENV)/wheel)
	@$(PIP) install --force-reinstall --no-deps $(VENV)/wheel/splitcost-*.whl
	@rm -f $(VENV)/.tested
	@touch $@

# The wheel that is tested, installed: WHEEL, or one of the same parts whose binary comes from the artifacts of the Rust
# tests, which would otherwise be a second compilation of everything. docs/packaging.md says where the optimized one is
# tested.
ifdef WHEEL
$(VENV)/.tested: $(WHEEL) $(VENV)/.tools
	@rm -rf $(VENV)/tested && mkdir $(VENV)/tested && cp $(WHEEL) $(VENV)/tested/
else
$(VENV)/.tested: $(INPUTS) scripts/cargo-for-tests $(VENV)/.tools
	$(ACTIVATED) $(CARGO) build $(ALL) --bin splitcost --example sample
	@echo "Building the wheel for the tests …"
	@rm -rf $(VENV)/tested
	@REAL_CARGO="$(CARGO)" CARGO="$(CURDIR)/scripts/cargo-for-tests" \
		$(PIP) wheel --no-build-isolation --no-deps --wheel-dir $(VENV)/tested .
endif
	@$(PIP) install --force-reinstall --no-deps $(VENV)/tested/splitcost-*.whl
	@rm -f $(VENV)/.splitcost
	@touch $@

# The packages that are imported beside splitcost: by the demo, and by the tests. Of these, mysqlclient is built from C.
$(VENV)/.demo $(VENV)/.test: $(VENV)/.%: $(PINS) scripts/requirements pyproject.toml examples/shop/pyproject.toml $(VENV)/.tools
	@[ $* != test ] || scripts/need-databases
	@echo "Installing the Python packages of the $* …"
	@$(BIN)/python scripts/requirements $* > $(VENV)/requirements-$*.txt
	@$(PIP) install -c $(PINS) -r $(VENV)/requirements-$*.txt
	@touch $@

# The generator of server code, in a virtual environment of its own: requirements/generator.txt says why.
$(VENV)/.generator: requirements/generator.txt $(VENV)/.tools
	@echo "Installing the generator of server code …"
	@$(BIN)/python -m venv --clear $(VENV)/generator
	@$(VENV)/generator/bin/python -m pip --disable-pip-version-check --quiet install --no-deps -r requirements/generator.txt
	@touch $@
