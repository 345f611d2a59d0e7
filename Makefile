# Bulkhead. `make help` lists what can be asked for; the work itself is done by scripts/*.sh.

# The same flags everywhere, so that a fresh clone in another folder finds its packages and test results in the build
# cache: paths and revisions stay out of what is built.
export GOFLAGS := -buildvcs=false -trimpath
# Binaries link no C. The tests turn it on again, for the race detector.
export CGO_ENABLED := 0

.DEFAULT_GOAL := plugins
.PHONY: help plugins examples test lint generate fresh contract linked vuln cross outside bench fuzz check clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

plugins: ## Build bin/host, bin/sandbox and bin/plugins/*
	@scripts/build.sh bin host sandbox
	@scripts/build.sh bin/plugins plugins/*

examples: ## Build bin/examples/*
	@scripts/build.sh bin/examples examples/*

test: plugins examples ## Run all tests with the race detector (installs redis-server when it is missing)
	@scripts/test.sh

lint: ## Check format, code, contract, import arrows, dependencies and docs
	@scripts/lint.sh

generate: ## Generate sdk/pluginv1 from the contract
	@scripts/generate.sh

fresh: ## Check that generated code is what the contract says
	@scripts/generate.sh --check

contract: ## Freeze the contract as it is now: what `lint` compares later ones with
	@scripts/contract.sh --freeze

linked: ## Write down anew what a minimal plugin links
	@scripts/linked.sh --write

vuln: ## Look for known vulnerabilities, where their database can be reached
	@scripts/vuln.sh

cross: ## Compile for linux and darwin on amd64 and arm64
	@scripts/cross.sh

outside: ## Build a plugin outside this repository, as README.md says
	@scripts/outside.sh

bench: ## Run the benchmarks (BENCH=regexp, COUNT=n)
	@scripts/bench.sh

fuzz: ## Fuzz each target for a while (FUZZTIME=20s, FUZZ=regexp)
	@scripts/fuzz.sh

check: ## All that CI asks: lint, vuln, cross, fresh, outside, test
	@scripts/check.sh

clean: ## Remove what was built
	rm -rf bin
