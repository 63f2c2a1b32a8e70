# Everything runs in .venv, made from requirements.lock, and for tests and checks from requirements-dev.lock too, for
# the benchmark from requirements-bench.lock; a step that is done is not done again. `make compatibility` has an
# environment of its own, from requirements-compatibility.lock.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TOOLS := $(VENV)/.tools
PEERS := $(VENV)/.peers
TORCH := $(VENV)/.torch
OTHERS := .venv-compatibility
RESOLVE := uv pip compile --universal --python-version 3.11 --generate-hashes --quiet --custom-compile-command "make lock"
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --no-deps

# PORT=, HOST= and WORKERS= are settings for one run; `mlapi settings` lists the others. HOST counts only as
# `make serve HOST=`: some systems export it, and the server must not open itself to a network unasked.
SETTINGS := $(if $(PORT),MLAPI_PORT="$(PORT)") $(if $(WORKERS),MLAPI_WORKERS="$(WORKERS)")
ifeq ($(origin HOST),command line)
SETTINGS += MLAPI_HOST="$(HOST)"
endif

# Three tests for two cores at a time: one in five waits for a server, a clock or a disk.
TESTERS := $(shell cores=$$(getconf _NPROCESSORS_ONLN) && echo $$((cores + (cores + 1) / 2)))
PARALLEL := --numprocesses $(TESTERS) --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help setup link train serve test test-exhaustive test-vision test-all lint bench compatibility lock

help: ## show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv and install into it what serving and training need

# An sdist has no links, nor have some copies of a checkout: there it is missing, or a file.
link:
	@test -d mlapi/training || ln -sf ../training mlapi/training

$(READY): requirements.lock pyproject.toml | link
	@$(PYTHON) -c 'import sys; sys.exit("mlapi needs Python 3.11 or later" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV)
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-build-isolation --editable .
	@touch $@

$(TOOLS): $(READY) requirements-dev.lock
	$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

# Outside of the locks: a lock that serves every platform would bring the gigabytes of CUDA to all of them.
$(TORCH): $(TOOLS)
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0 onnx==1.23.2
	@touch $@

$(PEERS): $(READY) requirements-bench.lock
	$(PIP) --require-hashes -r requirements-bench.lock
	@touch $@

$(OTHERS)/.ready: requirements-compatibility.lock pyproject.toml | link
	@test -x $(OTHERS)/bin/pip || $(PYTHON) -m venv --clear $(OTHERS)
	$(OTHERS)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r requirements-compatibility.lock
	$(OTHERS)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

train: $(READY) ## train every recipe of config/models.toml
	$(BIN)/mlapi train

serve: $(READY) ## train what is missing, then serve on 127.0.0.1:8000 (PORT=, HOST=, WORKERS=)
	$(SETTINGS) $(BIN)/mlapi train --missing
	$(SETTINGS) exec $(BIN)/gunicorn -c config/gunicorn.conf.py wsgi:app

test: $(TOOLS) ## run the tests, without those that take long or need PyTorch
	$(BIN)/python -m pytest -m "not vision and not exhaustive" $(PARALLEL)

test-exhaustive: $(TOOLS) ## run those that try every step, byte or kind, or take long
	$(BIN)/python -m pytest -m "exhaustive and not vision" $(PARALLEL)

test-vision: $(TORCH) ## install PyTorch, and run the tests that need it
	$(BIN)/python -m pytest -m vision

test-all: test test-exhaustive test-vision ## run all of them

lint: $(TOOLS) ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(PEERS) ## measure this server beside others (15 minutes; needs Linux and wrk; BENCH=--quick)
	$(BIN)/python -m benchmarks $(BENCH)

compatibility: $(OTHERS)/.ready ## serve models as people bring them (15 minutes; COMPATIBILITY="--only skops")
	$(OTHERS)/bin/python -m compatibility $(COMPATIBILITY)

lock: $(READY) ## resolve the newest versions within pyproject.toml's ranges into the locks (needs uv)
	$(RESOLVE) --upgrade --extra build --extra parquet --output-file requirements.lock pyproject.toml
	$(RESOLVE) --upgrade --extra build --extra parquet --extra dev --constraint requirements.lock \
		--output-file requirements-dev.lock pyproject.toml
	$(RESOLVE) --upgrade --extra build --extra parquet --extra bench --constraint requirements-dev.lock \
		--output-file requirements-bench.lock pyproject.toml
	$(RESOLVE) --upgrade --extra build --extra compatibility --constraint requirements.lock \
		--output-file requirements-compatibility.lock pyproject.toml
