# Each target prepares what it needs by itself; `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

VENV := .cache/venv/bin
DIST := .cache/dist
# What `make test` runs, in this order.
STEPS ?= lint unit integration molecule

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install what is missing: system packages, a virtual environment with the pinned tools
	@tests/setup/bootstrap

.PHONY: image
image: setup ## Build the image of the test hosts
	@tests/hosts/hosts image >/dev/null

.PHONY: demo
demo: setup ## Deploy a real application on a test host, kill it again and again, show what happens
	@tests/demo/run

.PHONY: test
test: image ## Run every check and test, as CI does; a summary is printed at the end
	@tests/setup/steps $(STEPS)

.PHONY: lint
lint: setup ## Run the quality gates
	@tests/lint/run

.PHONY: sanity
sanity: setup ## Run ansible-test sanity alone
	@tests/lint/run sanity

.PHONY: importer
importer: setup ## Run the Galaxy importer alone
	@tests/lint/run importer

.PHONY: unit
unit: setup ## Test the core
	@$(VENV)/pytest tests/unit

.PHONY: integration
integration: image ## Test the modules and playbooks on real hosts
	@$(VENV)/pytest tests/integration

.PHONY: molecule
molecule: image ## Test the roles on real hosts
	@molecule/run

.PHONY: bench
bench: image ## Measure against other ways of deployment; writes docs/benchmarks.md and docs/benchmarks.json
	@tests/bench/run

.PHONY: prove
prove: image ## Run the long proofs at full size; writes docs/proofs.json, resumes where it was stopped
	@STABILITY_PROOF=full $(VENV)/pytest tests/unit tests/integration

.PHONY: build
build: setup ## Build the collection's tarball into .cache/dist
	@mkdir -p $(DIST)
	@$(VENV)/ansible-galaxy collection build --force --output-path $(DIST)

.PHONY: clean
clean: ## Remove what was made in this checkout; the cache that all checkouts share stays
	@rm -rf .cache .ansible .mypy_cache .pytest_cache .ruff_cache .hypothesis stability-report
	@find . -name .git -prune -o -type d -name __pycache__ -exec rm -rf {} +
