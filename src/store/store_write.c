/*
 * store_write.c - the writing half of store.h. Every value goes in by parameter.
 */
#include <string.h>

#include "base/buf.h"
#include "store/store_codec.h"
#include "store/store_internal.h"

enum value_type {
    VALUE_INT,
    VALUE_REAL,
    VALUE_TEXT,
    VALUE_BLOB,
    VALUE_NULL
};

struct value {
    enum value_type type;
    int64_t integer;
    double real;
    const void *bytes;
    size_t size;
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct value integer(int64_t number)
{
    return (struct value){.type = VALUE_INT, .integer = number};
}

static struct value real(double number)
{
    return (struct value){.type = VALUE_REAL, .real = number};
}

static struct value text(const char *chars)
{
    return (struct value){
        .type = VALUE_TEXT, .bytes = chars ? chars : "", .size = chars ? strlen(chars) : 0};
}

static struct value blob(const struct buf *buf)
{
    return (struct value){.type = VALUE_BLOB, .bytes = buf_text(buf), .size = buf->size};
}

/* A reference that may be absent. */
static struct value reference(int64_t id)
{
    return (struct value){.type = id ? VALUE_INT : VALUE_NULL, .integer = id};
}

static int bind(sqlite3_stmt *statement, int at, const struct value *value)
{
    switch (value->type) {
    case VALUE_INT:
        return sqlite3_bind_int64(statement, at, value->integer);
    case VALUE_REAL:
        return sqlite3_bind_double(statement, at, value->real);
    case VALUE_TEXT:
        if (value->size > STORE_MAX_TEXT)
            return SQLITE_TOOBIG;
        return sqlite3_bind_text(statement, at, value->bytes, (int)value->size, SQLITE_STATIC);
    case VALUE_BLOB:
        return sqlite3_bind_blob64(statement, at, value->bytes, value->size, SQLITE_STATIC);
    case VALUE_NULL:
        break;
    }
    return sqlite3_bind_null(statement, at);
}

/* Whether a write may start at all: a transaction that SQLite gave up must not half go on. */
static enum tare_status may_write(struct store *store, struct tare_err *err)
{
    if (!store->writable)
        return tare_fail(err, TARE_INVALID, "cannot write '%s': it was opened to read",
                         store->path);
    if (store->in_transaction && sqlite3_get_autocommit(store->db))
        return tare_fail(err, TARE_IO, "cannot write '%s': an earlier write failed", store->path);
    return TARE_OK;
}

static enum tare_status execute(struct store *store, const char *sql, const struct value *values,
                                size_t count, int64_t *id, struct tare_err *err)
{
    sqlite3_stmt *statement = NULL;
    enum tare_status status = may_write(store, err);
    int code;

    if (status != TARE_OK)
        return status;
    code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    for (size_t i = 0; i < count && code == SQLITE_OK; i++)
        code = bind(statement, (int)i + 1, &values[i]);
    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
        code = code == SQLITE_DONE ? SQLITE_OK : code;
    }
    if (code != SQLITE_OK)
        status = store_fail(store, code, "write", err);
    else if (id)
        *id = sqlite3_last_insert_rowid(store->db);
    (void)sqlite3_finalize(statement);
    return status;
}

/* As execute(), for an UPDATE that must meet exactly one row. */
static enum tare_status update(struct store *store, const char *sql, const struct value *values,
                               size_t count, const char *what, struct tare_err *err)
{
    enum tare_status status = execute(store, sql, values, count, NULL, err);

    if (status == TARE_OK && sqlite3_changes(store->db) != 1)
        return tare_fail(err, TARE_INVALID, "cannot write '%s': no such %s", store->path, what);
    return status;
}

enum tare_status store_begin(struct store *store, struct tare_err *err)
{
    enum tare_status status = may_write(store, err);

    if (status == TARE_OK)
        status = store_run_sql(store, "BEGIN IMMEDIATE", "write", err);
    if (status == TARE_OK)
        store->in_transaction = true;
    return status;
}

enum tare_status store_commit(struct store *store, struct tare_err *err)
{
    enum tare_status status = may_write(store, err);

    if (status == TARE_OK)
        status = store_run_sql(store, "COMMIT", "write", err);
    if (status != TARE_OK)
        store_rollback(store);
    store->in_transaction = false;
    return status;
}

void store_rollback(struct store *store)
{
    if (!sqlite3_get_autocommit(store->db))
        (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    store->in_transaction = false;
}

enum tare_status store_add_run(struct store *store, const struct store_run *run, int64_t *id,
                               struct tare_err *err)
{
    const struct value values[] = {
        text(run->uuid),
        integer(run->started_wall_ns),
        integer(run->ended_wall_ns),
        text(run->version),
        text(run->command),
        text(run->study),
        integer(run->seed),
        text(store_run_states[run->state]),
    };

    return execute(store,
                   "INSERT INTO run (uuid, started_wall_ns, ended_wall_ns, version, command, study,"
                   " seed, state) VALUES (?,?,?,?,?,?,?,?)",
                   values, COUNT(values), id, err);
}

enum tare_status store_end_run(struct store *store, int64_t run_id, enum store_run_state state,
                               int64_t ended_wall_ns, struct tare_err *err)
{
    const struct value values[] = {text(store_run_states[state]), integer(ended_wall_ns),
                                   integer(run_id)};

    return update(store, "UPDATE run SET state = ?, ended_wall_ns = ? WHERE id = ?", values,
                  COUNT(values), "run", err);
}

enum tare_status store_put_fact(struct store *store, int64_t run_id, const char *key,
                                const char *value, struct tare_err *err)
{
    const struct value values[] = {integer(run_id), text(key), text(value)};

    return execute(store,
                   "INSERT INTO fact (run, key, value) VALUES (?,?,?)"
                   " ON CONFLICT (run, key) DO UPDATE SET value = excluded.value",
                   values, COUNT(values), NULL, err);
}

enum tare_status store_add_file(struct store *store, int64_t run_id, const struct store_file *file,
                                struct tare_err *err)
{
    const struct value values[] = {integer(run_id), text(file->role), text(file->path),
                                   text(file->sha256), integer(file->bytes)};

    return execute(store, "INSERT INTO file (run, role, path, sha256, bytes) VALUES (?,?,?,?,?)",
                   values, COUNT(values), NULL, err);
}

enum tare_status store_add_note(struct store *store, int64_t run_id, const struct store_note *note,
                                struct tare_err *err)
{
    const struct value values[] = {integer(run_id), text(store_note_kinds[note->kind]),
                                   text(note->subject), text(note->text)};

    return execute(store, "INSERT INTO note (run, kind, subject, text) VALUES (?,?,?,?)", values,
                   COUNT(values), NULL, err);
}

static enum tare_status pack_text(const char *bytes, size_t size, struct buf *packed,
                                  struct tare_err *err)
{
    if (size > STORE_MAX_DOCUMENT)
        return tare_fail(err, TARE_LIMIT, "document of %zu bytes is over %zu", size,
                         STORE_MAX_DOCUMENT);
    buf_init(packed, STORE_MAX_DOCUMENT + STORE_MAX_DOCUMENT / 64);
    return codec_pack(bytes, size, packed, err);
}

enum tare_status store_put_document(struct store *store, int64_t run_id, const char *name,
                                    const char *document, size_t size, struct tare_err *err)
{
    struct buf packed = BUF_INIT;
    enum tare_status status = pack_text(document, size, &packed, err);

    if (status == TARE_OK) {
        const struct value values[] = {integer(run_id), text(name), integer((int64_t)size),
                                       blob(&packed)};

        status = execute(store,
                         "INSERT OR REPLACE INTO document (run, name, bytes, data)"
                         " VALUES (?,?,?,?)",
                         values, COUNT(values), NULL, err);
    }
    buf_release(&packed);
    return status;
}

enum tare_status store_add_cell(struct store *store, int64_t run_id, const struct store_cell *cell,
                                int64_t *id, struct tare_err *err)
{
    const struct value values[] = {
        integer(run_id),
        text(cell->key),
        text(cell->name),
        text(cell->model),
        text(cell->family),
        text(cell->precision),
        text(cell->runtime),
        text(cell->provider),
        text(cell->device),
        integer(cell->batch),
        integer(cell->threads),
        text(cell->layer),
        text(store_heads[cell->head]),
        text(cell->options),
        text(cell->command),
        text(store_cell_states[cell->state]),
        text(cell->reason),
        text(cell->executed_precision),
        text(cell->runtime_version),
    };

    return execute(store,
                   "INSERT INTO cell (run, key, name, model, family, precision, runtime, provider,"
                   " device, batch, threads, layer, head, options, command, state, reason,"
                   " executed_precision, runtime_version)"
                   " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                   values, COUNT(values), id, err);
}

enum tare_status store_set_cell_state(struct store *store, int64_t cell_id,
                                      const struct store_cell *cell, struct tare_err *err)
{
    const struct value values[] = {
        text(store_cell_states[cell->state]),
        text(cell->reason),
        text(cell->executed_precision),
        text(cell->runtime_version),
        text(cell->provider),
        text(cell->family),
        integer(cell_id),
    };

    return update(store,
                  "UPDATE cell SET state = ?, reason = ?, executed_precision = ?,"
                  " runtime_version = ?, provider = ?, family = ? WHERE id = ?",
                  values, COUNT(values), "cell", err);
}

enum tare_status store_add_line(struct store *store, int64_t run_id, const struct store_line *line,
                                int64_t *id, struct tare_err *err)
{
    const struct value values[] = {
        integer(run_id),  integer(line->ordinal), text(store_line_kinds[line->kind]),
        text(line->name), integer(line->cell_id), integer(line->baseline_id),
    };

    return execute(store,
                   "INSERT INTO line (run, ordinal, kind, name, cell, baseline)"
                   " VALUES (?,?,?,?,?,?)",
                   values, COUNT(values), id, err);
}

enum tare_status store_add_restart(struct store *store, const struct store_restart *restart,
                                   int64_t *id, struct tare_err *err)
{
    const struct value values[] = {
        integer(restart->cell_id),       integer(restart->ordinal),
        integer(restart->pid),           integer(restart->load_ns),
        integer(restart->first_run_ns),  integer(restart->warmup_runs),
        integer(restart->warmup_steady), integer(restart->peak_rss_bytes),
    };

    return execute(store,
                   "INSERT INTO restart (cell, ordinal, pid, load_ns, first_run_ns, warmup_runs,"
                   " warmup_steady, peak_rss_bytes) VALUES (?,?,?,?,?,?,?,?)",
                   values, COUNT(values), id, err);
}

enum tare_status store_set_peak_rss(struct store *store, int64_t restart_id, int64_t bytes,
                                    struct tare_err *err)
{
    const struct value values[] = {integer(bytes), integer(restart_id)};

    return update(store, "UPDATE restart SET peak_rss_bytes = ? WHERE id = ?", values,
                  COUNT(values), "restart", err);
}

static enum tare_status add_series(struct store *store, int64_t visit_id,
                                   const struct store_series *series, struct tare_err *err)
{
    struct buf samples = BUF_INIT, packed = BUF_INIT;
    enum tare_status status;

    if (series->count > STORE_MAX_SAMPLES)
        return tare_fail(err, TARE_LIMIT, "series '%s' has %zu samples, at most %zu can be kept",
                         series->name, series->count, STORE_MAX_SAMPLES);
    status = codec_put_samples(series->samples, series->count, &samples, err);
    if (status == TARE_OK)
        status = codec_pack(buf_text(&samples), samples.size, &packed, err);
    if (status == TARE_OK) {
        const struct value values[] = {integer(visit_id), text(series->name),
                                       integer((int64_t)series->count),
                                       integer((int64_t)samples.size), blob(&packed)};

        status = execute(store,
                         "INSERT INTO series (visit, name, count, bytes, data) VALUES (?,?,?,?,?)",
                         values, COUNT(values), NULL, err);
    }
    buf_release(&samples);
    buf_release(&packed);
    return status;
}

static enum tare_status add_visit_row(struct store *store, const struct store_visit *visit,
                                      int64_t *id, struct tare_err *err)
{
    const struct value values[] = {
        integer(visit->cell_id),
        integer(visit->restart_id),
        integer(visit->sweep),
        integer(visit->position),
        reference(visit->predecessor_id),
        text(store_visit_modes[visit->mode]),
        integer(visit->started_ns),
        integer(visit->wall_ns),
        integer(visit->cpu_ns),
        integer(visit->major_faults),
        integer(visit->steal_ns),
        real(visit->mean_clock_hz),
        integer(visit->valid),
        text(visit->why_invalid),
    };

    return execute(store,
                   "INSERT INTO visit (cell, restart, sweep, position, predecessor, mode,"
                   " started_ns, wall_ns, cpu_ns, major_faults, steal_ns, mean_clock_hz, valid,"
                   " why_invalid) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                   values, COUNT(values), id, err);
}

enum tare_status store_add_visit(struct store *store, const struct store_visit *visit,
                                 const struct store_series *series, size_t series_count,
                                 int64_t *id, struct tare_err *err)
{
    enum tare_status status = may_write(store, err);
    int64_t visit_id = 0;

    if (status == TARE_OK)
        status = store_run_sql(store, "SAVEPOINT visit", "write", err);
    if (status != TARE_OK)
        return status;
    status = add_visit_row(store, visit, &visit_id, err);
    for (size_t i = 0; i < series_count && status == TARE_OK; i++)
        status = add_series(store, visit_id, &series[i], err);
    for (size_t i = 0; i < visit->more_count && status == TARE_OK; i++)
        status = add_series(store, visit_id, &visit->more[i], err);
    if (status == TARE_OK)
        status = store_run_sql(store, "RELEASE visit", "write", err);
    if (status != TARE_OK && !sqlite3_get_autocommit(store->db))
        (void)sqlite3_exec(store->db, "ROLLBACK TO visit; RELEASE visit", NULL, NULL, NULL);
    if (status == TARE_OK && id)
        *id = visit_id;
    return status;
}

enum tare_status store_put_figure(struct store *store, int64_t cell_id, const char *name,
                                  double number, struct tare_err *err)
{
    const struct value values[] = {integer(cell_id), text(name), real(number)};

    return execute(store,
                   "INSERT INTO figure (cell, name, value) VALUES (?,?,?)"
                   " ON CONFLICT (cell, name) DO UPDATE SET value = excluded.value",
                   values, COUNT(values), NULL, err);
}

enum tare_status store_put_accuracy(struct store *store, const struct store_accuracy *accuracy,
                                    const char *detections, size_t detection_bytes,
                                    struct tare_err *err)
{
    struct buf packed = BUF_INIT;
    enum tare_status status = pack_text(detections, detection_bytes, &packed, err);

    if (status == TARE_OK) {
        struct value values[2 + STORE_COCO_FIGURES + 3] = {integer(accuracy->cell_id),
                                                           integer(accuracy->pictures)};

        for (int i = 0; i < STORE_COCO_FIGURES; i++)
            values[2 + i] = real(accuracy->coco[i]);
        values[2 + STORE_COCO_FIGURES] = text(accuracy->by_class);
        values[3 + STORE_COCO_FIGURES] = integer((int64_t)detection_bytes);
        values[4 + STORE_COCO_FIGURES] = blob(&packed);
        status = execute(store,
                         "INSERT OR REPLACE INTO accuracy (cell, pictures, ap, ap50, ap75,"
                         " ap_small, ap_medium, ap_large, ar1, ar10, ar100, ar_small, ar_medium,"
                         " ar_large, by_class, bytes, detections)"
                         " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                         values, COUNT(values), NULL, err);
    }
    buf_release(&packed);
    return status;
}
