# The commands of the project. `make` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PROCESSES ?= 3# that run the tests: they wait more than they work

export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup model system demo up test unit torture conformance check proto docs screenshots bench bench-compare bench-plots secrets images check-images clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## install everything into .venv
$(READY): pyproject.toml clients/python/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "Python 3.11, 3.12 or 3.13 is needed; say which with PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable 'clients/python[cli]' --editable '.[gateway,worker,litert,edge,tracing,dev]'
	@touch $@

model: $(READY) ## fetch the model and check its hash
	@scripts/system-packages worker
	@$(BIN)/python -m worker.models

demo: model ## see it work: one picture through a gateway and a worker on this machine
	@$(BIN)/python -m harness.demo

up: model ## run a gateway, a worker and the edge on localhost:8080 until Ctrl-C; BROKER=amqp://user:password@host/ uses RabbitMQ
	@$(if $(BROKER),MYEYE_BROKER='$(BROKER)') $(BIN)/honcho start

test: model ## all tests, with a private RabbitMQ, real detectors and real processes
	@scripts/system-packages worker rabbitmq strace chromium node prometheus
	$(BIN)/pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder

unit: $(READY) ## the tests that need neither network nor processes, in seconds
	$(BIN)/pytest tests/unit

torture: $(READY) ## break everything for MINUTES by SEED, and see that no promise is broken; BROKER=cluster, rabbitmq or embedded
	@scripts/system-packages rabbitmq
	$(BIN)/python -m tests.torture --broker $(or $(BROKER),cluster) --seed $(or $(SEED),1) --minutes $(or $(MINUTES),15)

conformance: model ## play one scenario with the clients of every language, or CLIENTS="Go Ruby", and compare what they tell
	@scripts/system-packages worker chromium node go java cpp ruby
	$(BIN)/python -m harness.conformance $(CLIENTS)

check: model ## what every change must pass: formatting, lint, types, imports, contracts, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/generate_protos.py --check
	$(BIN)/python -m scripts.openapi --check
	$(BIN)/python scripts/check_protos.py
	$(MAKE) test

proto: $(READY) ## generate the Python code and the OpenAPI description of the contracts
	@$(BIN)/python scripts/generate_protos.py --imports
	$(BIN)/buf format --write protos
	$(BIN)/python scripts/generate_protos.py
	$(BIN)/python -m scripts.openapi

docs: $(READY) ## build the reference of the Python client into .build/docs
	@$(BIN)/python -m scripts.docs

screenshots: model ## take the pictures of the page and of the dashboard that the documents show
	@scripts/system-packages worker chromium prometheus
	MYEYE_SCREENSHOTS=docs/images $(BIN)/pytest tests/browser
	$(BIN)/python -m harness.dashboard docs/images/dashboard.jpg

bench: model ## measure, and print the tables
	@scripts/system-packages worker rabbitmq
	$(BIN)/python -m bench $(BENCH)

bench-compare: model $(VENV)/.peers ## measure what one would use instead in the same run: small jobs, unless BENCH="--only …" says more
	@scripts/system-packages worker rabbitmq redis
	$(BIN)/python -m bench --peers $(or $(BENCH),--only noop --only idle)
$(VENV)/.peers: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	@touch $@

bench-plots: model $(VENV)/.peers ## measure small jobs and detections, and draw the pictures of the README: half an hour on a quiet machine
	@scripts/system-packages worker rabbitmq redis
	$(BIN)/python -m bench --peers --only noop --only detect $(BENCH)
	$(BIN)/python -m bench.plot

secrets: ## make passwords, first token and certificate of a deployment in .secrets, those that are missing; NAMES="…" is how it is called
	@$(PYTHON) scripts/make_secrets.py $(NAMES)

BUILDER ?= docker build
IMAGES ?= myeye
VERSION ?= dev
images: ## build the images of gateway, worker and edge; BASE=… is what they stand on, EXTRAS=litert what else the worker has, BUILDER='buildah bud --layers --format docker' another builder
	@for part in gateway worker edge; do \
		$(BUILDER) $(if $(BASE),--build-arg BASE=$(BASE)) $(if $(EXTRAS),--build-arg EXTRAS=$(EXTRAS)) --target $$part --tag $(IMAGES)/$$part:$(VERSION) . || exit 1; done

check-images: model ## run the images that buildah built here as containers are run, and a picture through them; needs root
	@scripts/system-packages rabbitmq buildah
	MYEYE_IMAGES=localhost/$(IMAGES) MYEYE_VERSION=$(VERSION) $(BIN)/pytest -s deploy/test_images.py

clean: ## remove what the commands above made, data included
	rm -rf $(VENV) .build .myeye protos/third_party clients/*/build clients/*/generated clients/*/node_modules
