# Every target carries its one line of help after two hashes; tests/test_layout_make.py compares them.
# Caches lie outside the checkout: TRIMTAB_CACHE, or trimtab under XDG_CACHE_HOME, or ~/.cache/trimtab.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
XDG_CACHE_HOME ?= $(HOME)/.cache
export TRIMTAB_CACHE ?= $(XDG_CACHE_HOME)/trimtab

.PHONY: install
install: .venv/.installed ## make .venv from the hash-locked requirements, with this checkout in it

.venv/.installed: requirements/dev.txt pyproject.toml scripts/install
	@PYTHON="$(PYTHON)" scripts/install

.venv/.runnable: requirements/runtime.txt requirements/build.txt pyproject.toml scripts/install
	@PYTHON="$(PYTHON)" scripts/install runtime

.PHONY: tools
tools: ## install the system packages of the tests where it may (root on Debian), else print the line to run
	@scripts/tools

.PHONY: test
test: install ## run all tests on real servers; a missing tool skips with a sentence (CI=true: fails); ARGS="-k word"
	@scripts/test $(ARGS)

.PHONY: check
check: install ## lint, format, types, import contracts, generated files, chart and docs
	@scripts/check

.PHONY: demo
demo: .venv/.runnable ## show all of it without a cluster, in about a minute: five stories, one answer of yours
	@scripts/demo $(ARGS)

.PHONY: bench
bench: install ## measure everything on the score card
	@$(BIN)/python -m bench

.PHONY: bench-quick
bench-quick: install ## measure each benchmark of the score card within a minute; one without its data is passed over
	@$(BIN)/python -m bench --quick || [ $$? -eq 3 ]

.PHONY: crds
crds: install ## write the CRDs and roles of the chart anew from the models in controller/api and runbooks/library
	@scripts/crds

.PHONY: docs
docs: install ## build the documentation into site/, strictly
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --site-dir site

.PHONY: lock
lock: ## resolve pyproject.toml anew into requirements/*.txt (hashes, no addresses); UPGRADE=1 takes newer releases
	@scripts/lock $(if $(UPGRADE),--upgrade)

.PHONY: clean
clean: ## remove what was built here (.venv, site, dist, tool caches); the cache outside the checkout stays
	@rm -rf .venv site dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
