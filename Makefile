# The only entry point. `make` alone prints the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
PYTEST := $(PY) -m pytest
# Narrows the test targets to a path: make test-fast T=tests/unit/kit
T ?=
# Processes that share the tests, each with servers of its own; 0 is this one alone (to debug).
# One more than cores: tests that start processes wait for them.
J ?= $(if $(T),0,$(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1))))
SHARED = -n $(J) --dist loadfile --no-loadscope-reorder
# What holds the platform to seconds runs by itself, once the others are through.
ALONE = $(if $(T),,$(PYTEST) -m "alone and not slow")

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
	@$(PYTEST) $(SHARED) -m "not integration and not e2e and not slow" $(or $(T),tests/unit tests/contract)

.PHONY: test
test: $(SETUP) servers ## Every test but the slow ones (<= 10 min); T= narrows, J= processes
	@$(PYTEST) $(SHARED) -m "not slow$(if $(T),, and not alone)" $(T)
	@$(ALONE)

.PHONY: test-all
test-all: $(SETUP) servers ## Every test
	@$(PYTEST) $(SHARED) $(T)

.PHONY: chaos
chaos: $(SETUP) servers ## The whole platform under load and faults: N= cycles, SEED=, STORE=sqlite or postgres
	@$(PY) tests/chaos/run.py --cycles $(or $(N),200) --seed $(or $(SEED),0) --store $(or $(STORE),sqlite)

.PHONY: test-cluster
test-cluster: $(SETUP) ## The chart on a real Kubernetes of two nodes: needs root, Debian 12 and 8 GB (first run: 25 min)
	@scripts/apt-install.sh containerd runc buildah debootstrap iptables containernetworking-plugins conntrack etcd-server \
		$$(command -v kubectl >/dev/null || echo kubernetes-client)
	@$(PYTEST) -x tests/cluster

.PHONY: bench
bench: $(SETUP) ## Measures throughput, latency and memory, writes build/bench.json; B="demo soak" narrows
	@mkdir -p build && $(PY) tests/bench/run.py $(B)

.PHONY: reconcile
reconcile: $(SETUP) servers ## Sends N events three times each under kill -9 and balances the account (about 25 min for the default of 1 000 000)
	@$(PY) tests/integration/durability/reconcile.py $(or $(N),1000000)

.PHONY: restitch
restitch: $(SETUP) servers ## Links N identifiers on PostgreSQL, makes all persons anew and compares (about 5 min for the default of 1 000 000)
	@$(PY) tests/bench/restitch_million.py $(or $(N),1000000)

.PHONY: servers
servers: ## PostgreSQL and Redis for the tests: installs them when root, else says what to install
	@scripts/servers.sh

##@ Check
.PHONY: check
check: lint types proto-lint proto-breaking proto-check licenses sbom test ## Everything that CI runs

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

.PHONY: sbom
sbom: $(SETUP) ## Writes build/sbom: what each image carries, with a licence for each (CycloneDX)
	@$(PY) scripts/sbom.py

##@ Install
.PHONY: images
images: $(SETUP) ## Builds the images with buildah, from this machine's mirrors alone (needs root); S= narrows to services
	@scripts/images.sh $(S)

.PHONY: bundle
bundle: $(SETUP) ## Writes build/bundle: wheels, images and chart for machines without a network (needs root)
	@scripts/images.sh --archive && scripts/store-images.sh && $(PY) scripts/bundle.py

.PHONY: dockerfiles
dockerfiles: $(SETUP) ## Writes the Dockerfiles from their template
	@$(PY) scripts/dockerfiles.py

.PHONY: chart-schema
chart-schema: $(SETUP) ## Writes the schema of the chart's values from the services' settings
	@$(PY) scripts/chart_schema.py charts/siyu/values.schema.json

##@ Contracts and locks
.PHONY: proto
proto: $(SETUP) ## Generates libs/protos, docs/errors.md and docs/rbac.md from protos/
	@$(PY) scripts/gen_protos.py libs/protos/src && $(PY) scripts/error_catalogue.py docs/errors.md
	@$(PY) scripts/rbac.py docs/rbac.md

.PHONY: proto-check
proto-check: $(SETUP) ## Fails when what is committed is not what the contracts generate
	@scripts/proto-check.sh

.PHONY: proto-lint
proto-lint: $(SETUP) ## buf lint
	@scripts/buf.sh lint

.PHONY: proto-breaking
proto-breaking: $(SETUP) ## buf breaking against the last release
	@scripts/buf.sh breaking

.PHONY: observability
observability: $(SETUP) ## Writes the dashboard and the alert rules of docs/observability
	@$(PY) scripts/dashboard.py docs/observability/dashboard.json && $(PY) scripts/alerts.py docs/observability/alerts.yaml

.PHONY: lock
lock: $(SETUP) ## Resolves the requirement files anew; LOCK_ARGS="-P name" upgrades one package
	@scripts/lock.sh $(LOCK_ARGS)

.PHONY: clean
clean: ## Removes what was built; .venv, .state and the stores under .siyu stay
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find libs services tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
