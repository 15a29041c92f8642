# The only entry point. `make` alone prints the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
PYTEST := $(PY) -m pytest
# Narrows the test targets to a path: make test-fast T=tests/unit/kit
T ?=

MEMBERS := $(wildcard libs/*/pyproject.toml services/*/pyproject.toml)
SETUP := .state/setup

##@ Use
.PHONY: help
help: ## Lists the targets
	@awk -f scripts/help.awk $(MAKEFILE_LIST)

.PHONY: setup
setup: $(SETUP) ## Makes .venv and installs everything at its locked version (needs python3 >= 3.11 with venv)

$(SETUP): requirements-dev.txt $(MEMBERS) scripts/setup.sh
	@scripts/setup.sh
	@touch $@

.PHONY: demo
demo: $(SETUP) ## Plays a broker's quarter through the platform and checks every number
	@$(PY) -m siyu_demo

.PHONY: up
up: $(SETUP) ## Keeps the platform running until Ctrl-C
	@.venv/bin/siyu up

.PHONY: doctor
doctor: $(SETUP) ## Says what is missing on this machine
	@.venv/bin/siyu doctor

##@ Test
.PHONY: test-fast
test-fast: $(SETUP) ## Unit and contract tests, no sockets (<= 60 s); T= narrows
	@$(PYTEST) -m "not integration and not e2e and not slow" $(or $(T),tests/unit tests/contract)

.PHONY: test
test: $(SETUP) servers ## Every test but the slow ones (<= 10 min); T= narrows
	@$(PYTEST) -m "not slow" $(T)

.PHONY: test-all
test-all: $(SETUP) servers ## Every test
	@$(PYTEST) $(T)

.PHONY: bench
bench: $(SETUP) ## Measures throughput and latency, writes build/bench.json
	@mkdir -p build && $(PY) tests/bench/run.py

.PHONY: servers
servers: ## PostgreSQL and Redis for the tests: installs them when root, else says what to install
	@scripts/servers.sh

##@ Check
.PHONY: check
check: lint types proto-lint proto-breaking proto-check licenses test ## Everything that CI runs

.PHONY: lint
lint: $(SETUP) ## Style, formatting, who may import whom
	@.venv/bin/ruff check && .venv/bin/ruff format --check
	@.venv/bin/lint-imports --no-logo

.PHONY: types
types: $(SETUP) ## mypy strict
	@.venv/bin/mypy

.PHONY: fmt
fmt: $(SETUP) ## Formats, and fixes what can be fixed
	@.venv/bin/ruff check --fix-only --quiet && .venv/bin/ruff format

.PHONY: licenses
licenses: $(SETUP) ## Holds every installed package to policy/licenses.toml
	@$(PY) scripts/licenses.py

##@ Contracts and locks
.PHONY: proto
proto: $(SETUP) ## Generates libs/protos and docs/errors.md from protos/
	@$(PY) scripts/gen_protos.py libs/protos/src && $(PY) scripts/error_catalogue.py docs/errors.md

.PHONY: proto-check
proto-check: $(SETUP) ## Fails when what is committed is not what the contracts generate
	@scripts/proto-check.sh

.PHONY: proto-lint
proto-lint: $(SETUP) ## buf lint
	@scripts/buf.sh lint

.PHONY: proto-breaking
proto-breaking: $(SETUP) ## buf breaking against the last release
	@scripts/buf.sh breaking

.PHONY: lock
lock: $(SETUP) ## Resolves the requirement files anew; LOCK_ARGS="-P name" upgrades one package
	@scripts/lock.sh $(LOCK_ARGS)

.PHONY: clean
clean: ## Removes what was built; .venv, .state and the stores under .siyu stay
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find libs services tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
