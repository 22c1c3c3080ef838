# `make` alone prints what there is to make. `make test` is the one command that
# says whether this tree is good; it installs what it needs, into .cache where it can.

GOLANGCI_VERSION := v2.15.0
GOTESTSUM_VERSION := v1.13.0
OAUTH2_PROXY_VERSION := v7.15.6

# How long each fuzz target runs.
FUZZTIME ?= 5s

# What `make load` measures, all or one of rates, idle, slow, killed, sigterm,
# descriptors, clock and requests, and how many requests it asks in a row.
PART ?= .
REQUESTS ?= 100000

TOOLS := $(CURDIR)/.cache/bin
GOLANGCI := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)
GOTESTSUM := $(TOOLS)/gotestsum-$(GOTESTSUM_VERSION)
OAUTH2_PROXY := $(TOOLS)/oauth2-proxy-$(OAUTH2_PROXY_VERSION)

# One setting for building, vetting, linting and fuzzing, so that they share what is
# compiled. Only the race detector needs C, and asks for it itself.
export CGO_ENABLED := 0
export FUZZTIME GOLANGCI

# gotestsum reads events from a pipe, so that what the go command says on stderr is
# shown and not taken for a failure; the pipe's status is the tests'.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
SUMMARY := $(GOTESTSUM) --format pkgname --format-hide-empty-pkg --post-run-command .ci/count --raw-command -- cat

.DEFAULT_GOAL := help

.PHONY: help
help: ## Print this list.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the server and the client into bin, static and stripped.
	go build -trimpath -ldflags '-s -w' -o bin/ ./cmd/...

.PHONY: run
run: ## Run the server behind a pretend gateway, to try it in a browser.
	go run ./cmd/token2go-server demo

.PHONY: setup
setup: ## Install what lint and test need.
	@.ci/install
	@$(MAKE) --no-print-directory -j3 tools

.PHONY: tools python node parts python-client originals keycloak
tools: $(GOLANGCI) $(GOTESTSUM) $(OAUTH2_PROXY) node parts python-client originals keycloak

python:
	@.ci/python

python-client:
	@.ci/python-client

originals:
	@.ci/originals

node: python
	@.ci/node

parts: python
	@.ci/parts

keycloak:
	@.ci/keycloak

$(GOLANGCI): PACKAGE := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
$(GOTESTSUM): PACKAGE := gotest.tools/gotestsum@$(GOTESTSUM_VERSION)
$(OAUTH2_PROXY): PACKAGE := github.com/oauth2-proxy/oauth2-proxy/v7@$(OAUTH2_PROXY_VERSION)
# The folder of its own keeps a half-built program from being taken for a whole one.
$(GOLANGCI) $(GOTESTSUM) $(OAUTH2_PROXY):
	@echo "building $(@F), from $(PACKAGE)"
	@mkdir -p $(@D) && rm -rf $@.new
	@GOBIN=$@.new go install $(PACKAGE) 2> >(grep -v '^go: downloading' >&2)
	@mv $@.new/* $@ && rmdir $@.new

.PHONY: lint
lint: setup ## Run vet and every linter.
	@.ci/lint

.PHONY: format
format: setup ## Fix what gofmt and Biome can fix.
	gofmt -w cmd deploy internal openapi static
	.cache/bin/biome check --config-path=.ci/biome.json --write static internal

.PHONY: test
test: setup build lint ## Build, lint and run every test, some fuzzing too.
	@.ci/lanes "tests fuzz" "e2e python delivery" | $(SUMMARY)

.PHONY: e2e
e2e: setup ## Sign in at Keycloak with a real browser, behind real gateways.
	@.ci/tests e2e | $(SUMMARY)

.PHONY: fuzz
fuzz: setup ## Run every fuzz target for FUZZTIME each: make fuzz FUZZTIME=10m.
	@.ci/tests fuzz | $(SUMMARY)

.PHONY: release
release: ## Build the archives of every program for every platform into dist/.
	deploy/release

.PHONY: bench
bench: ## Measure speed, start, size and memory, each beside what is wanted.
	@failed=0; \
	go test -run '^$$' -bench Ratio -benchtime 100x ./cmd/token2go-server || failed=1; \
	go test -run '^$$' -bench Program -benchtime 1x -timeout 30m ./cmd/token2go-server || failed=1; \
	go test -run '^$$' -bench . -skip 'Ratio|Program|Load' ./... | grep -v 'no test files' || failed=1; \
	exit "$$failed"

.PHONY: soak
soak: ## Run what takes too long for every test: 200 kills of a writing process.
	T2G_TEST_KILLS=200 go test -count=1 -timeout 1h -run SIGKILL -v ./internal/store

.PHONY: load
load: ## Measure load and faults behind the gateway that OAUTH2_PROXY names, or nginx.
	@source .ci/env || true; \
	export TOKEN2GO_LOAD_REQUESTS=$(REQUESTS); \
	go test -run '^$$' -bench 'Load/$(PART)' -benchtime 1x -timeout 0 ./deploy/gateways | \
	grep -vE '^(Benchmark|(goos|goarch|pkg|cpu):|PASS)'

.PHONY: clean
clean: ## Remove what was built and installed here.
	rm -rf bin dist .cache
