# Every target sets up what it needs; the only things to have beforehand are Python 3.11 or later, git and make.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Only the tests of the API need the plugin, which takes a second to import in each process.
PYTEST := $(BIN)/python -m pytest -p no:schemathesis
# Compile each module once, also where the environment forbids it: tests start thousands of processes.
export PYTHONDONTWRITEBYTECODE :=
.DEFAULT_GOAL := help
.PHONY: help setup chromium demo test quick quick-lint quick-unit unit api-test browser-test services service-test cluster-test compose-test bench bench-cluster bench-scale bench-page images chart lint verify generate docs format lock clean

LAB := tests/cluster/lab/lab
LOGIN := tests/api/test_login_in_chromium.py
HELM_PATH := $(HOME)/.cache/mosaic-operator/cluster/bin
BUILDER ?= $(firstword $(foreach program,docker podman buildah,$(if $(shell command -v $(program)),$(program))))
BASE ?= python:3.12-slim
BENCH_PYTHON ?= $(shell for python in python3.13 python3.12 $(HOME)/.pyenv/versions/3.1[23].*/bin/python $(PYTHON); do \
	$$python -c "" 2> /dev/null && echo $$python && break; done)
TAG ?= 0.1.0

help: ## Show what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## Make .venv with the pinned packages and the mosaic command

$(VENV)/.ready: requirements/develop.txt pyproject.toml
	@echo "Setting up $(VENV) (about a minute the first time)"
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 to 3.13 is needed, not %d.%d: set PYTHON=python3.x" % sys.version_info[:2] if not (3, 11) <= sys.version_info[:2] <= (3, 13) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/develop.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## A first mosaic and the page that shows it, on 127.0.0.1:8080 (PORT=8080, or SERVE=0 for the mosaic alone)
	@test -d demo/scenes || $(BIN)/mosaic sample-scene demo/scenes --count 3 --safe
	@cp crds/samples/*.yaml demo/
	@$(BIN)/mosaic serve demo/ndsi.yaml --data demo --scenes demo $(if $(PORT),--port $(PORT)) $(if $(filter 0,$(SERVE)),--once)

# The cluster's tests take longest and wait most of that time: they start first, and the others run beside them.
PARTS := cluster-test lint verify docs chart unit service-test browser-test compose-test api-test

test: setup chromium ## All checks: lint, generated files, all tests
	@[ -n "$$MOSAIC_TEST_KUBECONFIG" ] || ! $(LAB) check > /dev/null || $(LAB) build # before parts that also install
	@$(BIN)/python tests/parts.py $(PARTS)

quick: setup ## Style, types and the fast unit tests, for the writing loop: under 90 seconds on two cores
	@$(MAKE) --no-print-directory --jobs 2 --keep-going --output-sync quick-unit quick-lint

quick-lint:
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports --no-cache
	$(BIN)/mypy api crds operator worker_image

quick-unit:
	$(PYTEST) -n auto -m "not slow" tests/unit

cluster-test: setup chromium ## The tests on a real Kubernetes, which they start (root on Debian), or that of MOSAIC_TEST_KUBECONFIG
	@tests/services/servers/install azurite versitygw || echo "cluster-test: without these servers the tests of network stores do not run"; \
	$(LAB) status > /dev/null 2>&1 || trap '$(LAB) down' EXIT; \
	$(PYTEST) -n 5 --dist loadfile --no-loadscope-reorder tests/cluster --ignore tests/cluster/alone \
		&& MOSAIC_TEST_LAB_IS_READY=yes $(PYTEST) tests/cluster/alone # the images are built and loaded

bench: setup $(VENV)-bench/.ready ## Time and memory, compared with other tools: WORKS=AB RUNS=5, WRITE=1 into docs/performance.md
	@$(VENV)-bench/bin/python -c "import osgeo" 2> /dev/null || command -v gdal_calc.py > /dev/null || [ "$$(id -u)" != 0 ] \
		|| ! command -v apt-get > /dev/null || { apt-get update -qq && apt-get install -y -qq gdal-bin python3-gdal > /dev/null; }
	PYTHONPATH=tests $(BIN)/python -m bench $(if $(WORKS),--works $(WORKS)) $(if $(RUNS),--runs $(RUNS)) $(if $(WRITE),--write)

bench-cluster: setup ## How long requests take on a real Kubernetes, and what the operator costs
	@$(LAB) status > /dev/null 2>&1 || trap '$(LAB) down' EXIT; \
	PYTHONPATH=tests $(BIN)/python -m bench.cluster

bench-scale: setup ## The operator with many requests, on an API server without nodes (SCALE="--finished 1000" for less)
	@$(LAB) build
	PYTHONPATH=tests $(BIN)/python -m bench.scale $(SCALE)
	PYTHONPATH=tests $(BIN)/python -m bench.scale_worker $(SCALE)

bench-page: setup ## How fast the tiles of a mosaic on the page are for many readers
	PYTHONPATH=tests $(BIN)/python -m bench.tiles

$(VENV)-bench/.ready: requirements/bench.txt
	@echo "Setting up $(VENV)-bench with the tools to compare with"
	@$(BENCH_PYTHON) -m venv --clear $(VENV)-bench
	@$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@touch $@

lint: setup ## Style, types and import contracts of Python and JavaScript; unsafe code (bandit)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy api crds operator worker_image
	$(BIN)/lint-imports --no-cache
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive api crds operator worker_image
	tests/javascript/check

unit: setup ## The tests that need no services
	$(PYTEST) -n auto tests/unit tests/imagery

api-test: setup chromium ## The tests of the REST API, on a PostgreSQL and an OpenID provider of their own
	@tests/services/servers/install openid || echo "api-test: without oidc-provider the tests of the login do not run"
	$(BIN)/python -m pytest -n auto tests/api --ignore $(LOGIN)
	@if command -v chromium > /dev/null; then tests/own_network $(PYTEST) $(LOGIN); \
	else echo "api-test: without chromium the tests of its login page did not run"; [ "$$CI" != true ]; fi

chromium:
	@command -v chromium > /dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get > /dev/null \
		|| { apt-get update -qq && apt-get install -y -qq chromium > /dev/null; }

browser-test: setup chromium ## The tests of the page in Chromium, which is installed first (as root on Debian)
	@if command -v chromium > /dev/null; then tests/own_network $(PYTEST) -n 2 tests/browser; \
	else echo "browser-test: did not run because chromium is not installed"; [ "$$CI" != true ]; fi

services: ## Install the servers that tests start, once, into ~/.cache/mosaic-operator: Azurite, versitygw, oidc-provider
	@tests/services/servers/install

service-test: setup ## The tests of stores on real servers, which they start
	@if tests/services/servers/install azurite versitygw; then $(PYTEST) -n 2 tests/services; \
	else echo "service-test: did not run because its servers could not be installed"; [ "$$CI" != true ]; fi

compose-test: setup ## The test of compose.yaml on a real Docker engine, which it starts (root on Debian)
	@if tests/compose/engine check; then tests/compose/engine run $(PYTEST) tests/compose; \
	else echo "compose-test: did not run"; [ "$$CI" != true ]; fi

images: ## Build the images mosaic-operator, mosaic-worker and mosaic-api with docker, podman or buildah: TAG=0.1.0 BASE=python:3.12-slim EXTRA=s2cloudless
	@test -n "$(BUILDER)" || { echo "docker, podman or buildah is needed to build images"; exit 1; }
	for image in operator worker api; do \
		folder=$${image/worker/worker_image}; \
		$(BUILDER) build --build-arg BASE=$(BASE) --build-arg VERSION=$(TAG) --build-arg REVISION=$$(git rev-parse HEAD) \
			$(if $(EXTRA),--build-arg EXTRA=$(EXTRA)) --tag mosaic-$$image:$(TAG) --file $$folder/Dockerfile . || exit 1; \
	done

chart: setup ## Lint the Helm chart and test what it renders
	@export PATH=$(HELM_PATH):$$PATH; \
	command -v helm > /dev/null || ! $(LAB) check > /dev/null || $(LAB) build || exit 1; \
	if command -v helm > /dev/null; then helm lint --strict --quiet --kube-version 1.36 charts/mosaic-operator || exit 1; fi; \
	$(PYTEST) -n auto tests/chart

generate: setup ## Render crds/mosaicrequest.yaml, the reference pages of the docs and the README of the chart
	$(BIN)/python -m mosaic_crds > crds/mosaicrequest.yaml.new
	mv crds/mosaicrequest.yaml.new crds/mosaicrequest.yaml
	$(BIN)/python docs/generate.py

verify: setup ## Fail when a generated file differs from its source
	@$(BIN)/python -m mosaic_crds | diff -u crds/mosaicrequest.yaml - \
		|| { echo "crds/mosaicrequest.yaml is out of date: run make generate and commit it"; exit 1; }
	@$(BIN)/python docs/generate.py --check

docs: $(VENV)-docs/.ready ## Build the site of the docs in docs/_site; broken links and anchors fail
	@$(VENV)-docs/bin/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env docs docs/_site
	@echo "docs: open docs/_site/index.html"

$(VENV)-docs/.ready: requirements/docs.txt
	@echo "Setting up $(VENV)-docs"
	@test -x $(VENV)-docs/bin/python || $(PYTHON) -m venv $(VENV)-docs
	@$(VENV)-docs/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/docs.txt
	@touch $@

format: setup ## Bring the code into style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup ## Pin the newest allowed versions of all packages, with hashes
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 --no-header \
		--extra worker pyproject.toml -o requirements/worker.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 --no-header \
		--extra operator pyproject.toml -c requirements/worker.txt -o requirements/operator.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 --no-header \
		requirements/build.in -c requirements/worker.txt -c requirements/operator.txt -o requirements/build.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 --no-header \
		--extra api pyproject.toml -c requirements/worker.txt -c requirements/operator.txt -c requirements/build.txt \
		-o requirements/api.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 --no-header \
		--extra s2cloudless pyproject.toml -c requirements/worker.txt -c requirements/api.txt -o requirements/s2cloudless.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 --no-header \
		--all-extras pyproject.toml -c requirements/worker.txt -c requirements/operator.txt -c requirements/build.txt \
		-c requirements/api.txt -c requirements/s2cloudless.txt -o requirements/develop.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 --no-header \
		tests/bench/peers/requirements.in -o requirements/bench.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 --no-header \
		requirements/docs.in -c requirements/develop.txt -o requirements/docs.txt

clean: ## Remove the environment and what the demo made
	rm -rf $(VENV) $(VENV)-bench $(VENV)-docs docs/_site demo
