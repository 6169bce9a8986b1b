/*
 * The opcodes, as Python's pickletools documents them. Those of protocols 0 and 1 that nobody
 * writes any more, and those that reach beyond the pickle (extension registry, buffers), are
 * refused.
 */
#include <string.h>

#include "export/pickle_machine.h"

enum opcode {
    OP_MARK = '(',
    OP_STOP = '.',
    OP_POP = '0',
    OP_POP_MARK = '1',
    OP_DUP = '2',
    OP_BINFLOAT = 'G',
    OP_BININT = 'J',
    OP_BININT1 = 'K',
    OP_BININT2 = 'M',
    OP_NONE = 'N',
    OP_BINPERSID = 'Q',
    OP_REDUCE = 'R',
    OP_BINSTRING = 'T',
    OP_SHORT_BINSTRING = 'U',
    OP_BINUNICODE = 'X',
    OP_APPEND = 'a',
    OP_BUILD = 'b',
    OP_GLOBAL = 'c',
    OP_INST = 'i',
    OP_UNICODE = 'V',
    OP_DICT = 'd',
    OP_APPENDS = 'e',
    OP_BINGET = 'h',
    OP_LONG_BINGET = 'j',
    OP_LIST = 'l',
    OP_BINPUT = 'q',
    OP_LONG_BINPUT = 'r',
    OP_SETITEM = 's',
    OP_TUPLE = 't',
    OP_SETITEMS = 'u',
    OP_EMPTY_DICT = '}',
    OP_EMPTY_LIST = ']',
    OP_EMPTY_TUPLE = ')',
    OP_BINBYTES = 'B',
    OP_SHORT_BINBYTES = 'C',
    OP_PROTO = 0x80,
    OP_NEWOBJ = 0x81,
    OP_TUPLE1 = 0x85,
    OP_TUPLE2 = 0x86,
    OP_TUPLE3 = 0x87,
    OP_NEWTRUE = 0x88,
    OP_NEWFALSE = 0x89,
    OP_LONG1 = 0x8a,
    OP_SHORT_BINUNICODE = 0x8c,
    OP_BINUNICODE8 = 0x8d,
    OP_BINBYTES8 = 0x8e,
    OP_EMPTY_SET = 0x8f,
    OP_ADDITEMS = 0x90,
    OP_FROZENSET = 0x91,
    OP_STACK_GLOBAL = 0x93,
    OP_MEMOIZE = 0x94,
    OP_FRAME = 0x95,
};

/* Takes count bytes of the pickle; NULL if it ends before that. */
static const uint8_t *take(struct pickle_machine *m, uint64_t count)
{
    const uint8_t *bytes = m->data + m->at;

    if (count > m->size - m->at) {
        (void)pickle_fail(m, TARE_BADDATA, "the pickle is truncated");
        return NULL;
    }
    m->at += (size_t)count;
    return bytes;
}

/* A little-endian unsigned number of that many bytes, at most 8. */
static bool take_number(struct pickle_machine *m, size_t bytes, uint64_t *number)
{
    const uint8_t *at = take(m, bytes);

    *number = 0;
    if (!at)
        return false;
    for (size_t i = 0; i < bytes; i++)
        *number |= (uint64_t)at[i] << (8 * i);
    return true;
}

static enum tare_status push_bool(struct pickle_machine *m, bool truth)
{
    struct pickle_value *value = pickle_new(m, PICKLE_BOOL);

    if (value)
        value->as.truth = truth;
    return pickle_push(m, value);
}

static enum tare_status push_int(struct pickle_machine *m, int64_t integer)
{
    struct pickle_value *value = pickle_new(m, PICKLE_INT);

    if (value)
        value->as.integer = integer;
    return pickle_push(m, value);
}

/* A two's complement number of bytes bytes, 0 to 8, sign-extended. */
static enum tare_status push_signed(struct pickle_machine *m, size_t bytes)
{
    uint64_t number;

    if (bytes > 8)
        return pickle_fail(m, TARE_UNSUPPORTED, "an integer of %zu bytes, at most 8 are read",
                           bytes);
    if (!take_number(m, bytes, &number))
        return m->err->status;
    if (bytes > 0 && bytes < 8 && (number >> (8 * bytes - 1) & 1))
        number |= ~(uint64_t)0 << (8 * bytes);
    return push_int(m, (int64_t)number);
}

static enum tare_status push_unsigned(struct pickle_machine *m, size_t bytes)
{
    uint64_t number;

    return take_number(m, bytes, &number) ? push_int(m, (int64_t)number) : m->err->status;
}

static enum tare_status push_long(struct pickle_machine *m)
{
    uint64_t bytes;

    return take_number(m, 1, &bytes) ? push_signed(m, (size_t)bytes) : m->err->status;
}

static enum tare_status push_float(struct pickle_machine *m)
{
    const uint8_t *at = take(m, 8);
    struct pickle_value *value = at ? pickle_new(m, PICKLE_FLOAT) : NULL;
    uint64_t bits = 0;

    if (!value)
        return m->err->status;
    for (size_t i = 0; i < 8; i++) /* the only big-endian number of the format */
        bits = bits << 8 | at[i];
    memcpy(&value->as.real, &bits, sizeof(bits));
    return pickle_push(m, value);
}

/* A text whose length stands before it in length_bytes bytes. */
static enum tare_status push_text(struct pickle_machine *m, size_t length_bytes)
{
    struct pickle_value *value;
    const uint8_t *bytes;
    uint64_t size;

    if (!take_number(m, length_bytes, &size) || !(bytes = take(m, size)) ||
        !(value = pickle_new(m, PICKLE_TEXT)))
        return m->err->status;
    value->as.text.bytes = (const char *)bytes;
    value->as.text.size = (size_t)size;
    return pickle_push(m, value);
}

static enum tare_status push_mark(struct pickle_machine *m)
{
    if (m->mark_count >= PICKLE_MAX_SLOTS)
        return pickle_fail(m, TARE_LIMIT, "the pickle sets more than %zu marks", PICKLE_MAX_SLOTS);
    if (m->mark_count == m->mark_capacity) {
        size_t wider = m->mark_capacity ? m->mark_capacity * 2 : 64;
        size_t *grown = arena_zero(&m->arena, wider, sizeof(*grown));

        if (!grown)
            return arena_status(&m->arena, "the checkpoint's pickle", m->err);
        if (m->mark_count)
            memcpy(grown, m->marks, m->mark_count * sizeof(*grown));
        m->marks = grown;
        m->mark_capacity = wider;
    }
    m->marks[m->mark_count++] = m->depth;
    return TARE_OK;
}

/* Takes the last mark away; *from is the stack depth that it stood at. */
static bool pop_mark(struct pickle_machine *m, size_t *from)
{
    if (m->mark_count == 0) {
        (void)pickle_fail(m, TARE_BADDATA, "the pickle takes back a mark that it never set");
        return false;
    }
    *from = m->marks[--m->mark_count];
    return true;
}

/* A list or tuple of the stack from that depth on. */
static enum tare_status collect(struct pickle_machine *m, enum pickle_kind kind, size_t from)
{
    size_t count = m->depth - from;
    struct pickle_value *value = pickle_new(m, kind);
    struct pickle_value **items = arena_zero(&m->arena, count, sizeof(*items));

    if (!value || !items)
        return arena_status(&m->arena, "the checkpoint's pickle", m->err);
    if (count)
        memcpy(items, m->stack + from, count * sizeof(*items));
    value->as.list.items = items;
    value->as.list.count = value->as.list.capacity = count;
    m->depth = from;
    return pickle_push(m, value);
}

static enum tare_status collect_marked(struct pickle_machine *m, enum pickle_kind kind)
{
    size_t from;

    return pop_mark(m, &from) ? collect(m, kind, from) : m->err->status;
}

static enum tare_status collect_tuple(struct pickle_machine *m, size_t count)
{
    size_t floor = m->mark_count ? m->marks[m->mark_count - 1] : 0;

    if (m->depth - floor < count)
        return pickle_fail(m, TARE_BADDATA, "the pickle takes more than it put on its stack");
    return collect(m, PICKLE_TUPLE, m->depth - count);
}

/* The container below the items that start at depth from, if it is of that kind. */
static struct pickle_value *container(struct pickle_machine *m, enum pickle_kind kind, size_t from)
{
    size_t floor = m->mark_count ? m->marks[m->mark_count - 1] : 0;

    if (from > floor && m->stack[from - 1]->kind == kind)
        return m->stack[from - 1];
    (void)pickle_fail(m, TARE_BADDATA, "the pickle adds items to something that is no %s",
                      kind == PICKLE_DICT ? "dict" : "list");
    return NULL;
}

static enum tare_status add_items(struct pickle_machine *m, size_t from)
{
    struct pickle_value *list = container(m, PICKLE_LIST, from);
    enum tare_status status = list ? TARE_OK : m->err->status;

    for (size_t i = from; i < m->depth && status == TARE_OK; i++)
        status = pickle_append(m, list, m->stack[i]);
    m->depth = from;
    return status;
}

static enum tare_status add_pairs(struct pickle_machine *m, size_t from)
{
    struct pickle_value *dict = container(m, PICKLE_DICT, from);
    enum tare_status status = dict ? TARE_OK : m->err->status;

    if (dict && (m->depth - from) % 2)
        return pickle_fail(m, TARE_BADDATA, "a dict gets a key without a value");
    for (size_t i = from; i + 1 < m->depth && status == TARE_OK; i += 2)
        status = pickle_put(m, dict, m->stack[i], m->stack[i + 1]);
    m->depth = from;
    return status;
}

static enum tare_status add_marked(struct pickle_machine *m, enum pickle_kind kind)
{
    size_t from;

    if (!pop_mark(m, &from))
        return m->err->status;
    return kind == PICKLE_DICT ? add_pairs(m, from) : add_items(m, from);
}

/* APPEND and SETITEM: one item or one pair, no mark. */
static enum tare_status add_one(struct pickle_machine *m, enum pickle_kind kind)
{
    size_t floor = m->mark_count ? m->marks[m->mark_count - 1] : 0;
    size_t count = kind == PICKLE_DICT ? 2 : 1;

    if (m->depth - floor < count + 1)
        return pickle_fail(m, TARE_BADDATA, "the pickle takes more than it put on its stack");
    return kind == PICKLE_DICT ? add_pairs(m, m->depth - count) : add_items(m, m->depth - count);
}

static enum tare_status push_marked_dict(struct pickle_machine *m)
{
    size_t from;
    struct pickle_value *dict;
    enum tare_status status = TARE_OK;

    if (!pop_mark(m, &from) || !(dict = pickle_new(m, PICKLE_DICT)))
        return m->err->status;
    if ((m->depth - from) % 2)
        return pickle_fail(m, TARE_BADDATA, "a dict gets a key without a value");
    for (size_t i = from; i + 1 < m->depth && status == TARE_OK; i += 2)
        status = pickle_put(m, dict, m->stack[i], m->stack[i + 1]);
    m->depth = from;
    return status == TARE_OK ? pickle_push(m, dict) : status;
}

static enum tare_status memo_put(struct pickle_machine *m, uint64_t index)
{
    size_t floor = m->mark_count ? m->marks[m->mark_count - 1] : 0;

    if (m->depth <= floor)
        return pickle_fail(m, TARE_BADDATA, "the pickle remembers the top of an empty stack");
    if (index >= PICKLE_MAX_SLOTS)
        return pickle_fail(m, TARE_LIMIT, "the pickle's memo has more than %zu slots",
                           PICKLE_MAX_SLOTS);
    if (index >= m->memo_capacity) {
        size_t wider = m->memo_capacity ? m->memo_capacity : 1024;
        struct pickle_value **grown;

        while (wider <= index)
            wider *= 2;
        grown = arena_zero(&m->arena, wider, sizeof(*grown));
        if (!grown)
            return arena_status(&m->arena, "the checkpoint's pickle", m->err);
        if (m->memo_capacity)
            memcpy(grown, m->memo, m->memo_capacity * sizeof(*grown));
        m->memo = grown;
        m->memo_capacity = wider;
    }
    m->memo[index] = m->stack[m->depth - 1];
    return TARE_OK;
}

static enum tare_status memo_put_numbered(struct pickle_machine *m, size_t bytes)
{
    uint64_t index;

    return take_number(m, bytes, &index) ? memo_put(m, index) : m->err->status;
}

static enum tare_status memo_get(struct pickle_machine *m, size_t bytes)
{
    uint64_t index;

    if (!take_number(m, bytes, &index))
        return m->err->status;
    if (index >= m->memo_capacity || !m->memo[index])
        return pickle_fail(m, TARE_BADDATA, "the pickle asks for memo slot %llu, which is empty",
                           (unsigned long long)index);
    return pickle_push(m, m->memo[index]);
}

/* Takes one line of the pickle, without its line break. */
static bool take_line(struct pickle_machine *m, const char **text, size_t *size)
{
    const uint8_t *start = m->data + m->at;
    const uint8_t *end = memchr(start, '\n', m->size - m->at);

    if (!end) {
        (void)pickle_fail(m, TARE_BADDATA, "the pickle is truncated");
        return false;
    }
    *text = (const char *)start;
    *size = (size_t)(end - start);
    m->at += *size + 1;
    return true;
}

static enum tare_status push_global(struct pickle_machine *m)
{
    const char *module, *name;
    size_t module_size, name_size;

    if (!take_line(m, &module, &module_size) || !take_line(m, &name, &name_size))
        return m->err->status;
    return pickle_find_type(m, module, module_size, name, name_size);
}

static enum tare_status push_stack_global(struct pickle_machine *m)
{
    struct pickle_value *name = pickle_pop(m);
    struct pickle_value *module = name ? pickle_pop(m) : NULL;

    if (!module)
        return m->err->status;
    if (name->kind != PICKLE_TEXT || module->kind != PICKLE_TEXT)
        return pickle_fail(m, TARE_BADDATA, "the name of a global is no text");
    return pickle_find_type(m, module->as.text.bytes, module->as.text.size, name->as.text.bytes,
                            name->as.text.size);
}

/* Protocol 0's text: up to the line's end. Its escapes are of no use to a checkpoint. */
static enum tare_status push_line(struct pickle_machine *m)
{
    struct pickle_value *value;
    const char *text;
    size_t size;

    if (!take_line(m, &text, &size))
        return m->err->status;
    if (memchr(text, '\\', size))
        return pickle_fail(m, TARE_UNSUPPORTED, "a text with escapes");
    value = pickle_new(m, PICKLE_TEXT);
    if (!value)
        return m->err->status;
    value->as.text.bytes = text;
    value->as.text.size = size;
    return pickle_push(m, value);
}

/* INST: GLOBAL, a tuple of what is above the mark, and REDUCE in one. */
static enum tare_status push_instance(struct pickle_machine *m)
{
    struct pickle_value *type, *args;
    enum tare_status status = push_global(m);

    if (status != TARE_OK)
        return status;
    type = pickle_pop(m);
    status = type ? collect_marked(m, PICKLE_TUPLE) : m->err->status;
    if (status != TARE_OK)
        return status;
    args = pickle_pop(m);
    return args ? pickle_call(m, type, args) : m->err->status;
}

typedef enum tare_status (*binary_fn)(struct pickle_machine *m, struct pickle_value *first,
                                      struct pickle_value *second);

/* REDUCE and NEWOBJ: both take two values off the stack. */
static enum tare_status apply(struct pickle_machine *m, binary_fn function)
{
    struct pickle_value *second = pickle_pop(m);
    struct pickle_value *first = second ? pickle_pop(m) : NULL;

    return first ? function(m, first, second) : m->err->status;
}

static enum tare_status build(struct pickle_machine *m)
{
    struct pickle_value *state = pickle_pop(m);
    struct pickle_value *object = state ? pickle_pop(m) : NULL;
    enum tare_status status = object ? pickle_set_state(m, object, state) : m->err->status;

    return status == TARE_OK ? pickle_push(m, object) : status;
}

static enum tare_status stop(struct pickle_machine *m)
{
    struct pickle_value *root = pickle_pop(m);

    if (!root)
        return m->err->status;
    if (m->depth != 0 || m->mark_count != 0)
        return pickle_fail(m, TARE_BADDATA, "the pickle leaves values on its stack");
    m->root = root;
    return TARE_OK;
}

static enum tare_status check_protocol(struct pickle_machine *m)
{
    uint64_t protocol;

    if (!take_number(m, 1, &protocol))
        return m->err->status;
    if (protocol < 2 || protocol > 4)
        return pickle_fail(m, TARE_UNSUPPORTED, "pickle protocol %d, need 2 to 4", (int)protocol);
    return TARE_OK;
}

static enum tare_status drop_top(struct pickle_machine *m)
{
    return pickle_pop(m) ? TARE_OK : m->err->status;
}

static enum tare_status drop_to_mark(struct pickle_machine *m)
{
    return pop_mark(m, &m->depth) ? TARE_OK : m->err->status;
}

static enum tare_status duplicate(struct pickle_machine *m)
{
    struct pickle_value *top = pickle_pop(m);
    enum tare_status status = top ? pickle_push(m, top) : m->err->status;

    return status == TARE_OK ? pickle_push(m, top) : status;
}

static enum tare_status skip_frame(struct pickle_machine *m)
{
    return take(m, 8) ? TARE_OK : m->err->status;
}

static enum tare_status persistent(struct pickle_machine *m)
{
    struct pickle_value *id = pickle_pop(m);

    return id ? pickle_persistent(m, id) : m->err->status;
}

/* Opcodes that put a new value on the stack. */
static enum tare_status step_value(struct pickle_machine *m, uint8_t opcode)
{
    switch (opcode) {
    case OP_NONE:
        return pickle_push(m, pickle_new(m, PICKLE_NONE));
    case OP_NEWTRUE:
    case OP_NEWFALSE:
        return push_bool(m, opcode == OP_NEWTRUE);
    case OP_BININT:
        return push_signed(m, 4);
    case OP_BININT1:
        return push_unsigned(m, 1);
    case OP_BININT2:
        return push_unsigned(m, 2);
    case OP_LONG1:
        return push_long(m);
    case OP_BINFLOAT:
        return push_float(m);
    case OP_SHORT_BINUNICODE:
    case OP_SHORT_BINSTRING:
    case OP_SHORT_BINBYTES:
        return push_text(m, 1);
    case OP_BINUNICODE:
    case OP_BINSTRING:
    case OP_BINBYTES:
        return push_text(m, 4);
    case OP_BINUNICODE8:
    case OP_BINBYTES8:
        return push_text(m, 8);
    case OP_UNICODE:
        return push_line(m);
    case OP_EMPTY_TUPLE:
        return pickle_push(m, pickle_new(m, PICKLE_TUPLE));
    case OP_EMPTY_LIST:
    case OP_EMPTY_SET:
        return pickle_push(m, pickle_new(m, PICKLE_LIST));
    case OP_EMPTY_DICT:
        return pickle_push(m, pickle_new(m, PICKLE_DICT));
    default:
        return pickle_fail(m, TARE_UNSUPPORTED, "pickle opcode 0x%02x is not allowed", opcode);
    }
}

/* Opcodes that gather what lies on the stack. */
static enum tare_status step_container(struct pickle_machine *m, uint8_t opcode)
{
    switch (opcode) {
    case OP_MARK:
        return push_mark(m);
    case OP_TUPLE:
        return collect_marked(m, PICKLE_TUPLE);
    case OP_LIST:
    case OP_FROZENSET:
        return collect_marked(m, PICKLE_LIST);
    case OP_TUPLE1:
    case OP_TUPLE2:
    case OP_TUPLE3:
        return collect_tuple(m, (size_t)(opcode - OP_TUPLE1 + 1));
    case OP_DICT:
        return push_marked_dict(m);
    case OP_APPEND:
        return add_one(m, PICKLE_LIST);
    case OP_SETITEM:
        return add_one(m, PICKLE_DICT);
    case OP_APPENDS:
    case OP_ADDITEMS:
        return add_marked(m, PICKLE_LIST);
    case OP_SETITEMS:
        return add_marked(m, PICKLE_DICT);
    default:
        return step_value(m, opcode);
    }
}

enum tare_status pickle_step(struct pickle_machine *m, uint8_t opcode)
{
    switch (opcode) {
    case OP_PROTO:
        return check_protocol(m);
    case OP_FRAME:
        return skip_frame(m);
    case OP_STOP:
        return stop(m);
    case OP_POP:
        return drop_top(m);
    case OP_POP_MARK:
        return drop_to_mark(m);
    case OP_DUP:
        return duplicate(m);
    case OP_BINPUT:
        return memo_put_numbered(m, 1);
    case OP_LONG_BINPUT:
        return memo_put_numbered(m, 4);
    case OP_MEMOIZE:
        return memo_put(m, m->memo_count++);
    case OP_BINGET:
        return memo_get(m, 1);
    case OP_LONG_BINGET:
        return memo_get(m, 4);
    case OP_GLOBAL:
        return push_global(m);
    case OP_STACK_GLOBAL:
        return push_stack_global(m);
    case OP_INST:
        return push_instance(m);
    case OP_REDUCE:
        return apply(m, pickle_call);
    case OP_NEWOBJ:
        return apply(m, pickle_new_object);
    case OP_BUILD:
        return build(m);
    case OP_BINPERSID:
        return persistent(m);
    default:
        return step_container(m, opcode);
    }
}
