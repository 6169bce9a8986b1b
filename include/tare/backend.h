/*
 * backend.h - the ABI between tare and a runtime plugin.
 *
 * A plugin is one shared object that exports one function,
 *     const struct tare_backend *tare_backend_entry(void);
 * whose result is static and constant. tare loads it with dlopen(RTLD_NOW | RTLD_LOCAL), checks the
 * ABI and the required slots, and calls probe() before anything else. A loaded plugin is never
 * unloaded.
 *
 * Words: a session is one model opened with one set of options. A session is used by one thread at
 * a time unless a slot says otherwise; two sessions may be used by two threads.
 *
 * Errors: a slot returns TARE_OK or a negative status and fills err (never NULL) with one line.
 * After an error other than from open(), the session is still valid and must still be closed.
 * A slot never prints, never exits, never installs a signal handler.
 *
 * Compatibility: a plugin is accepted if abi_major is equal and abi_minor is not newer than tare's.
 * New slots come at the end with a new minor; struct_size says how far a plugin's struct reaches,
 * and slots past it count as NULL.
 */
#ifndef TARE_BACKEND_H
#define TARE_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tare/status.h"
#include "tare/tensor.h"

#define TARE_BACKEND_ABI_MAJOR 1
#define TARE_BACKEND_ABI_MINOR 0

/* What a plugin can do beyond the required slots. A set bit makes the named slots required. */
enum tare_capability {
    TARE_CAP_ASYNC = 1 << 0,    /* submit and wait */
    TARE_CAP_PROFILE = 1 << 1,  /* profile */
    TARE_CAP_STATEFUL = 1 << 2, /* state_reset */
    TARE_CAP_TIMING = 1 << 3,   /* run fills struct tare_timing */
    TARE_CAP_PYTHON = 1 << 4,   /* runs a Python interpreter: start-up takes seconds */
    TARE_CAP_NO_MODEL = 1 << 5, /* needs no model file; describe() answers from options */
    TARE_CAP_CONVERTS = 1 << 6, /* executes another floating-point precision than the model's */
    TARE_CAP_BORROWS = 1 << 7,  /* binds memory that is only lent, see bind */
};

enum tare_option_kind {
    TARE_OPTION_TEXT = 0,
    TARE_OPTION_INT = 1,   /* min..max */
    TARE_OPTION_BOOL = 2,  /* "0" or "1" */
    TARE_OPTION_CHOICE = 3 /* one of choices, separated by '|' */
};

/* A row of a plugin's own option table; it drives parsing, help and validation. */
struct tare_option_info {
    const char *name; /* NULL ends the table */
    const char *help; /* one line, lower case */
    enum tare_option_kind kind;
    const char *fallback; /* the documented default, as text */
    int64_t min, max;     /* TARE_OPTION_INT */
    const char *choices;  /* TARE_OPTION_CHOICE */
};

/* One option as the user set it, already validated against the table. */
struct tare_option_value {
    const char *name;
    const char *value;
};

/* What open() gets. Strings belong to the caller and outlive the call only. */
struct tare_open_options {
    const char *model_path; /* NULL only with TARE_CAP_NO_MODEL */
    const char *device;     /* "cpu", "cuda:0" */
    const char *precision;  /* what the cell claims: "fp32", "fp16", "bf16", "int8" */
    int32_t threads;        /* intra-op threads; 0: the runtime's default */
    int32_t batch;          /* what a dynamic batch dimension will be bound to; at least 1 */
    const struct tare_option_value *options; /* option_count of them */
    size_t option_count;
};

/* The value of an option: as the user set it, else the table's fallback, else "". */
__attribute__((unused)) static const char *tare_option_text(const struct tare_open_options *options,
                                                            const struct tare_option_info *table,
                                                            const char *name)
{
    for (size_t i = 0; i < options->option_count; i++)
        if (strcmp(options->options[i].name, name) == 0)
            return options->options[i].value;
    for (; table->name; table++)
        if (strcmp(table->name, name) == 0)
            return table->fallback ? table->fallback : "";
    return "";
}

/* The same as a number, for TARE_OPTION_INT and TARE_OPTION_BOOL. */
__attribute__((unused)) static int64_t tare_option_int(const struct tare_open_options *options,
                                                       const struct tare_option_info *table,
                                                       const char *name)
{
    return strtoll(tare_option_text(options, table, name), NULL, 10);
}

/* What open() reports. Times by CLOCK_MONOTONIC. */
struct tare_open_report {
    int64_t load_ns;             /* library, model and graph optimisation */
    int64_t peak_memory_bytes;   /* resident growth at its highest, or -1 if unknown */
    char runtime_version[64];    /* "onnxruntime 1.32.0" */
    char provider[64];           /* what executes the graph: "CPUExecutionProvider" */
    char executed_precision[32]; /* as read back from the runtime, "" if it can't be read back */
    int32_t threads;             /* as the runtime was told; 0 if its own choice */
};

/* Where one run's time went, by the runtime's own clock. -1: not known. */
struct tare_timing {
    int64_t queue_ns;
    int64_t copy_in_ns;
    int64_t compute_ns;
    int64_t copy_out_ns;
};

/* What comes with one run. All zero is an ordinary stateless request. */
struct tare_request {
    uint64_t sequence_id; /* 0: not part of a sequence */
    bool sequence_start;
    bool sequence_end;
    int64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
};

/* One row of profile(): strings belong to the session, valid until it is closed or run again. */
struct tare_profile_row {
    const char *node;
    const char *op_type;
    int64_t total_ns;
    int64_t calls;
};

struct tare_session; /* the plugin's own; tare never looks inside */

struct tare_backend {
    uint32_t abi_major;   /* TARE_BACKEND_ABI_MAJOR */
    uint32_t abi_minor;   /* TARE_BACKEND_ABI_MINOR */
    uint32_t struct_size; /* sizeof(struct tare_backend) as the plugin was compiled */
    uint32_t capabilities;
    const char *name;                       /* "onnxruntime": unique, [a-z0-9_-] */
    const char *summary;                    /* one line, lower case */
    const struct tare_option_info *options; /* its own option table, or NULL */
    size_t state_bytes; /* for stateful models: bytes of state a sequence, 0 if none or unknown */

    /*
     * Required. Is the runtime usable on this machine? TARE_OK: yes, and note (note_bytes long)
     * says which version. TARE_ABSENT: not here, and err says what is missing and the command that
     * gets it. TARE_BROKEN: here but unusable, and err says why. Never crashes, never blocks over 5
     * s. Any thread.
     */
    enum tare_status (*probe)(char *note, size_t note_bytes, struct tare_err *err);

    /*
     * Required. Loads a model. On success *session is owned by the caller, who passes it to
     * close(); on error *session is NULL and nothing is held. May block for minutes. Any thread.
     */
    enum tare_status (*open)(const struct tare_open_options *options, struct tare_session **session,
                             struct tare_open_report *report, struct tare_err *err);

    /* Required. Frees a session; NULL is allowed. Bound memory stays the caller's. */
    void (*close)(struct tare_session *session);

    /*
     * Required. Lists inputs or outputs. *infos belongs to the session, valid until close().
     */
    enum tare_status (*describe)(struct tare_session *session, bool inputs,
                                 const struct tare_tensor_info **infos, size_t *count,
                                 struct tare_err *err);

    /*
     * Required. Binds all inputs and all outputs, in describe()'s order, once before the first run
     * and again whenever an address or a shape changes. The structs are copied by the plugin except
     * for their data, which stays the caller's and must stay valid until the next bind or close;
     * with TARE_CAP_BORROWS host memory need only be aligned to its element's size, and there
     * during a run: it is what a server lends for one request. A plugin writes outputs in place;
     * where an output's actual shape differs from what was bound (dynamic dimensions) it is read
     * with bound_shape(). An output whose data is NULL has a shape that nobody knows yet: the
     * runtime places it where it likes, and after one run bound_shape() says what to bind. The
     * elements of a TARE_BYTES tensor (tensor.h) may have other lengths in every run: a plugin
     * reads tare_bytes_used() of an input in run(), and writes an output within its capacity_bytes
     * or fails with TARE_LIMIT. Fails with TARE_INVALID if a shape, dtype or capacity does not fit,
     * TARE_UNSUPPORTED for a memory kind it can't use and for an unknown shape without bound_shape.
     */
    enum tare_status (*bind)(struct tare_session *session, const struct tare_tensor *inputs,
                             size_t input_count, const struct tare_tensor *outputs,
                             size_t output_count, struct tare_err *err);

    /*
     * Required. One synchronous inference over the bound tensors; outputs are complete when it
     * returns. request may be NULL. timing may be NULL; otherwise it is filled if TARE_CAP_TIMING
     * (fields that are not known are set to -1). Allocates nothing of its own after the first call.
     */
    enum tare_status (*run)(struct tare_session *session, const struct tare_request *request,
                            struct tare_timing *timing, struct tare_err *err);

    /* Optional. Shape that output `index` had in the last run. NULL: as bound. */
    enum tare_status (*bound_shape)(struct tare_session *session, size_t index, int32_t *rank,
                                    int64_t *shape, struct tare_err *err); /* (TARE_MAX_RANK) */

    /*
     * TARE_CAP_ASYNC. submit() starts a run and returns at once; wait() blocks until the oldest
     * submitted run has finished. At most one run in flight a session.
     */
    enum tare_status (*submit)(struct tare_session *session, const struct tare_request *request,
                               struct tare_err *err);
    enum tare_status (*wait)(struct tare_session *session, struct tare_timing *timing,
                             struct tare_err *err);

    /* TARE_CAP_PROFILE. Time per graph node of the runs so far, slowest first. */
    enum tare_status (*profile)(struct tare_session *session, const struct tare_profile_row **rows,
                                size_t *count, struct tare_err *err);

    /* TARE_CAP_STATEFUL. Forgets a sequence's state; sequence_id 0 forgets all. */
    enum tare_status (*state_reset)(struct tare_session *session, uint64_t sequence_id,
                                    struct tare_err *err);

    /*
     * Optional. Memory that the session reaches without a copy (shared with a worker process,
     * pinned for a device) and that the host can read and write: fills tensor's data, aligned to 64
     * bytes and zeroed, capacity_bytes (at least size_bytes), memory and device_id. It belongs to
     * the session until close(). NULL: any host memory will do.
     */
    enum tare_status (*allocate)(struct tare_session *session, size_t size_bytes,
                                 struct tare_tensor *tensor, struct tare_err *err);
};

/* The one symbol that a plugin exports. */
typedef const struct tare_backend *(*tare_backend_entry_fn)(void);

#if defined(__GNUC__)
#define TARE_EXPORT __attribute__((visibility("default")))
#else
#define TARE_EXPORT
#endif

#endif
