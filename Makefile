# Two commands: `make run` does the main job on a sample, `make test` runs every check and every test.
# Each does its own set-up in .venv: uv (from pip) and the locked packages. An interrupted set-up heals at the next call.

FILE ?= examples/questions.xlsx
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest -n 4 --maxschedchunk 1 --durations 20 --durations-min 10 # of two cores, for tests wait a lot; the next goes to who is free
UV := $(VENV)/uv/bin/uv
UV_VERSION := 0.13.9 # what installs is as fixed as what is installed

# Any Python from 3.11 on: the machine's own one first; PYTHON=… overrides. Every package comes as a wheel, so there is
# nothing to compile.
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
endif

.DEFAULT_GOAL := help
.PHONY: help run serve test bench faults prisma lock clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 8

run: $(VENV)/.ready ## validate a workbook end to end: FILE=path for your own
	@$(BIN)/medq run "$(FILE)"

serve: $(VENV)/.ready ## the page and the API with a worker, on this machine alone; opens the job that `make run` left
	@$(BIN)/medq serve --open --with-worker

test: $(VENV)/.ready ## every check and every test
	@echo "Format and lint…" && $(BIN)/ruff format --check -q . && $(BIN)/ruff check -q .
	@echo "Types…" && $(BIN)/mypy
	@echo "Layers…" && { $(BIN)/lint-imports --no-cache > $(VENV)/layers.log || { cat $(VENV)/layers.log; exit 1; }; }
	@echo "Tests…" && $(PYTEST)

bench: $(VENV)/.ready ## measure speed on this machine and write docs/performance.md (ten minutes)
	@$(BIN)/python -m bench.speed --write

faults: $(VENV)/.ready ## the fault suite at full length (an hour and a half), its counts into docs/reliability.md
	@rm -f $(VENV)/faults.jsonl
	@MEDQ_FAULT_LONG=1 MEDQ_FAULT_KILLS=3000 MEDQ_FAULT_RECORD=$(VENV)/faults.jsonl \
	  $(PYTEST) -v --timeout 14400 tests/faults
	@$(BIN)/python -m tests.faults.record $(VENV)/faults.jsonl

prisma: $(VENV)/.ready ## write schema/prisma/schema.prisma anew, from the models
	@$(BIN)/python -m worker.db.schema.prisma

lock: $(VENV)/uv/.ready ## resolve requirements.lock anew
	@$(UV) pip compile -q --universal --generate-hashes --no-header --no-annotate \
	  --all-extras --group dev pyproject.toml -o requirements.lock

clean: ## forget the environment and the embedded services' files
	@if [ -x $(BIN)/medq ]; then $(BIN)/medq services stop >/dev/null 2>&1 || true; fi
	@rm -rf $(VENV) .medq

# The stamps are the last thing written, so a step that was cut short is done again, and thoroughly.
# Compiled once here: a process that starts may not be allowed to keep what it compiled, and then takes twice as long.
# uv does not read pip's settings: a company's own index is handed on.
$(VENV)/uv/.ready:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, with venv and pip: install it, or say where with PYTHON=path." >&2; exit 1; }
	@echo "Getting uv…"
	@$(PYTHON) -m venv --clear $(VENV)/uv && $(VENV)/uv/bin/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

$(VENV)/.ready: requirements.lock pyproject.toml | $(VENV)/uv/.ready
	@echo "Installing the locked packages…"
	@$(BIN)/python -c '' 2>/dev/null || $(UV) venv -q --allow-existing --python $(PYTHON) $(VENV)
	@again=$$(test ! -e $(VENV)/.installing || echo --reinstall); touch $(VENV)/.installing; \
	  index=$$($(VENV)/uv/bin/python -m pip config get global.index-url 2>/dev/null); \
	  test -z "$$index" || export UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$index}"; \
	  $(UV) pip sync -q $$again --compile-bytecode --require-hashes --python $(BIN)/python requirements.lock && \
	  $(UV) pip install -q --no-deps --no-build-isolation --python $(BIN)/python -e . && \
	  $(BIN)/python -m compileall -q worker models schema
	@rm -f $(VENV)/.installing && touch $@
