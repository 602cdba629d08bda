# Everything here needs only make and a Python 3.11 or later: all else goes into .venv.
# Another interpreter: make PYTHON=python3.13 …    More for pytest: make test PYTEST_ARGS="-k resume -x"

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --no-input
PYTHON ?=
PYTEST_ARGS ?=
PROXIES := .proxies
INTEROP := .interop
BENCH := .bench
STREAMS ?= 30000
SECONDS ?= 600
BENCH_ARGS ?= all

.DEFAULT_GOAL := help
.PHONY: help demo test faults interop soak bench check format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/installed ## run the demonstration: a server and a client on this machine
	@$(BIN)/python -m streamflow_client demo

# `coverage run -m pytest`, not pytest-cov: the reason stands in pyproject.toml. Three workers for two cores:
# many tests wait.
test: $(VENV)/developed ## run every test that needs only Python, with branch coverage
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -n 3 --dist worksteal -m "not interop and not faults" $(PYTEST_ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

faults: $(VENV)/developed $(PROXIES)/installed ## the long proofs: fault matrix, callers' HTTP clients, cuts, proxies
	@STREAMFLOW_PROXIES=$(PROXIES) $(BIN)/python -m pytest -n 3 --dist worksteal -m faults $(PYTEST_ARGS)

# Each app runs on one worker: tests/interop/interop_schedule.py.
interop: $(VENV)/developed ## every behaviour of every real server (Go, Node and their packages)
	@PYTHON="$(CURDIR)/$(BIN)/python" bash tests/interop/install.sh $(INTEROP)
	@STREAMFLOW_INTEROP=$(INTEROP) $(BIN)/python -m pytest -n 2 --dist loadscope -m interop tests/interop $(PYTEST_ARGS)

soak: $(VENV)/developed ## 30,000 streams, some faulty, some cancelled: leaks, memory (STREAMS=… SECONDS=…)
	@$(BIN)/python tests/soak.py --streams $(STREAMS) --seconds $(SECONDS)

# Beside other clients, which need packages of their own, and Node for one of them. BENCH_ARGS="bulk --only ours"
# measures a part, and writes nothing.
bench: $(VENV)/benched ## what streams cost in CPU and memory, beside other clients: benchmarks/RESULTS.md (9 minutes)
	@bash benchmarks/install.sh $(BENCH)
	@STREAMFLOW_BENCH=$(BENCH) $(BIN)/python -m benchmarks $(BENCH_ARGS)

check: $(VENV)/developed ## lint, formatting, types (mypy and pyright, strict; as installed), import rules
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo "run: make format" >&2; exit 1; }
	@$(BIN)/mypy --strict
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python
	@$(BIN)/python tests/import_rules.py
	@$(BIN)/python tests/typed_as_installed.py

format: $(VENV)/developed ## rewrite the code in the project's format
	@$(BIN)/ruff format --quiet
	@$(BIN)/ruff check --quiet --fix

clean: ## remove .venv and everything generated
	@rm -rf $(VENV) $(PROXIES) $(INTEROP) $(BENCH) build dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A file in .venv says which set-up is done; a newer pyproject.toml asks for it again.

$(VENV)/installed: pyproject.toml | $(BIN)/python
	@echo "Installing streamflow-client into $(VENV) …" >&2
	@$(PIP) install --upgrade pip
	@$(PIP) install --editable '.[cli]'
	@touch $@

$(VENV)/developed: pyproject.toml | $(BIN)/python
	@echo "Installing streamflow-client and its development tools into $(VENV) …" >&2
	@$(PIP) install --upgrade pip
	@$(PIP) install --editable '.[dev]'
	@touch $(VENV)/installed $@

$(VENV)/benched: pyproject.toml | $(BIN)/python
	@echo "Installing streamflow-client and the clients it is measured beside into $(VENV) …" >&2
	@$(PIP) install --upgrade pip
	@$(PIP) install --editable '.[bench]'
	@touch $(VENV)/installed $@

# nginx and haproxy from Debian's packages, unpacked here: nothing is installed on the machine.
$(PROXIES)/installed: tests/install_proxies.sh
	@bash tests/install_proxies.sh $(PROXIES)
	@touch $@

# A virtual environment that could not be finished is removed, or the next make would trust it.
$(BIN)/python:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	    "$$python" -m venv --clear $(VENV) && exit 0; \
	    rm -rf $(VENV); \
	    echo "error: '$$python -m venv' failed (on Debian and Ubuntu: install python3-venv)" >&2; exit 1; \
	done; \
	echo "error: no Python 3.11 or later found; name one with: make PYTHON=/path/to/python3" >&2; exit 1
