# What the Makefiles of the clients share: where the contracts are, and what they import.

ROOT := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))..)
export PATH := $(ROOT)/.venv/bin:$(PATH)

IMPORTS := $(ROOT)/protos/third_party/health.binpb
PROTOS := $(wildcard $(ROOT)/protos/myeye/v1/*.proto) $(IMPORTS)

.DEFAULT_GOAL := build
.PHONY: generate build clean

$(IMPORTS): $(ROOT)/scripts/generate_protos.py
	python $(ROOT)/scripts/generate_protos.py --imports
