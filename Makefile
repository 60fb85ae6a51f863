# Two commands: `make run` does the main job on a sample, `make test` runs every test.
# Each does its own set-up: uv (from pip, in .venv, when the machine has none) and the locked packages.

PYTHON ?= python3
FILE ?= examples/questions.xlsx
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check lock clean
.DEFAULT_GOAL := help
.PHONY: help
help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/.ready ## validate a workbook end to end (FILE=path for your own)
	@$(BIN)/medq run "$(FILE)"

test: $(VENV)/.ready ## every check and every test
	@$(BIN)/ruff format --check -q . && $(BIN)/ruff check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/pytest

lock: $(VENV)/uv ## resolve the locked environment anew
	@$(VENV)/uv/bin/uv pip compile -q --universal --generate-hashes --no-header --no-annotate \
	  --all-extras --group dev pyproject.toml -o requirements.lock

clean: ## forget the environment and the embedded services' files
	rm -rf $(VENV) .medq

$(VENV)/uv:
	@$(PYTHON) -m venv $@ && $@/bin/pip install -q --disable-pip-version-check uv

$(VENV)/.ready: requirements.lock pyproject.toml | $(VENV)/uv
	@echo "Installing the locked environment…"
	@test -x $(BIN)/python || $(VENV)/uv/bin/uv venv -q --allow-existing --python $(PYTHON) $(VENV)
	@$(VENV)/uv/bin/uv pip sync -q --require-hashes --python $(BIN)/python requirements.lock
	@$(VENV)/uv/bin/uv pip install -q --no-deps --no-build-isolation --python $(BIN)/python -e .
	@touch $@
