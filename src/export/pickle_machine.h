/*
 * pickle_machine.h - what the parts of the unpickler share: its stack, its memo, its types. Private
 * to pickle.c, pickle_ops.c and pickle_types.c.
 */
#ifndef TARE_EXPORT_PICKLE_MACHINE_H
#define TARE_EXPORT_PICKLE_MACHINE_H

#include "base/arena.h"
#include "export/pickle.h"

#define PICKLE_MAX_BYTES  ((size_t)64 << 20)
#define PICKLE_MAX_VALUES ((size_t)512 << 20) /* bytes of memory */
#define PICKLE_MAX_SLOTS  ((size_t)1 << 20)
#define PICKLE_MAX_PAIRS  ((size_t)1 << 16)

/* What calling a type, or building an object of it, comes to. */
enum type_role {
    ROLE_RECORD,    /* an object of its arguments and its state */
    ROLE_DICT,      /* collections.OrderedDict */
    ROLE_SET,       /* set, frozenset, list: a list of its items */
    ROLE_SIZE,      /* torch.Size: the tuple it is given */
    ROLE_STORAGE,   /* torch.*Storage: only inside a persistent id */
    ROLE_TENSOR,    /* torch._utils._rebuild_tensor_v2 */
    ROLE_PARAMETER, /* torch._utils._rebuild_parameter: its first argument */
    ROLE_ENCODE,    /* _codecs.encode: how protocol 2 spells bytes */
    ROLE_RECREATE,  /* copyreg._reconstructor: an object of its first argument */
};

struct pickle_machine {
    struct arena arena;
    const uint8_t *data; // (size)
    size_t size;
    size_t at;
    struct pickle_value **stack; // (depth)
    size_t depth, stack_capacity;
    size_t *marks; /* (mark_count), stack depths */
    size_t mark_count, mark_capacity;
    struct pickle_value **memo; /* (memo_capacity), NULL where nothing was put */
    size_t memo_capacity, memo_count;
    struct pickle_value *root; /* set by STOP */
    struct tare_err *err;
};

/* A new value of that kind, otherwise zero; NULL (and err set) if memory ran out. */
struct pickle_value *pickle_new(struct pickle_machine *machine, enum pickle_kind kind);

/* Fails with the position in the pickle. */
__attribute__((format(printf, 3, 4))) enum tare_status
pickle_fail(struct pickle_machine *machine, enum tare_status status, const char *format, ...);

enum tare_status pickle_push(struct pickle_machine *machine, struct pickle_value *value);

/* Takes the top of the stack off; NULL (and err set) if it is empty down to the last mark. */
struct pickle_value *pickle_pop(struct pickle_machine *machine);

enum tare_status pickle_append(struct pickle_machine *machine, struct pickle_value *list,
                               struct pickle_value *item);
enum tare_status pickle_put(struct pickle_machine *machine, struct pickle_value *dict,
                            struct pickle_value *key, struct pickle_value *value);

/* Pushes the type of that name if it is allowed. */
enum tare_status pickle_find_type(struct pickle_machine *machine, const char *module,
                                  size_t module_size, const char *name, size_t name_size);

/* Pushes what calling a type with a tuple of arguments comes to. */
enum tare_status pickle_call(struct pickle_machine *machine, struct pickle_value *type,
                             struct pickle_value *args);

/* Pushes an object of a type (Python's cls.__new__). */
enum tare_status pickle_new_object(struct pickle_machine *machine, struct pickle_value *type,
                                   struct pickle_value *args);

/* Gives an object its state (Python's __setstate__). */
enum tare_status pickle_set_state(struct pickle_machine *machine, struct pickle_value *object,
                                  struct pickle_value *state);

/* Pushes the storage that a persistent id names. */
enum tare_status pickle_persistent(struct pickle_machine *machine, struct pickle_value *id);

/* Runs one opcode whose byte was read. */
enum tare_status pickle_step(struct pickle_machine *machine, uint8_t opcode);

#endif
