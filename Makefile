# `make` alone tells what there is. Everything that a target needs and that a
# fresh Debian 12 or 13 lacks is installed by `make deps`, which the others call.

SHELL := /bin/bash -o pipefail
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
ARGOSY := build/argosy
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GOFILES := $(shell git ls-files -co --exclude-standard '*.go' go.mod go.sum os examples)
PACKAGES := debootstrap debian-archive-keyring systemd-container openssh-client \
	iproute2 nftables docker-registry etcd-client busybox-static curl
# Go's own settings: one static binary, the same from the same sources.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath
MACHINE_TESTS := ./test/e2e/... ./test/attack/...
STORE_TESTS := edge/etcdnode/clustertest

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

.PHONY: up
up: deps build ## three machines, joined and healthy, with an example running
	$(SUDO) $(ARGOSY) up $(UPFLAGS)

.PHONY: down
down: ## the machines gone, nothing left behind
	@test ! -x $(ARGOSY) || $(SUDO) $(ARGOSY) down

.PHONY: build
build: $(ARGOSY) ## the binary, in build/
$(ARGOSY): $(GOFILES)
	go build -ldflags '-s -w -X argosy/cli.Version=$(VERSION)' -o $@ ./cmd/argosy

.PHONY: deps
deps: ## install the Debian packages that are missing
	@missing=$$(for p in $(PACKAGES); do \
	  dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo -n "$$p "; done); \
	if [ -n "$$missing" ]; then \
	  echo "installing: $$missing"; \
	  $(SUDO) apt-get update -qq && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi

.PHONY: test
test: ## every test there is, ring by ring, with the time of each
	@mkdir -p build; rm -f build/rings; for ring in check sim store machines chaos; do \
	  start=$$SECONDS; $(MAKE) --no-print-directory $$ring || exit 1; \
	  printf '%-10s %4d s\n' $$ring $$((SECONDS - start)) >> build/rings; done; \
	echo; cat build/rings

.PHONY: check
check: fmt lint ## no root, under a minute: format, lint, layers, all tests in the process
	go test $$(go list ./... | grep -v $(STORE_TESTS))

.PHONY: fmt
fmt: ## gofmt; the fix is gofmt -w .
	@mkdir -p build; bad=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	[ -z "$$bad" ] || { echo "gofmt -w $$bad"; exit 1; }

.PHONY: lint
lint: ## vet and staticcheck; an exception carries its reason
	go vet ./... && go vet -tags machines,store ./...
	go tool staticcheck ./...
	go tool errcheck -ignoretests -exclude .errcheck ./...

FUZZTIME ?= 3s
.PHONY: fuzz
fuzz: ## every decoder that meets the network or a user's file, FUZZTIME= each
	@grep -rnoE '^func Fuzz[A-Za-z0-9]+' --include='*_test.go' core edge cli | sed -E 's,/[^/]*:[0-9]+:func , ,' | sort -u | \
	while read -r package target; do echo "$$package $$target"; \
	  go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) ./$$package >build/fuzz.log 2>&1 || { cat build/fuzz.log; exit 1; }; done

VULNDB ?= https://vuln.go.dev
.PHONY: vuln
vuln: ## govulncheck: known faults in what the binary calls; VULNDB=file:///... for a copy of the list
	go tool govulncheck -db $(VULNDB) ./...

SEEDS ?= 10000
LARGE ?= 20
HOURS ?= 1
SIM := GOGC=400 go test -count=1 -timeout 0 ./test/sim
.PHONY: sim
sim: ## whole clusters in one process: SEEDS= of 3-15 machines, LARGE= of 2,000, HOURS= of lost packets
	$(SIM) -small $(SEEDS) -large $(LARGE) -hours $(HOURS)

.PHONY: soak
soak: ## such clusters until one breaks a law; FIRST= is the first seed
	$(SIM) -v -run TestSmall -soak -first $(or $(FIRST),$(shell date +%s))

# Debian's own etcd is the reference for the v2 API. It is unpacked, not
# installed: the package would start a service.
REFERENCE := build/reference/usr/bin/etcd
$(REFERENCE):
	@mkdir -p build/reference && cd build/reference && { apt-get download -qq etcd-server 2>/dev/null || \
	  { $(SUDO) apt-get update -qq && apt-get download -qq etcd-server; }; } && dpkg -x etcd-server_*.deb .

.PHONY: store
store: PACKAGES += python3-etcd
store: deps $(REFERENCE) ## three real members: killed, stopped, restored; the v2 API and discovery against etcd's own
	PATH="$(abspath $(dir $(REFERENCE))):$$PATH" go test -tags store -count=1 ./$(STORE_TESTS)/... ./test/v2cluster/... ./test/v2diff/... ./test/discovery/... ./test/scale/...

.PHONY: machines
machines: deps build ## real systemd, the real binary, real machines
	$(SUDO) env "PATH=$$PATH" ARGOSY=$(abspath $(ARGOSY)) GOFLAGS=$(GOFLAGS) \
	  $$(command -v go) test -tags machines -count=1 -timeout 45m -v $(MACHINE_TESTS) | tee build/machines.log | grep --line-buffered -vE '^=== '

.PHONY: chaos
chaos: deps build ## real machines broken at random under load, the laws checked; MINUTES=30, SEED=n
	$(SUDO) env "PATH=$$PATH" ARGOSY=$(abspath $(ARGOSY)) GOFLAGS=$(GOFLAGS) MINUTES=$(MINUTES) SEED=$(SEED) \
	  $$(command -v go) test -tags machines -count=1 -timeout 60m -v ./test/chaos | tee build/chaos.log | grep --line-buffered -vE '^=== '

.PHONY: calm
calm: deps build ## MINUTES=10 of lost packets, full load and paused daemons, in which nothing may move
	$(SUDO) env "PATH=$$PATH" ARGOSY=$(abspath $(ARGOSY)) GOFLAGS=$(GOFLAGS) MINUTES=$(or $(MINUTES),10) \
	  $$(command -v go) test -tags machines -count=1 -timeout 60m -v -run TestLossMovesNothing ./test/e2e

.PHONY: bench
bench: deps build $(REFERENCE) ## the budgets of the design, measured, as a table; the v2 API beside v3; discovery
	$(SUDO) env "PATH=$$PATH" $$(command -v go) run ./test/bench -argosy $(ARGOSY)
	$(SUDO) env "PATH=$$PATH" $$(command -v go) run ./test/scale
	go test -tags store -run '^$$' -bench . ./test/v2cluster ./test/discovery

.PHONY: bench-scale
bench-scale: ## a million units placed, and their leader lost; takes minutes
	$(SUDO) env "PATH=$$PATH" $$(command -v go) run ./test/scale -only million

.PHONY: clean
clean: down ## what was built; the base tree stays in /var/cache/argosy
	rm -rf build
