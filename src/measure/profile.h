/*
 * profile.h - where a cell's time goes, node by node, and how much of it the machine's limits leave
 * to be won: where to stop optimising. `tare bench --profile` records it after the sweeps, in
 * worker processes of its own, because timing every node disturbs: no sample of a visit is from a
 * session that was profiled.
 *
 * A runtime names its rows after nodes of the graph, or after the values that they make. A row
 * belongs to the node with the same name, else to the one whose name, or whose output's, the row's
 * name begins with. Nodes that have no row were fused into one that has: x * f(x) into the product,
 * otherwise what follows a node into that node, and what has none before it into its consumer. A
 * row's operations and bytes are those of all nodes that it executes; values that pass between them
 * cost no bytes. Rows of no node are lines of their own: "(layout)" for a runtime's reordering of
 * elements, "(added) OP" for others; their limit is 0, for the graph does not ask for them. Nodes
 * that no row executes are in "(no row)".
 *
 * Threads: a profile belongs to one thread.
 */
#ifndef TARE_MEASURE_PROFILE_H
#define TARE_MEASURE_PROFILE_H

#include "base/json_tree.h"
#include "base/json_write.h"
#include "measure/crew.h"
#include "measure/ledger.h"
#include "measure/study.h"

/* The name of the document in a result file with the profiles of a run's cells, as JSON. */
#define PROFILE_DOCUMENT "profiles"

#define PROFILE_MAX_ROWS 16384

/* --- recording --- */

/* A row as a runtime gave it; texts belong to whoever made it. */
struct profile_row {
    const char *name, *op;
    double time_ns; /* of one run */
};

/*
 * Writes the lines of a profile into an open array: `rows` against the graph of an ONNX file, for
 * that batch and picture side as roofline_cost_of(). Errors as roofline_cost_of(), but an operator
 * whose cost is not known only leaves its line without one.
 */
enum tare_status profile_map(const char *path, int64_t batch, int64_t size,
                             const struct profile_row *rows, size_t count, struct json_writer *w,
                             struct tare_err *err);

/* What profile_record() is to do. */
struct profile_job {
    const struct study *study;
    const int64_t *cell_ids; // (study->cell_count); 0: leave this cell out
    const int64_t *run_ns;   // (study->cell_count), about what one run takes; 0: not known
    const struct crew_pictures *pictures;
    void (*progress)(const char *cell, void *data); /* may be NULL */
    void *progress_data;
};

/*
 * One worker after another, with no other alive: profiles of all cells into the store, in place of
 * those that the run has. A cell that can't be profiled is a row that says why. TARE_STOPPED if the
 * user asked to stop.
 */
enum tare_status profile_record(const struct profile_job *job, struct store *store, int64_t run_id,
                                struct tare_err *err);

/* --- reading --- */

struct profile_line {
    const char *name;               /* of the graph's node, or one in brackets, see above */
    const char *ops;                /* "Conv+Sigmoid+Mul"; the runtime's own for an added one */
    const struct json_value *nodes; /* names of the graph's nodes that it executes */
    bool of_graph;                  /* false: added by the runtime */
    double time_ns;                 /* of one run */
    struct roofline_cost cost;      /* edge_bytes: what it reads and writes beside weights */
    struct roofline_row limit;
    double limit_ns; /* 0 where the graph asks for nothing; NAN: not known */
    double lost_ns;  /* time beyond the limit, at least 0; NAN: not known */
};

struct profile {
    bool known;
    const char *why;            /* why not */
    struct profile_line *lines; // (count), by time lost, largest first
    size_t count;
    int64_t runs;
    double profiled_ns;   /* mean of a session's run while it was profiled */
    double unprofiled_ns; /* median of a session's run in visits; NAN */
    double sum_ns;        /* of all lines */
    double mapped_ns;     /* of those that name a node of the graph */
    bool whole;           /* most of it is in rows of no node: no limit is theirs */
    double lost_ns;       /* of lines whose limit is known; NAN: none is */
    size_t most;          /* lines, from the first, that hold 80 % of lost_ns */
    struct json_tree *tree;
};

/*
 * The profile of a cell, held against the peaks of its run; known is false, with a reason, if there
 * is none. TARE_BADDATA for a damaged file. On success profile_release() it.
 */
enum tare_status profile_read(struct store *store, const struct ledger *ledger, size_t cell,
                              struct profile *profile, struct tare_err *err);
void profile_release(struct profile *profile); /* a zeroed struct is allowed */

#endif
