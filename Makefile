# tare. `make help` lists the targets.
#
# Here: what is built, and how. tools/targets.mk: what is done with it (demo, test, bench, lint,
# sanitizers, fuzz, install). Those set up what they need by themselves; `make` alone needs the
# Debian packages that `tools/setup --list build` prints.
#
# CC, CFLAGS and LDFLAGS are the user's; a change of them builds again. BUILD and BIN say where the
# results go, SANITIZE adds its flags to every compilation and link, so that variants of the whole
# tree live side by side.

CC ?= cc
BUILD ?= build
BIN ?= bin
PREFIX ?= /usr/local
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wundef -Wvla
CFLAGS ?= -O2 -g
SANITIZE ?=
# A product and a sum are rounded apart, on every machine: COCO figures hold to the last bit.
TARE_CFLAGS := -std=c11 -D_GNU_SOURCE -ffp-contract=off -fPIC -fvisibility=hidden -pthread $(WARN) \
	-Iinclude -Isrc -I$(BUILD)/gen $(SANITIZE)
LDLIBS := -lnghttp2 -lprotobuf-c -ljpeg -lsqlite3 -lz -lm -ldl -pthread

SOURCES := $(sort $(wildcard src/*/*.c))
COMMANDS := $(filter src/cmd/%,$(SOURCES))
LIBRARY := $(filter-out src/cmd/%,$(SOURCES))
PROTOS := $(wildcard src/*/*.proto)
PROTO_C := $(PROTOS:src/%.proto=$(BUILD)/gen/%.pb-c.c)
PLUGINS := $(notdir $(patsubst %/,%,$(wildcard plugins/*/)))
UNIT := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
FIXTURES := $(patsubst tests/fixtures/%.c,%,$(wildcard tests/fixtures/*.c))
FIXTURES := $(filter-out trt_standin,$(FIXTURES)) # which is built once a flavour
FUZZ := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

LIB_OBJECTS := $(LIBRARY:%.c=$(BUILD)/obj/%.o) $(PROTO_C:.c=.o)
CMD_OBJECTS := $(COMMANDS:%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/src/main.o
TRITON_OBJECTS := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard triton/*.c))
LIB := $(BUILD)/libtare.a

.PHONY: all
all: $(BIN)/tare plugins triton

# --- what was built with which flags, from which files -------------------------------------------

# $(call remember,FILE,TEXT): a file that is written anew only when its text has changed
define remember
$(1): FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' '$(2)' | cmp -s - $$@ || printf '%s\n' '$(2)' >$$@
endef

.PHONY: FORCE
$(eval $(call remember,$(BUILD)/flags,$(CC) $(CFLAGS) $(TARE_CFLAGS) $(LDFLAGS)))
$(eval $(call remember,$(BUILD)/objects,$(LIB_OBJECTS) $(CMD_OBJECTS) $(TRITON_OBJECTS)))

# One clear message instead of a compiler's page of them
$(BUILD)/tools: tools/debian.txt
	@tools/setup --check build
	@mkdir -p $(@D)
	@touch $@

# --- the library and the program -----------------------------------------------------------------

$(BUILD)/obj/%.o: %.c $(BUILD)/flags | $(BUILD)/tools $(PROTO_C)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(TARE_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h: src/%.proto | $(BUILD)/tools
	@mkdir -p $(@D)
	protoc-c --c_out=$(BUILD)/gen --proto_path=src $<

$(BUILD)/gen/%.pb-c.o: $(BUILD)/gen/%.pb-c.c $(BUILD)/flags
	$(CC) $(CFLAGS) -std=c11 -fPIC -fvisibility=hidden -I$(BUILD)/gen $(SANITIZE) -c $< -o $@

$(LIB): $(LIB_OBJECTS) $(BUILD)/objects
	@rm -f $@
	$(AR) rcs $@ $(LIB_OBJECTS)

$(BIN)/tare: $(CMD_OBJECTS) $(LIB) $(BUILD)/objects
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) -pthread $(LDFLAGS) $(CMD_OBJECTS) $(LIB) $(LDLIBS) -o $@

# --- plugins: each a shared object over include/tare and src/base --------------------------------

.PHONY: plugins
plugins: $(PLUGINS:%=$(BIN)/plugins/%.so)

# Files of another plugin that a plugin is made of too
SHARED_torch := plugins/python/link.c plugins/python/python_session.c

# What else a plugin is linked with
LIBS_kserve := -lnghttp2 -lprotobuf-c
LIBS_onnxruntime := -lprotobuf-c

define plugin_rule
$(BIN)/plugins/$(1).so: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard plugins/$(1)/*.c) \
		$(SHARED_$(1))) $(LIB)
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) $$(SANITIZE) -shared -Wl,--exclude-libs,ALL -pthread $$(LDFLAGS) $$^ \
		-ldl -lm $(LIBS_$(1)) -o $$@
endef
$(foreach p,$(PLUGINS),$(eval $(call plugin_rule,$(p))))

# --- Triton's backend: tritonserver --backend-directory=bin/triton finds it ----------------------

TRITON := $(BIN)/triton/tare/libtriton_tare.so

.PHONY: triton
triton: $(TRITON)

# Triton's own functions come from the process that loads it.
$(TRITON): $(TRITON_OBJECTS) $(LIB) $(BUILD)/objects
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) -shared -Wl,--exclude-libs,ALL -Wl,--as-needed -pthread \
		$(LDFLAGS) $(TRITON_OBJECTS) $(LIB) $(LDLIBS) -o $@

# --- tests ---------------------------------------------------------------------------------------

# Tests find the plugins and their own fixtures through these.
$(BUILD)/obj/tests/%.o: TARE_CFLAGS += -DTEST_BIN='"$(abspath $(BIN))"' \
	-DTEST_BUILD='"$(abspath $(BUILD))"'

$(BUILD)/fixtures/%.so: $(BUILD)/obj/tests/fixtures/%.o
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) -shared $(LDFLAGS) $< -o $@

# TensorRT's stand-in, once a flavour (its number in enum trt_flavour) under the real one's name
STANDIN_0 := trt-8.6/libnvinfer.so.8
STANDIN_1 := trt-10/libnvinfer.so.10
STANDIN_2 := trt-11/libnvinfer.so.11
STANDIN_3 := trt-rtx/libtensorrt_rtx.so.1
STANDINS := $(foreach i,0 1 2 3,$(BUILD)/fixtures/$(STANDIN_$(i)))

define standin_rule
$(BUILD)/obj/tests/fixtures/trt_standin_$(1).o: tests/fixtures/trt_standin.c $(BUILD)/flags
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) $$(TARE_CFLAGS) -DSTANDIN_FLAVOUR=$(1) -MMD -MP -c $$< -o $$@

$(BUILD)/fixtures/$(STANDIN_$(1)): $(BUILD)/obj/tests/fixtures/trt_standin_$(1).o $(LIB)
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) $$(SANITIZE) -shared -Wl,--exclude-libs,ALL $$(LDFLAGS) $$^ -ldl -o $$@
endef
$(foreach i,0 1 2 3,$(eval $(call standin_rule,$(i))))

$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) -pthread $(LDFLAGS) $(filter %.o,$^) $(LIB) $(LDLIBS) -o $@

# Parts of Triton's backend that do without Triton
$(BUILD)/tests/unit/test_triton_parts: \
	$(addprefix $(BUILD)/obj/triton/triton_,pool.o scratch.o settings.o)

.PHONY: unit
unit: $(UNIT:%=$(BUILD)/tests/unit/%) $(FIXTURES:%=$(BUILD)/fixtures/%.so) $(STANDINS) plugins

# A fuzz target with a main that replays its corpus or, with FUZZ_ENGINE, clang's that searches
FUZZ_ENGINE ?=
FUZZ_MAIN := $(if $(FUZZ_ENGINE),,$(BUILD)/obj/tests/fuzz/replay.o)

$(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(FUZZ_MAIN) $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) $(FUZZ_ENGINE) -pthread $(LDFLAGS) $(filter %.o,$^) $(LIB) \
		$(LDLIBS) -o $@

# Parsers that are a plugin's or a backend's own
$(BUILD)/tests/fuzz/fuzz_ort_trace: $(BUILD)/obj/plugins/onnxruntime/ort_trace.o
$(BUILD)/tests/fuzz/fuzz_engine_layers: $(BUILD)/obj/plugins/tensorrt/engine_layers.o
$(BUILD)/tests/fuzz/fuzz_triton_settings: $(BUILD)/obj/triton/triton_settings.o

.PHONY: fuzzers
fuzzers: $(FUZZ:%=$(BUILD)/tests/fuzz/%)

include tools/targets.mk

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
.SECONDARY:
