/*
 * pickle.h - a restricted reader of Python pickles, protocols 2 to 4, as far as a detection
 * checkpoint needs them. Nothing is ever executed or imported: an object becomes an inert record of
 * its type's name, its constructor's arguments and its state. A type that is not in the list of
 * pickle_types.c is refused by name.
 *
 * Bounds: 64 MiB of pickle, 512 MiB of values, 2^20 memo slots and stack entries, 65,536 entries in
 * a dict. The reader does not recurse, so nesting has no bound of its own; a value may contain
 * itself, so whoever walks a tree must bound the depth.
 *
 * Threads: what pickle_load() returns is immutable.
 */
#ifndef TARE_EXPORT_PICKLE_H
#define TARE_EXPORT_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"
#include "tare/tensor.h"

#define PICKLE_MAX_RANK TARE_MAX_RANK

enum pickle_kind {
    PICKLE_NONE, /* Python's None; also what NULL counts as */
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_FLOAT,
    PICKLE_TEXT, /* str or bytes */
    PICKLE_TUPLE,
    PICKLE_LIST, /* list, set or frozenset */
    PICKLE_DICT, /* dict or OrderedDict, in insertion order */
    PICKLE_TYPE,
    PICKLE_OBJECT,
    PICKLE_STORAGE,
    PICKLE_TENSOR,
};

/* A type, or a function that stands for one, by its full name. */
struct pickle_type {
    const char *module; // (module_size), not NUL-terminated
    const char *name;   // (name_size), not NUL-terminated
    uint32_t module_size;
    uint32_t name_size;
    int role;              /* enum type_role of pickle_machine.h */
    enum tare_dtype dtype; /* of a storage type */
};

/* Where the elements of tensors lie: archive entry "data/KEY". */
struct pickle_storage {
    const char *key; // (key_size), not NUL-terminated
    uint32_t key_size;
    enum tare_dtype dtype;
    int64_t count; /* elements */
};

/* A view of a storage. Offset and strides count elements. Not yet checked against the storage. */
struct pickle_tensor {
    const struct pickle_storage *storage;
    int64_t offset;
    int32_t rank;
    int64_t shape[PICKLE_MAX_RANK];
    int64_t strides[PICKLE_MAX_RANK];
};

struct pickle_value;

struct pickle_pair {
    struct pickle_value *key;
    struct pickle_value *value;
};

struct pickle_value {
    enum pickle_kind kind;
    union {
        bool truth;
        int64_t integer;
        double real;
        struct {
            const char *bytes; // (size), not NUL-terminated
            size_t size;
        } text;
        struct {
            struct pickle_value **items; // (count)
            size_t count;
            size_t capacity;
        } list; /* and tuple */
        struct {
            struct pickle_pair *pairs; // (count)
            size_t count;
            size_t capacity;
        } dict;
        struct {
            const struct pickle_type *type;
            struct pickle_value *args;  /* tuple */
            struct pickle_value *state; /* NULL until set */
        } object;
        const struct pickle_type *type;
        struct pickle_storage storage;
        struct pickle_tensor *tensor;
    } as;
};

struct pickle;

/*
 * Reads one pickle. Texts in it point into data, which stays the caller's and must outlive the
 * result. TARE_BADDATA for a damaged one, TARE_UNSUPPORTED for a type or an opcode that is not
 * allowed, TARE_LIMIT over a bound. On success pickle_free() it.
 */
enum tare_status pickle_load(const uint8_t *data, size_t size, struct pickle **pickle,
                             struct tare_err *err);
void pickle_free(struct pickle *pickle);

const struct pickle_value *pickle_root(const struct pickle *pickle);

/* The kind; PICKLE_NONE for NULL. */
enum pickle_kind pickle_kind_of(const struct pickle_value *value);

/* "dict", "a tensor", "ultralytics.nn.modules.Conv": for messages. */
const char *pickle_describe(const struct pickle_value *value, char *out, size_t out_bytes);

bool pickle_text_is(const struct pickle_value *value, const char *text);

/* An entry of a dict by its text key, or an attribute of an object; NULL if there is none. The last
 * one counts if a key stands twice. */
const struct pickle_value *pickle_get(const struct pickle_value *value, const char *key);

/* Number of items of a list, tuple or dict; 0 for anything else. */
size_t pickle_count(const struct pickle_value *value);

/* Item of a list or tuple; NULL past the end. */
const struct pickle_value *pickle_at(const struct pickle_value *value, size_t index);

/* An INT, a BOOL, or a FLOAT that is whole; the fallback otherwise. */
int64_t pickle_int(const struct pickle_value *value, int64_t fallback);

/* A FLOAT or an INT; the fallback otherwise. */
double pickle_real(const struct pickle_value *value, double fallback);

/* Whether an object's type has this name, whatever its module. */
bool pickle_is_a(const struct pickle_value *value, const char *type_name);

#endif
