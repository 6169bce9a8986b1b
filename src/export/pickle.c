#include "export/pickle.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/pickle_machine.h"

struct pickle {
    struct pickle_machine machine;
};

struct pickle_value *pickle_new(struct pickle_machine *machine, enum pickle_kind kind)
{
    struct pickle_value *value = arena_zero(&machine->arena, 1, sizeof(*value));

    if (value)
        value->kind = kind;
    else
        (void)arena_status(&machine->arena, "the checkpoint's pickle", machine->err);
    return value;
}

enum tare_status pickle_fail(struct pickle_machine *machine, enum tare_status status,
                             const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    if (vsnprintf(text, sizeof(text), format, args) < 0)
        text[0] = '\0';
    va_end(args);
    return tare_fail(machine->err, status, "%s (at byte %zu of data.pkl)", text, machine->at);
}

/* Doubles an array of the machine's that lives in the arena. */
static void *grow(struct pickle_machine *machine, const void *items, size_t *capacity, size_t item)
{
    size_t wider = *capacity ? *capacity * 2 : 16;
    void *grown = arena_zero(&machine->arena, wider, item);

    if (!grown) {
        (void)arena_status(&machine->arena, "the checkpoint's pickle", machine->err);
        return NULL;
    }
    if (*capacity)
        memcpy(grown, items, *capacity * item);
    *capacity = wider;
    return grown;
}

enum tare_status pickle_push(struct pickle_machine *machine, struct pickle_value *value)
{
    if (!value)
        return machine->err->status;
    if (machine->depth >= PICKLE_MAX_SLOTS)
        return pickle_fail(machine, TARE_LIMIT, "the pickle's stack is deeper than %zu",
                           PICKLE_MAX_SLOTS);
    if (machine->depth == machine->stack_capacity) {
        void *grown =
            grow(machine, machine->stack, &machine->stack_capacity, sizeof(*machine->stack));

        if (!grown)
            return machine->err->status;
        machine->stack = grown;
    }
    machine->stack[machine->depth++] = value;
    return TARE_OK;
}

struct pickle_value *pickle_pop(struct pickle_machine *machine)
{
    size_t floor = machine->mark_count ? machine->marks[machine->mark_count - 1] : 0;

    if (machine->depth > floor)
        return machine->stack[--machine->depth];
    (void)pickle_fail(machine, TARE_BADDATA, "the pickle takes more than it put on its stack");
    return NULL;
}

enum tare_status pickle_append(struct pickle_machine *machine, struct pickle_value *list,
                               struct pickle_value *item)
{
    if (list->as.list.count >= PICKLE_MAX_SLOTS)
        return pickle_fail(machine, TARE_LIMIT, "a list has more than %zu items", PICKLE_MAX_SLOTS);
    if (list->as.list.count == list->as.list.capacity) {
        void *grown = grow(machine, list->as.list.items, &list->as.list.capacity,
                           sizeof(*list->as.list.items));

        if (!grown)
            return machine->err->status;
        list->as.list.items = grown;
    }
    list->as.list.items[list->as.list.count++] = item;
    return TARE_OK;
}

enum tare_status pickle_put(struct pickle_machine *machine, struct pickle_value *dict,
                            struct pickle_value *key, struct pickle_value *value)
{
    struct pickle_pair *pair;

    if (dict->as.dict.count >= PICKLE_MAX_PAIRS)
        return pickle_fail(machine, TARE_LIMIT, "a dict has more than %zu entries",
                           PICKLE_MAX_PAIRS);
    if (dict->as.dict.count == dict->as.dict.capacity) {
        void *grown = grow(machine, dict->as.dict.pairs, &dict->as.dict.capacity, sizeof(*pair));

        if (!grown)
            return machine->err->status;
        dict->as.dict.pairs = grown;
    }
    pair = &dict->as.dict.pairs[dict->as.dict.count++];
    pair->key = key;
    pair->value = value;
    return TARE_OK;
}

enum tare_status pickle_load(const uint8_t *data, size_t size, struct pickle **pickle,
                             struct tare_err *err)
{
    struct tare_err ignored = TARE_ERR_INIT;
    struct pickle_machine *machine;
    struct pickle *self = calloc(1, sizeof(*self));
    enum tare_status status = TARE_OK;

    *pickle = NULL;
    if (!self)
        return tare_fail(err, TARE_NOMEM, "out of memory for the checkpoint's pickle");
    machine = &self->machine;
    arena_init(&machine->arena, PICKLE_MAX_VALUES);
    machine->data = data;
    machine->size = size;
    machine->err = err ? err : &ignored;
    if (size > PICKLE_MAX_BYTES)
        status = tare_fail(machine->err, TARE_LIMIT, "data.pkl has %zu bytes, at most %zu are read",
                           size, PICKLE_MAX_BYTES);
    while (status == TARE_OK && !machine->root) {
        if (machine->at >= size)
            status = pickle_fail(machine, TARE_BADDATA, "the pickle is truncated");
        else
            status = pickle_step(machine, data[machine->at++]);
    }
    machine->err = NULL;
    if (status == TARE_OK)
        *pickle = self;
    else
        pickle_free(self);
    return status;
}

void pickle_free(struct pickle *pickle)
{
    if (!pickle)
        return;
    arena_release(&pickle->machine.arena);
    free(pickle);
}

const struct pickle_value *pickle_root(const struct pickle *pickle)
{
    return pickle->machine.root;
}

enum pickle_kind pickle_kind_of(const struct pickle_value *value)
{
    return value ? value->kind : PICKLE_NONE;
}

const char *pickle_describe(const struct pickle_value *value, char *out, size_t out_bytes)
{
    static const char *const names[] = {"nothing", "a bool",    "an integer", "a number",
                                        "a text",  "a tuple",   "a list",     "a dict",
                                        "a type",  "an object", "a storage",  "a tensor"};
    const struct pickle_type *type;

    if (pickle_kind_of(value) != PICKLE_OBJECT) {
        (void)snprintf(out, out_bytes, "%s", names[pickle_kind_of(value)]);
        return out;
    }
    type = value->as.object.type;
    (void)snprintf(out, out_bytes, "%.*s.%.*s", (int)type->module_size, type->module,
                   (int)type->name_size, type->name);
    return out;
}

bool pickle_text_is(const struct pickle_value *value, const char *text)
{
    return pickle_kind_of(value) == PICKLE_TEXT && value->as.text.size == strlen(text) &&
           memcmp(value->as.text.bytes, text, value->as.text.size) == 0;
}

const struct pickle_value *pickle_get(const struct pickle_value *value, const char *key)
{
    if (pickle_kind_of(value) == PICKLE_OBJECT)
        value = value->as.object.state;
    if (pickle_kind_of(value) != PICKLE_DICT)
        return NULL;
    for (size_t i = value->as.dict.count; i-- > 0;)
        if (pickle_text_is(value->as.dict.pairs[i].key, key))
            return value->as.dict.pairs[i].value;
    return NULL;
}

size_t pickle_count(const struct pickle_value *value)
{
    switch (pickle_kind_of(value)) {
    case PICKLE_LIST:
    case PICKLE_TUPLE:
        return value->as.list.count;
    case PICKLE_DICT:
        return value->as.dict.count;
    default:
        return 0;
    }
}

const struct pickle_value *pickle_at(const struct pickle_value *value, size_t index)
{
    if (pickle_kind_of(value) != PICKLE_LIST && pickle_kind_of(value) != PICKLE_TUPLE)
        return NULL;
    return index < value->as.list.count ? value->as.list.items[index] : NULL;
}

int64_t pickle_int(const struct pickle_value *value, int64_t fallback)
{
    switch (pickle_kind_of(value)) {
    case PICKLE_BOOL:
        return value->as.truth;
    case PICKLE_INT:
        return value->as.integer;
    case PICKLE_FLOAT:
        if (fabs(value->as.real) <= 9e15 && value->as.real == floor(value->as.real))
            return (int64_t)value->as.real;
        return fallback;
    default:
        return fallback;
    }
}

double pickle_real(const struct pickle_value *value, double fallback)
{
    switch (pickle_kind_of(value)) {
    case PICKLE_INT:
        return (double)value->as.integer;
    case PICKLE_FLOAT:
        return value->as.real;
    default:
        return fallback;
    }
}

bool pickle_is_a(const struct pickle_value *value, const char *type_name)
{
    const struct pickle_type *type;

    if (pickle_kind_of(value) != PICKLE_OBJECT)
        return false;
    type = value->as.object.type;
    return type->name_size == strlen(type_name) &&
           memcmp(type->name, type_name, type->name_size) == 0;
}
