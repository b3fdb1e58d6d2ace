# What one does with bpftools, by name. Each target is a line or two over cargo and scripts/.
#
#   make run ARGS="-t -P 80,81"   install what is missing, build, trace this machine; TOOL=tcpaccept, by that tool
#   make demo                     the same, with connects to look at
#   make                          build only: target/bpftools, one static binary
#   make test                     install what is missing for it, lint, run all tests, also on other kernels
#   make lint                     forms, clippy, shellcheck, licences and sources of crates
#   make test-matrix ARGS="6.1"   only those on other kernels, in virtual machines; all without ARGS, more with --full
#   make bench                    what tracing costs, in time; rows formatted a second
#   make bench-vm ARGS="6.12"     in instructions, all backends and other projects' tracers; 3 kernels without ARGS
#   make reliability              every fault at full size, here and in a machine; half an hour
#   make fuzz ARGS="600 ring"     fuzz each target, or those named, for so many seconds
#   make reproducible             build twice in different places, and compare
#   make man · clean
#   make install PREFIX=/usr      the binary and its pages; LINKS=1 also a link for each tool
#
# cargo runs as you. Only what has to be root is started through sudo.

PREFIX ?= /usr/local
TOOL   ?= tcpconnect
target := $(or $(CARGO_TARGET_DIR),target)
binary := $(target)/bpftools
sudo   := $(if $(filter-out 0,$(shell id -u)),sudo)
runner := --config "target.'cfg(all())'.runner='scripts/as-root'"
# where rustup puts cargo, in a shell that has not been told yet
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: all setup setup-test run demo lint test test-matrix bench bench-vm reliability fuzz reproducible man install clean
.NOTPARALLEL:

# cargo says where the binary is: that depends on files and variables of cargo's that make does not know.
all:
	@echo cargo build --release --locked
	@messages=$$(cargo build --release --locked --message-format=json-render-diagnostics) && \
	ln -sfnr "$$(printf '%s\n' "$$messages" | sed -n 's|.*"executable":"\([^"]*/bpftools\)".*|\1|p')" $(binary)

setup:
	@scripts/setup

setup-test:
	@scripts/setup test

run: setup all
	@exec $(sudo) $(binary) $(TOOL) $(ARGS)

demo: setup all
	@exec scripts/demo $(binary) $(ARGS)

lint: setup-test
	scripts/lint

# What runs bpftools runs the binary that ships, the release build, which BPFTOOLS names: the command line, the root
# tests, the machines. Unit tests and tests/format.rs test the library, in a debug build.
test: lint all
	BPFTOOLS=$(abspath $(binary)) cargo test --locked $(runner)
	tests/vm/matrix $(binary)
	benches/vm --short $(binary)

test-matrix: setup-test all
	tests/vm/matrix $(binary) $(ARGS)

bench: setup all
	BPFTOOLS=$(abspath $(binary)) cargo bench --locked $(runner)

bench-vm: setup-test all
	benches/vm $(binary) $(ARGS)

reliability: setup-test all
	scripts/reliability $(binary) $(ARGS)

fuzz: setup
	fuzz/run $(ARGS)

reproducible: setup
	scripts/reproducible

man:
	BLESS=1 cargo test --locked --test man

# Builds nothing: `make && sudo make install`.
bindir := $(DESTDIR)$(PREFIX)/bin
mandir := $(DESTDIR)$(PREFIX)/share/man/man8
install:
	@test -e $(binary) || { echo "nothing to install yet: run make first, as yourself"; exit 1; }
	install -D -m 755 $(binary) $(bindir)/bpftools
	install -D -m 644 -t $(mandir) man/man8/*.8
	$(if $(LINKS),for tool in $$($(binary) --list); do ln -sfn bpftools $(bindir)/$$tool; done)

clean:
	cargo clean
