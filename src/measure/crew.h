/*
 * crew.h - the parent's side of the workers: starts them, sends commands, waits for answers with a
 * deadline, keeps all but one of them quiet.
 *
 * A member is one worker process of one cell. What it answers is checked; a member that crashes,
 * hangs or prints garbage gives an error that says so, and can be started again.
 *
 * Threads: a crew belongs to one thread.
 */
#ifndef TARE_MEASURE_CREW_H
#define TARE_MEASURE_CREW_H

#include "base/cores.h"
#include "base/json_tree.h"
#include "base/json_write.h"
#include "base/process.h"
#include "measure/protocol.h"
#include "measure/study.h"

struct crew_member {
    struct process process;
    struct protocol_shared *shared; /* NULL: not started */
    int shared_fd;
    const struct crew_pictures *pictures; /* as given to crew_start() */
    int64_t held_bytes;                   /* resident memory, when it was last looked at */
    const struct cores_plan *cores;
    bool stopped;   /* by SIGSTOP, because it would not go quiet */
    bool dismissed; /* it was asked to end */
};

/* What a worker said of its session. */
struct crew_opened {
    char family[32];
    bool predicts;
    int64_t pictures;
    int64_t load_ns, first_run_ns;
    int64_t step_ns[PROTOCOL_STEPS]; /* what each took, from the start of its process */
    char runtime_version[64], provider[64], executed_precision[32];
};

struct crew_visit {
    int64_t runs;
    int64_t wall_ns; /* of the runs alone, by the worker's clock */
    int64_t cpu_ns;  /* of the worker's processes in that time; -1: not known */
    int64_t major_faults;
    int busy_threads;    /* used 5 % or more of what the busiest of them used; -1: not known */
    int outside_threads; /* of those, may run on other processors than the cells' */
};

/* What all workers of a study get alike: their pictures, where they run and what they may hold. It
 * outlives them. */
struct crew_pictures {
    char **paths; // (count)
    size_t count;
    const struct cores_plan *cores;    /* NULL: where the parent may run */
    int64_t limit_bytes;               /* of one worker's resident memory; 0: none */
    int64_t together_bytes;            /* of all members' together; 0: none */
    const struct crew_member *members; // (member_count)
    size_t member_count;
};

/* Starts a worker for a cell and opens its session. On error the member holds nothing. */
enum tare_status crew_start(struct crew_member *member, const struct study *study,
                            const struct study_cell *cell, const struct crew_pictures *pictures,
                            struct crew_opened *opened, struct tare_err *err);

/* The same where nothing but the runtime is to read the model; its precision is not checked. */
enum tare_status crew_start_cold(struct crew_member *member, const struct study *study,
                                 const struct study_cell *cell,
                                 const struct crew_pictures *pictures, struct crew_opened *opened,
                                 struct tare_err *err);

/* A worker that only opens a device ("cuda:0") and holds it: a context without a model. TARE_ABSENT
 * where there is no driver for it. */
enum tare_status crew_start_bare(struct crew_member *member, const struct crew_pictures *pictures,
                                 const char *device, struct tare_err *err);

/* Runs at least the study's warm-up, waits timeout_ns for it (0: 10 minutes); samples lie in
 * member->shared. */
enum tare_status crew_warm_up(struct crew_member *member, int64_t min_runs, int64_t min_ns,
                              int64_t timeout_ns, struct crew_visit *visit, struct tare_err *err);

/* One visit of `runs` runs; samples lie in member->shared. patience_ns: for all of it. */
enum tare_status crew_visit(struct crew_member *member, int64_t runs, int64_t first_picture,
                            int64_t period_ns, int64_t patience_ns, struct crew_visit *visit,
                            struct tare_err *err);

/* Opens further sessions of the cell in a worker that was started, until there are `streams`. */
enum tare_status crew_streams(struct crew_member *member, const struct study *study,
                              const struct study_cell *cell, int32_t streams, struct tare_err *err);

struct flow_options;

/* All streams at once (flow.h): visit gets the runs that ended and the time that they took;
 * their latencies lie in member->shared, as totals. */
enum tare_status crew_flow(struct crew_member *member, const struct flow_options *options,
                           int64_t patience_ns, struct crew_visit *visit, struct tare_err *err);

/* One command and its answer, which the caller frees, on error too. For commands of other files. */
enum tare_status crew_ask(struct crew_member *member, const struct buf *command,
                          int64_t patience_ns, struct json_tree **answer, struct tare_err *err);

/* What "open" says of a cell, as members of an open JSON object. */
void crew_put_cell(struct json_writer *w, const char *op, const struct study *study,
                   const struct study_cell *cell);

/* Runs all annotated pictures through the timed session and writes COCO detections to a file.
 * progress may be NULL. */
enum tare_status crew_eval(struct crew_member *member, const struct study *study,
                           const char *detections, void (*progress)(double share, void *data),
                           void *data, int64_t *pictures, struct tare_err *err);

/* Makes so many runs and asks how long each node took; the answer's "nodes", as protocol.h says,
 * which the caller frees. The member's session was opened for it (option profile=1). */
enum tare_status crew_profile(struct crew_member *member, int64_t runs, struct json_tree **answer,
                              struct tare_err *err);

/* CPU time of the member's process and its descendants; -1 if it is gone. */
int64_t crew_cpu_ns(const struct crew_member *member);

/* Highest resident memory so far of the worker and what it started; -1 if unknown. */
int64_t crew_peak_rss_bytes(const struct crew_member *member);

/* Asks it to end and does not wait: crew_stop() does. */
void crew_dismiss(struct crew_member *member);

/* Ends it. A member that was never started is allowed. */
void crew_stop(struct crew_member *member);

/* The workers' CPU clocks at one moment. All zero: not read yet. */
struct crew_watch {
    int64_t at_ns;
    int64_t cpu_ns[STUDY_MAX_CELLS]; /* -1: no worker */
};

void crew_watch_now(const struct crew_member *members, size_t count, struct crew_watch *watch);

/*
 * Waits until no member but `except` has used 1 % CPU over 50 ms, at most 2 s; those that still do
 * are then stopped by signal and wake up at their own next command. The first 50 ms count from
 * `watch`, so that what the caller did since then is not waited for again. Returns how long it
 * took.
 */
int64_t crew_hush(struct crew_member *members, size_t count, const struct crew_member *except,
                  struct crew_watch *watch);

#endif
