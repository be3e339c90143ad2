# Each target prepares what it needs by itself; `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

VENV := .cache/venv/bin
DIST := .cache/dist
# Files of integration tests at a time, each process with hosts of its own.
JOBS ?= 3
SAMPLING := ansible_collections.stability.baseline.tests.matrix.sampling
# What `make test` runs, in this order; + joins what runs at the same time.
STEPS ?= lint+unit+cores integration molecule

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install what is missing: system packages, a virtual environment with the pinned tools
	@tests/setup/bootstrap

.PHONY: image
image: setup ## Build the image of the test hosts that the demo and the benchmarks use
	@tests/hosts/hosts image >/dev/null

.PHONY: images
images: setup ## Build the images of every release that runs on this machine
	@tests/hosts/hosts images >/dev/null

.PHONY: guest
guest: image ## Build the virtual machine with cgroup v2 and all controllers that a proof needs
	@tests/setup/bootstrap cpio qemu-system-x86
	@tests/guests/guest >/dev/null

.PHONY: demo
demo: setup ## Deploy a real application on a test host, kill it again and again, show what happens
	@tests/demo/run

.PHONY: test
test: images ## Run every check and test, as CI does; a summary is printed at the end
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
	@$(VENV)/pytest tests/unit --numprocesses=2

.PHONY: cores
cores: image ## Test the core with another release of ansible-core
	@tests/matrix/run try

.PHONY: integration
integration: images ## Test the modules and playbooks on real hosts: a sample, most of it on Debian 12
	@PYTHONPATH=.cache/collections $(VENV)/python -P -m $(SAMPLING) tests/integration --sample --numprocesses=$(JOBS) --dist=loadfile --no-loadscope-reorder

.PHONY: molecule
molecule: images ## Test the roles on real hosts: each scenario, on Debian 12 or on another release that is drawn
	@molecule/run

.PHONY: bench
bench: image ## Measure against other ways of deployment; writes docs/benchmarks.md and docs/benchmarks.json
	@tests/bench/run

.PHONY: prove
prove: images guest ## Run the whole matrix and the long proofs at full size, as far as they are not proved yet; writes docs/proofs.json
	@tests/matrix/run prove

.PHONY: release-check
release-check: setup ## Say of each proof whether it is as new as the code it covers, and what else keeps from a release
	@tests/matrix/run check

.PHONY: relock
relock: setup ## Pin the newest versions of the popular distributions that the reference gate is tested with
	@tests/setup/relock

.PHONY: findings
findings: setup ## Write docs/findings.md from the rules of the audit
	@PYTHONPATH=.cache/collections $(VENV)/python -P -m ansible_collections.stability.baseline.tests.lint.rules

.PHONY: build
build: setup ## Build the collection's tarball into .cache/dist
	@mkdir -p $(DIST)
	@$(VENV)/ansible-galaxy collection build --force --output-path $(DIST)

.PHONY: clean
clean: ## Remove what was made in this checkout; the cache that all checkouts share stays
	@rm -rf .cache .ansible .mypy_cache .pytest_cache .ruff_cache .hypothesis stability-report
	@find . -name .git -prune -o -type d -name __pycache__ -exec rm -rf {} +
