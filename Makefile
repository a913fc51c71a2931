# make test    every test; installs what it needs beside Rust (tests/setup.sh)
# make check   formatting and lints
# make doc     the documentation, warnings denied
# make macos   the lints for macOS, on any machine

# The clients judge the binaries as they are shipped, unless the environment names others; the examples are not shipped.
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
test-node test-cluster test-python test-perf test-image: export KINGLET_BIN ?= $(TARGET)/release/kinglet
test-node test-cluster test-python: export KINGLET_CONFORMANCE ?= $(TARGET)/release/examples/conformance
test-node: export KINGLET_EXAMPLES ?= $(TARGET)/debug/examples

heading = @printf '\n=== %s ===\n' '$(1)'

.PHONY: test test-rust test-perf test-node test-cluster test-python test-image test-stacktape setup servers check macos doc simulate \
        mutations
.NOTPARALLEL:

test: test-rust test-node test-cluster test-python test-image test-stacktape test-perf

test-rust: setup
	$(call heading,Rust tests)
	cargo test --features testing

test-node: setup servers
	$(call heading,The official JavaScript client)
	cd tests/clients && npm test --silent

test-cluster: setup servers
	$(call heading,Clusters with Node servers)
	cd tests/clients && npm run --silent test:cluster

test-python: setup servers
	$(call heading,The Python client)
	target/venv/bin/python tests/clients/python/test_python_client.py

test-image: setup servers
	$(call heading,The image)
	target/venv/bin/python tests/image/test_image.py

test-stacktape: setup
	$(call heading,The stack)
	target/venv/bin/python tests/stacktape/test_stacktape.py

test-perf: servers
	$(call heading,The load generator)
	cargo test -p perf

setup:
	$(call heading,What the tests need)
	tests/setup.sh

servers:
	$(call heading,The servers under test)
	cargo build --release --bin kinglet --example conformance
	cargo build --examples

# Servers, clients and the network in one thread, by seeds: SECONDS=n for so long, SEEDS=n for so many, FROM=n for the first;
# SEED=n for one with each step, PLAN='{...}' for that with changes of its plan.
simulate: export SECONDS := $(or $(SECONDS),$(if $(SEEDS)$(SEED),,60))
simulate:
	cargo test --profile simulation --lib simulation::whatever -- --nocapture

# Whether the simulation finds the faults of tests/mutations: half an hour. It fails if it does not.
mutations:
	tests/mutations/run.py

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --features kinglet/testing -- -D warnings

# Lints need no objects, so nothing need compile C for macOS: `true` passes for a compiler.
macos: export CC_aarch64_apple_darwin := true
macos: export AR_aarch64_apple_darwin := true
macos:
	rustup target add aarch64-apple-darwin
	cargo clippy --target aarch64-apple-darwin --all-targets --features testing -- -D warnings

# The private items are documented for their warnings alone.
doc:
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --features testing --document-private-items
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps
