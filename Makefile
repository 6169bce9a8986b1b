# tare. `make help` lists the targets.
#
# make demo and make test set up what they need by themselves (tools/setup); `make` alone needs the
# Debian packages that `tools/setup --list` prints.

CC ?= cc
BUILD ?= build
BIN ?= bin
PREFIX ?= /usr/local
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wundef -Wvla
CFLAGS ?= -O2 -g
SANITIZE ?=
TARE_CFLAGS := -std=c11 -D_GNU_SOURCE -fPIC -fvisibility=hidden -pthread $(WARN) \
	-Iinclude -Isrc -I$(BUILD)/gen $(SANITIZE)
LDLIBS := -lprotobuf-c -ljpeg -lsqlite3 -lz -lm -ldl -pthread

SOURCES := $(sort $(wildcard src/*/*.c))
COMMANDS := $(filter src/cmd/%,$(SOURCES))
LIBRARY := $(filter-out src/cmd/%,$(SOURCES))
PROTOS := $(wildcard src/*/*.proto)
PROTO_C := $(PROTOS:src/%.proto=$(BUILD)/gen/%.pb-c.c)
PLUGINS := $(notdir $(patsubst %/,%,$(wildcard plugins/*/)))
UNIT := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
FIXTURES := $(patsubst tests/fixtures/%.c,%,$(wildcard tests/fixtures/*.c))
FUZZ := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

LIB_OBJECTS := $(LIBRARY:%.c=$(BUILD)/obj/%.o) $(PROTO_C:.c=.o)
CMD_OBJECTS := $(COMMANDS:%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/src/main.o
LIB := $(BUILD)/libtare.a

.PHONY: all
all: $(BIN)/tare plugins

# --- the library and the program -----------------------------------------------------------------

$(BUILD)/obj/%.o: %.c $(PROTO_C)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(TARE_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/gen/%.pb-c.c: src/%.proto
	@mkdir -p $(@D)
	protoc-c --c_out=$(BUILD)/gen --proto_path=src $<

$(BUILD)/gen/%.pb-c.o: $(BUILD)/gen/%.pb-c.c
	$(CC) $(CFLAGS) -std=c11 -fPIC -fvisibility=hidden -I$(BUILD)/gen $(SANITIZE) -c $< -o $@

$(LIB): $(LIB_OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

$(BIN)/tare: $(CMD_OBJECTS) $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) -pthread $(LDFLAGS) $(CMD_OBJECTS) $(LIB) $(LDLIBS) -o $@

# --- plugins: each a shared object over include/tare and src/base ----------------------------------

.PHONY: plugins
plugins: $(PLUGINS:%=$(BIN)/plugins/%.so)

define plugin_rule
$(BIN)/plugins/$(1).so: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard plugins/$(1)/*.c)) $(LIB)
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) $$(SANITIZE) -shared -Wl,--exclude-libs,ALL -pthread $$(LDFLAGS) $$^ \
		-ldl -lm -o $$@
endef
$(foreach p,$(PLUGINS),$(eval $(call plugin_rule,$(p))))

# --- tests ---------------------------------------------------------------------------------------

# Tests find the plugins and their own fixtures through these.
$(BUILD)/obj/tests/%.o: TARE_CFLAGS += -DTEST_BIN='"$(abspath $(BIN))"' \
	-DTEST_BUILD='"$(abspath $(BUILD))"'

$(BUILD)/fixtures/%.so: $(BUILD)/obj/tests/fixtures/%.o
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) -shared $(LDFLAGS) $< -o $@

$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) -pthread $(LDFLAGS) $< $(LIB) $(LDLIBS) -o $@

.PHONY: unit
unit: $(UNIT:%=$(BUILD)/tests/unit/%) $(FIXTURES:%=$(BUILD)/fixtures/%.so) plugins

-include tools/targets.mk

.PHONY: clean
clean:
	rm -rf $(BUILD) $(BIN)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
.SECONDARY:
