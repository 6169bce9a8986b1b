# What is done with the program: included by the Makefile, which builds it.

CORES := $(shell nproc 2>/dev/null || echo 2)
# As many jobs as cores, unless the user has said how many
JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(CORES))
PYTHON := .deps/venv/bin/python

.PHONY: help
help:
	@echo 'make             build bin/tare and its plugins'
	@echo 'make demo        run the main job on the sample data: a report within minutes;'
	@echo '                 QUICK=1 with ONNX Runtime alone, TORCH=no without PyTorch'
	@echo 'make test        run all tests; T=suite::name runs one, T=suite a suite'
	@echo 'make bench       compare with peers, one row each; B=name runs one'
	@echo 'make trust-study count how often the intervals hold: a quarter of an hour, machine idle'
	@echo 'make lint        format, includes between rooms, banned calls, headers, lengths'
	@echo 'make asan        units and parsers under AddressSanitizer and UBSan (also: ubsan)'
	@echo 'make tsan        units and the null backend under ThreadSanitizer'
	@echo 'make fuzz        search for new failures in each parser, FUZZ_SECONDS=30 each; F=name'
	@echo 'make install     to PREFIX=/usr/local, below DESTDIR; make uninstall takes it away'
	@echo 'make setup       install what demo, test and bench would install when first run'
	@echo 'make gpu-pack    one archive with all that a bare GPU machine needs: docs/gpu.md'
	@echo 'make clean       remove what was built; make distclean also what was installed in .deps'

.PHONY: setup
setup:
	@tools/setup bench

# --- demo ----------------------------------------------------------------------------------------

DEMO := build/demo

# With QUICK=1 ONNX Runtime alone, in less time and with a smaller download. TORCH=no leaves PyTorch
# out, and so does a failure to get it: what is not there is a row that says how to get it.
QUICK ?=
TORCH ?= yes

.PHONY: demo
demo:
	@tools/setup build $(if $(QUICK),run,openvino)
ifeq ($(QUICK)$(TORCH),yes)
	@tools/setup torch || echo 'demo: goes on without PyTorch; its row says how to get it' >&2
endif
	@$(MAKE) -s $(JOBS) all
	@tools/demo $(DEMO) $(if $(QUICK),quick,demo)

# --- tests ---------------------------------------------------------------------------------------

# tests/run says which builds the chosen tests need, make makes them, tests/run runs the tests.
.PHONY: test
test:
	@tools/setup test
	@$(MAKE) -s $(JOBS) $$(tests/run --needs '$(T)')
	@tests/run '$(T)'

.PHONY: lint
lint:
	@tools/lint

ASAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FUZZER := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
TSAN := -fsanitize=thread -fno-omit-frame-pointer
VARIANT = $(MAKE) -s $(JOBS) BUILD=build/$(1) BIN=build/$(1)/bin CFLAGS='-O1 -g' SANITIZE='$(2)'

.PHONY: asan-build tsan-build
asan-build:
	+@$(call VARIANT,asan,$(ASAN)) all unit fuzzers
tsan-build:
	+@$(call VARIANT,tsan,$(TSAN)) all unit

.PHONY: asan ubsan tsan
asan ubsan: asan-build
	@tests/run asan fuzz
tsan: tsan-build
	@tests/run tsan

# The engine is part of clang. New inputs are kept in build/fuzz/corpus, beside those in the tree.
FUZZ_SECONDS ?= 30

.PHONY: fuzz
fuzz:
	@tools/setup test
	+@$(call VARIANT,fuzz,$(FUZZER)) CC=clang FUZZ_ENGINE=-fsanitize=fuzzer fuzzers
	@tools/fuzz '$(FUZZ_SECONDS)' $(F)

# --- benchmarks ----------------------------------------------------------------------------------

.PHONY: bench
bench:
	@tools/setup bench
	@$(MAKE) -s $(JOBS) all unit
	@$(PYTHON) bench/run '$(B)'

# --- the study of the intervals ------------------------------------------------------------------

# Not a test: it takes a quarter of an hour on a machine that has nothing else to do.
# REPETITIONS=3 is a trial, whose results stay in build/trust.
REPETITIONS ?= 20

.PHONY: trust-study
trust-study:
	@tools/setup run
	@$(MAKE) -s $(JOBS) all
	@$(PYTHON) tools/trust-study --repetitions '$(REPETITIONS)'

# --- one archive for a GPU machine that has nothing installed -----------------------------------

.PHONY: gpu-pack
gpu-pack:
	@tools/setup run
	@tools/gpu-pack build/tare-gpu-pack.tar.xz

# --- install -------------------------------------------------------------------------------------

# The program finds the rest from its own place: PREFIX/bin/tare, PREFIX/lib/tare.
INSTALL ?= install
HOME_DIR := $(DESTDIR)$(PREFIX)/lib/tare

.PHONY: install
install: all
	$(INSTALL) -d '$(DESTDIR)$(PREFIX)/bin' '$(HOME_DIR)/plugins' '$(HOME_DIR)/python' \
		'$(HOME_DIR)/studies' '$(HOME_DIR)/triton/tare'
	$(INSTALL) -m 755 $(BIN)/tare '$(DESTDIR)$(PREFIX)/bin/tare'
	$(INSTALL) -m 755 $(PLUGINS:%=$(BIN)/plugins/%.so) '$(HOME_DIR)/plugins'
	$(INSTALL) -m 755 $(TRITON) '$(HOME_DIR)/triton/tare'
	$(INSTALL) -m 644 $(wildcard python/*.py) '$(HOME_DIR)/python'
	$(INSTALL) -m 644 $(wildcard studies/*.json) '$(HOME_DIR)/studies'
	find triton_repo -type f ! -path '*/__pycache__/*' \
		-exec $(INSTALL) -D -m 644 '{}' '$(HOME_DIR)/{}' ';'

.PHONY: uninstall
uninstall:
	rm -f '$(DESTDIR)$(PREFIX)/bin/tare'
	rm -rf '$(HOME_DIR)'

# --- clean ---------------------------------------------------------------------------------------

.PHONY: clean distclean
clean:
	rm -rf build $(BUILD) $(BIN)
distclean: clean
	rm -rf .deps
