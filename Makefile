# Every target carries its one line of help after two hashes; tests/test_layout.py compares them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin

.PHONY: install
install: .venv/.installed ## make .venv from the hash-locked requirements, with this checkout in it

.venv/.installed: requirements/dev.txt pyproject.toml scripts/install
	@PYTHON="$(PYTHON)" scripts/install

.PHONY: lock
lock: ## resolve pyproject.toml anew into requirements/*.txt (hashes, no addresses); UPGRADE=1 takes newer releases
	@scripts/lock $(if $(UPGRADE),--upgrade)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
