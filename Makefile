# SPDX-License-Identifier: Apache-2.0
# demo: the main job on this laptop · test · check · bench · deploy ENV=dev. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup demo test quick scenarios nightly clients reliability check sources mac deployed laws wheels compiled whole-quick whole-scenarios release docs format events bench deploy lock clean

# Python 3.13 is the Lambda runtime; 3.12 and 3.11 will do where it is not installed, and for all but the functions newer ones.
PYTHON := $(shell for p in python3.13 python3 python3.12 python3.11; do \
	$$p -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
UV := $(BIN)/uv
ENV ?= dev
SEEDS ?= 20
export SAM_CLI_TELEMETRY := 0
# The demo and the tests start hundreds of processes, each of which would compile every module that it imports.
unexport PYTHONDONTWRITEBYTECODE

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' Makefile | expand -t 13

setup: .venv/.browser ## make the environments: .venv, .local/cloud, .local/sam
	@$(BIN)/python -m local setup

demo: .venv/.locked ## the main job on real data, on this laptop (ONCE=1: stop at the end; BACKEND=engine)
	@$(BIN)/python -m local demo $(if $(ONCE),--once) $(if $(BACKEND),--backend $(BACKEND))

test: setup clients ## all tests but the nightly ones (ARGS="tests/shop -x": a part)
	$(if $(ARGS),$(BIN)/pytest $(ARGS),@$(MAKE) --no-print-directory -j2 whole-scenarios whole-quick)

# `sam build` copies these folders, and stumbles over bytecode that a test is about to rename.
compiled: .venv/.locked
	@$(BIN)/python -m compileall -q -j 0 functions layers/core table-intake/src engine/src local

quick: setup clients ## all tests but the scenarios on the local cloud
	$(QUICK) $(ARGS)

scenarios: setup clients ## the scenarios on the local cloud: what `make test` plays beside `make quick`
	$(SCENARIOS) $(ARGS)

# A module stays with one worker, which makes what the module shares.
# CHECKED=1, after `make check`: without the tests that this has played.
QUICK = $(BIN)/pytest -q -n logical --dist loadscope --no-loadscope-reorder --ignore=tests/app $(if $(CHECKED),$(addprefix --ignore=,$(LAWS)))
# Each worker has a local cloud, which mostly computes. The matrix comes first: one worker plays its cases side by side, another the kills.
MATRIX = tests/app/test_reliability.py
CLOUDS := $(shell $(PYTHON) -c 'import os; print(min(4, os.cpu_count() + 1))')
SCENARIOS = $(BIN)/pytest -q -n $(CLOUDS) --dist loadscope --no-loadscope-reorder tests/app

# Scenarios wait for half of their time, in which the other tests compute. These give way, and tell at their end what they did.
whole-scenarios: compiled
	$(SCENARIOS)
whole-quick: compiled
	nice $(QUICK) >.local/quick.txt 2>&1; status=$$?; cat .local/quick.txt; exit $$status

clients: .venv/.browser .local/axe/.locked .local/awscli/.locked .local/aws-sdk-js/.locked ## the clients of the tests: Chromium, AWS CLI v1, AWS SDK for JavaScript
	@$(BIN)/python -m tests.storefront.chromium || true

nightly: setup clients ## what takes hours: the fault matrix, the long run, hostile requests
	@for seed in $$(seq 1 $(SEEDS)); do \
		MATRIX_SEED=$$seed MATRIX_TOGETHER=1 $(BIN)/pytest -q -m '' $(MATRIX) || exit 1; \
		LONG_RUN_SEED=$$seed $(BIN)/pytest -q -m nightly tests/app/test_long_run.py || exit 1; done
	$(SCENARIOS) -m nightly --ignore=$(MATRIX) --ignore=tests/app/test_long_run.py
	$(QUICK) -m '' --hypothesis-profile=nightly
	$(BIN)/python -m tests.app.matrix.mutants
	PYTHONPATH=layers/core $(BIN)/python -m benchmarks.hostile --requests 100000
	PYTHONPATH=layers/core $(BIN)/python -m benchmarks.hostile --files

reliability: setup ## play the fault matrix and write docs/reliability.md
	MATRIX_PAGE=1 $(BIN)/pytest -q -m '' $(MATRIX)

# A part tells what it did when it has ended.
WHOLE = $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
LAWS = tests/statemachines tests/docs tests/benchmarks/test_ways.py tests/benchmarks/test_internals.py engine/tests/test_documents.py engine/tests/test_distribution.py
check: setup ## format, lint, types, imports, security, template, machines, docs, packages
# Most parts compute on one core, and the first waits for the package index.
	@$(MAKE) --no-print-directory -j3 $(WHOLE) wheels sources deployed laws mac

laws: .venv/.locked
	$(BIN)/pytest -q -m '' -n logical --dist loadscope $(LAWS)

wheels: .venv/.locked
	$(BIN)/python -m tests.wheels

sources: .venv/.locked
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=.:layers/core $(BIN)/lint-imports

mac: .venv/.locked
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin $(patsubst %,-p %,local personalize_local personalization functions)

deployed: .venv/.locked
# This compiles the template as SAM does and looks at it by the rules of `sam validate --lint`; SAM CLI itself reads it in every scenario.
	$(BIN)/cfn-lint template.yaml stacks/*.yaml
	$(BIN)/python -m tests.template.audit
	$(BIN)/python -m local.documents.build

# The sources of the engine's distribution are the context of its image as well.
RELEASE = .local/release
release: setup clients ## build what a release publishes, into .local/release, and try it in bare environments
	rm -rf $(RELEASE) && mkdir -p $(RELEASE)/npm
	$(UV) build -q --out-dir $(RELEASE)/engine engine
	$(UV) build -q --out-dir $(RELEASE)/intake table-intake
	$(UV) build -q --out-dir $(RELEASE)/client storefront/client/python
	npm pack --silent --pack-destination $(RELEASE)/npm ./storefront/client
	RELEASE=$(RELEASE) $(BIN)/pytest -q -m '' engine/tests/test_distribution.py tests/storefront/test_package.py
	@find $(RELEASE) -type f ! -name .gitignore | sort

docs: .venv/.locked ## build the documentation site into .local/docs/site
	@$(BIN)/python -m local.documents.build

format: .venv/.locked ## rewrite the sources in the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

events: setup ## write events/*.json from events/parts
	$(BIN)/python -m tests.handlers.events

bench: setup ## the README's figures, beside others' (FAST=1: no other libraries)
	@for name in engine throwaway "quality $(if $(FAST),--fast) $(if $(DATA),--data $(DATA))" "likelihood $(if $(DATA),$(DATA)/completejourney-dev)" serving list_ids assignments recording outage burst kills authorizer costs "validation --rows 2000000" growth runtime_clients exploration storefront start; do \
		echo "== $$name"; PYTHONPATH=layers/core $(BIN)/python -m benchmarks.$$name || exit 1; done

deploy: setup ## sam build + sam deploy to your AWS account: make deploy ENV=dev
	PATH="$(CURDIR)/$(BIN):$$PATH" .local/sam/bin/sam build --config-env $(ENV)
	@overrides="$$($(BIN)/python -m local.cli.log_role $(ENV))" && \
		.local/sam/bin/sam deploy --config-env $(ENV) $${overrides:+--parameter-overrides $$overrides}
	@echo "After a first deployment S3 begins to announce files within about five minutes."
	@echo "What you drop before that is found by the sweep, which looks every 15 minutes. docs/new-account.md says how to see it work."

lock: .venv/.locked ## resolve the lock files again from pyproject.toml
	$(LOCK) --override locks/overrides.in --no-emit-package personalize-local --no-emit-package table-intake --group local --group dev -o locks/project.txt pyproject.toml
	$(LOCK) --group browser -o locks/browser.txt
	$(LOCK) --override locks/oracles.in --constraint locks/project.txt --group oracles -o locks/oracles.txt
	$(LOCK) --group cloud -o locks/cloud.txt
	$(LOCK) --group sam -o locks/sam.txt
	$(LOCK) --group audit -o locks/audit.txt
	$(LOCK) --group docs -o locks/docs.txt
	$(LOCK) --group awscli -o locks/awscli.txt
	$(subst 3.11,3.13,$(LOCK)) --group bench -o locks/bench.txt
	$(LOCK) -o layers/wheels/dependencies.txt pyproject.toml
	$(LOCK) --group validation -o layers/wheels/polars.txt
	$(LOCK) --group fitting -o layers/wheels/numpy.txt
	$(LOCK) --group training --no-emit-package numpy -o layers/wheels/scipy.txt
	$(LOCK) --group tokens -o layers/wheels/tokens.txt
LOCK = $(UV) pip compile -q --upgrade --universal --generate-hashes --python-version 3.11 --no-header

clean: ## remove what make made (stop the local cloud first)
	rm -rf .venv .local .aws-sam

# What `make clients` brings from npm and PyPI.
# axe-core (MPL-2.0) looks for accessibility violations.
.local/axe/.locked: tests/storefront/package-lock.json
	$(call npm,axe-core)

# AWS CLI v1 pins its own botocore.
.local/awscli/.locked: .venv/.locked locks/awscli.txt
	@$(UV) venv -q --clear --python $(BIN)/python $(@D) && $(UV) pip sync -q --require-hashes --python $(@D) locks/awscli.txt && touch $@

.local/aws-sdk-js/.locked: engine/tests/js/package-lock.json
	$(call npm,the AWS SDK for JavaScript)

define npm
	@mkdir -p $(@D) && cp $(<D)/package.json $< $(@D)
	@npm ci -s --ignore-scripts --no-audit --no-fund --prefix $(@D) && touch $@ || echo "npm did not bring $(1): its tests are skipped"
endef

# Playwright and the oracles are installed beside what the lock of the project has: whoever only plays the demo needs
# none of their 430 MB.
.venv/.browser: .venv/.locked locks/browser.txt locks/oracles.txt
	@$(UV) pip install -q --no-deps --require-hashes --python .venv -r locks/browser.txt -r locks/oracles.txt && touch $@

# The systems for which every package has a wheel (`make check` asks the index).
SYSTEMS = "Linux x86_64"|"Linux aarch64"|"Darwin arm64"

.venv/.locked: locks/project.txt pyproject.toml engine/pyproject.toml table-intake/pyproject.toml
	@case "$$(uname -sm)" in $(SYSTEMS)) ;; \
		"Darwin x86_64") echo "The application needs Linux or a Mac with Apple silicon; this Intel Mac can run the engine alone: pip install personalize-local"; exit 1;; \
		*) echo "The application needs Linux or a Mac with Apple silicon, and this is $$(uname -sm); on Windows it runs in WSL 2."; exit 1;; esac
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed: sudo apt-get install python3-venv, or brew install python@3.13"; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version) …"
	@test -x $(UV) || { $(PYTHON) -m venv .venv && sed -n '/^uv==/,/[^\]$$/p' locks/project.txt > .venv/uv.txt && \
		$(BIN)/python -m pip install -q --require-hashes -r .venv/uv.txt; }
	@$(UV) pip sync -q --require-hashes --python .venv locks/project.txt
	@$(UV) pip install -q --no-deps --offline --python .venv --editable engine --editable table-intake --editable .
	@touch $@
