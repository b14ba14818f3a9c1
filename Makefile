# `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help setup up fleet image compose-up compose-down test pooled drills e2e bench check format bundles snapshots conformance docs verify clean
SHELL := /bin/sh

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
# The interpreter at hand is used; downloading another one does not work everywhere.
export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := $(VENV)
# Certificates of the system: enterprise networks have authorities of their own.
export UV_SYSTEM_CERTS := 1

##@ Two commands

up: setup ## Run the suite on this machine, with demo data, until Ctrl-C
	@$(BIN)/mcp-suite up

test: setup ## Run every test on a real PostgreSQL and a real Redis
	@$(if $(ARGS),$(BIN)/pytest $(ARGS),$(BIN)/pytest --whole --share together --numprocesses 3 --dist loadfile \
		&& $(BIN)/pytest --share alone)

##@ As a fleet

fleet: setup ## Run load balancer, 3 replicas of each server, PostgreSQL, Redis and identity provider, until Ctrl-C
	@$(BIN)/python -m compose.fleet $(ARGS)

pooled: setup ## Run the tests of customers, tenants and durable state through a real PgBouncer, by transaction
	@SUITE_TEST_POOLER=pgbouncer $(BIN)/pytest -q tests/servers/customers tests/e2e/balanced/test_isolation.py tests/shared/state/jobs \
		tests/shared/state/test_sendings.py tests/shared/steps/test_audit.py tests/shared/steps/test_idempotency.py \
		tests/shared/steps/test_recovery.py tests/shared/steps/test_sending.py $(ARGS)

image: setup ## Build the image (docker, podman or buildah) and write its SBOM and provenance to build/image/
	@$(BIN)/python -m compose.image $(ARGS)

compose-up: setup ## Run the fleet in containers: secrets, certificates, image, services (PROFILE=full: dashboards too)
	@$(BIN)/python -m compose.stack up --profile $(or $(PROFILE),core)

compose-down: setup ## Take the containers down (ARGS=--volumes: their data too)
	@$(BIN)/python -m compose.stack down $(ARGS)

drills: setup ## Kill, drain and roll replicas under load, and take services away, for as long as is promised
	@SUITE_LONG=1 DRILL_CALLS=5000 DRILL_OUTAGE_S=10 DRILL_LIMITS_S=60 DRILL_RELAY_S=60 DRILL_UPGRADE_CALLS=5000 DRILL_UPGRADE_CLIENTS=20 DRILL_UPGRADE_PAUSE_S=0 $(BIN)/pytest -q tests/e2e/drills \
		tests/e2e/test_limits_over_replicas.py tests/servers/customers/test_search_plan.py tests/test_bench_smoke.py $(ARGS)

e2e: setup ## Ship it and use it: image and compose in podman, bundles, newcomers' paths from a bare copy (20 minutes)
	@SUITE_LONG=1 $(BIN)/pytest -q -s tests/e2e/ship $(ARGS)

##@ Work on it

setup: $(VENV)/.ready ## Install everything into .venv (the other targets do this by themselves)

$(VENV)/.ready: pyproject.toml uv.lock
	@echo "Installing into $(VENV), once: a minute or two ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv sync --quiet --frozen --all-extras --inexact
	@touch $@

check: setup ## Lint, types, and the direction of imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/pyright
	@$(BIN)/pytest -q tests/contracts/test_imports.py

format: setup ## Format and fix what can be fixed
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bundles: setup ## Build build/bundles/SERVER.mcpb, which desktop clients install with a click
	@$(BIN)/mcp-suite bundle

snapshots: setup ## Write the snapshots of the surface anew; refuses breaking changes
	@$(BIN)/python -m tests.contracts.surface

conformance: setup ## Run the official conformance suite of MCP, in both eras (ARGS=--balanced: behind the load balancer)
	@$(BIN)/python -m tests.conformance $(ARGS)

docs: setup ## Write the generated pages of docs/ anew, and build the site into build/site
	@$(BIN)/python -m shared.ops.reference
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict $(ARGS)

bench: setup ## Measure the speed beside others' (10 minutes; ARGS=--write writes docs/bench.md, ARGS=--quick tries it)
	@$(BIN)/python -m tests.bench $(ARGS)

verify: setup ## Verify the audit chain of this machine's suite
	@$(BIN)/mcp-suite audit verify

clean: ## Remove the environment and caches; data stays in the data directory
	@rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis tests/clients/*/.venv tests/clients/*/node_modules tests/conformance/node_modules tests/e2e/console/axe/node_modules build

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
