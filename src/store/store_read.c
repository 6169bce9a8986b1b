/*
 * store_read.c - the reading half of store.h. Types and ranges of every column are checked here:
 * SQLite would turn anything into anything.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_codec.h"
#include "store/store_internal.h"

/* A result row under the cursor. The first bad column sets bad, and the row is refused. */
struct row {
    struct store *store;
    sqlite3_stmt *statement;
    const char *table;
    enum tare_status status;
    struct tare_err *err;
};

static void refuse(struct row *row, int column, const char *fault)
{
    row->status =
        tare_fail(row->err, TARE_BADDATA, "result file '%s' is damaged: %s.%s %s", row->store->path,
                  row->table, sqlite3_column_name(row->statement, column), fault);
}

static int64_t get_int(struct row *row, int column, int64_t min)
{
    int64_t number = 0;

    if (sqlite3_column_type(row->statement, column) != SQLITE_INTEGER)
        refuse(row, column, "is not an integer");
    else if ((number = sqlite3_column_int64(row->statement, column)) < min)
        refuse(row, column, "is out of range");
    return number;
}

/* A reference that may be absent: 0 then. */
static int64_t get_reference(struct row *row, int column)
{
    if (sqlite3_column_type(row->statement, column) == SQLITE_NULL)
        return 0;
    return get_int(row, column, 1);
}

static double get_real(struct row *row, int column)
{
    int type = sqlite3_column_type(row->statement, column);
    double number = sqlite3_column_double(row->statement, column);

    if ((type != SQLITE_FLOAT && type != SQLITE_INTEGER) || !isfinite(number))
        refuse(row, column, "is not a finite number");
    return number;
}

static const char *get_text(struct row *row, int column)
{
    const char *chars, *kept = "";
    size_t size;

    if (sqlite3_column_type(row->statement, column) != SQLITE_TEXT) {
        refuse(row, column, "is not text");
        return "";
    }
    chars = (const char *)sqlite3_column_text(row->statement, column);
    size = (size_t)sqlite3_column_bytes(row->statement, column);
    if (!chars) {
        row->status =
            tare_fail(row->err, TARE_NOMEM, "out of memory while reading '%s'", row->store->path);
        return "";
    }
    if (memchr(chars, '\0', size)) {
        refuse(row, column, "holds a NUL");
        return "";
    }
    if (store_keep_text(row->store, chars, size, &kept, row->err) != TARE_OK)
        row->status = row->err ? row->err->status : TARE_LIMIT;
    return kept;
}

static int get_name(struct row *row, int column, const char *const *names, int count)
{
    int found = store_find_name(names, count, get_text(row, column));

    if (found < 0 && row->status == TARE_OK)
        refuse(row, column, "is none of the known words");
    return found < 0 ? 0 : found;
}

typedef void row_reader(struct row *row, void *item);

struct query {
    const char *table;
    const char *sql;  /* one parameter, ?1 */
    int64_t key;      /* its value */
    const char *name; /* value of ?2, NULL if there is none */
};

static enum tare_status open_query(struct store *store, const struct query *query, struct row *row,
                                   struct tare_err *err)
{
    int code;

    *row = (struct row){.store = store, .table = query->table, .err = err};
    code = sqlite3_prepare_v2(store->db, query->sql, -1, &row->statement, NULL);
    if (code == SQLITE_OK && sqlite3_bind_parameter_count(row->statement) >= 1)
        code = sqlite3_bind_int64(row->statement, 1, query->key);
    if (code == SQLITE_OK && query->name)
        code = sqlite3_bind_text(row->statement, 2, query->name, -1, SQLITE_STATIC);
    return code == SQLITE_OK ? TARE_OK : store_fail(store, code, "read", err);
}

/* Steps; *found says whether there is a row. */
static enum tare_status next_row(struct row *row, bool *found)
{
    int code = sqlite3_step(row->statement);

    *found = code == SQLITE_ROW;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return store_fail(row->store, code, "read", row->err);
    return TARE_OK;
}

static enum tare_status grow(void **items, size_t *capacity, size_t item_bytes,
                             const struct row *row)
{
    size_t wanted = *capacity ? *capacity * 2 : 16;
    void *grown;

    if (*capacity >= STORE_MAX_ROWS)
        return tare_fail(row->err, TARE_LIMIT, "'%s' holds more than %zu rows of %s",
                         row->store->path, STORE_MAX_ROWS, row->table);
    grown = realloc(*items, wanted * item_bytes);
    if (!grown)
        return tare_fail(row->err, TARE_NOMEM, "out of memory while reading '%s'",
                         row->store->path);
    *items = grown;
    *capacity = wanted;
    return TARE_OK;
}

static enum tare_status read_list(struct store *store, const struct query *query, size_t item_bytes,
                                  row_reader *reader, void *list, size_t *count,
                                  struct tare_err *err)
{
    size_t capacity = 0, n = 0;
    void *items = NULL;
    bool found = true;
    struct row row;
    enum tare_status status = open_query(store, query, &row, err);

    while (status == TARE_OK) {
        status = next_row(&row, &found);
        if (status != TARE_OK || !found)
            break;
        if (n == capacity)
            status = grow(&items, &capacity, item_bytes, &row);
        if (status == TARE_OK) {
            memset((char *)items + n * item_bytes, 0, item_bytes);
            reader(&row, (char *)items + n * item_bytes);
            status = row.status;
            n++;
        }
    }
    (void)sqlite3_finalize(row.statement);
    if (status != TARE_OK) {
        free(items);
        items = NULL;
        n = 0;
    }
    memcpy(list, &items, sizeof(items));
    *count = n;
    return status;
}

static void read_run(struct row *row, void *item)
{
    struct store_run *run = item;

    run->id = get_int(row, 0, 1);
    run->uuid = get_text(row, 1);
    run->started_wall_ns = get_int(row, 2, 0);
    run->ended_wall_ns = get_int(row, 3, 0);
    run->version = get_text(row, 4);
    run->command = get_text(row, 5);
    run->study = get_text(row, 6);
    run->seed = get_int(row, 7, INT64_MIN);
    run->state = (enum store_run_state)get_name(row, 8, store_run_states, 3);
}

enum tare_status store_runs(struct store *store, struct store_run **items, size_t *count,
                            struct tare_err *err)
{
    const struct query query = {
        "run",
        "SELECT id, uuid, started_wall_ns, ended_wall_ns, version, command, study, seed, state"
        " FROM run ORDER BY id",
        0, NULL};

    return read_list(store, &query, sizeof(**items), read_run, items, count, err);
}

static void read_fact(struct row *row, void *item)
{
    struct store_fact *fact = item;

    fact->key = get_text(row, 0);
    fact->value = get_text(row, 1);
}

enum tare_status store_facts(struct store *store, int64_t run_id, struct store_fact **items,
                             size_t *count, struct tare_err *err)
{
    const struct query query = {"fact", "SELECT key, value FROM fact WHERE run = ?1 ORDER BY key",
                                run_id, NULL};

    return read_list(store, &query, sizeof(**items), read_fact, items, count, err);
}

static void read_file(struct row *row, void *item)
{
    struct store_file *file = item;

    file->role = get_text(row, 0);
    file->path = get_text(row, 1);
    file->sha256 = get_text(row, 2);
    file->bytes = get_int(row, 3, 0);
}

enum tare_status store_files(struct store *store, int64_t run_id, struct store_file **items,
                             size_t *count, struct tare_err *err)
{
    const struct query query = {
        "file", "SELECT role, path, sha256, bytes FROM file WHERE run = ?1 ORDER BY id", run_id,
        NULL};

    return read_list(store, &query, sizeof(**items), read_file, items, count, err);
}

static void read_note(struct row *row, void *item)
{
    struct store_note *note = item;

    note->kind = (enum store_note_kind)get_name(row, 0, store_note_kinds, 3);
    note->subject = get_text(row, 1);
    note->text = get_text(row, 2);
}

enum tare_status store_notes(struct store *store, int64_t run_id, struct store_note **items,
                             size_t *count, struct tare_err *err)
{
    const struct query query = {
        "note", "SELECT kind, subject, text FROM note WHERE run = ?1 ORDER BY id", run_id, NULL};

    return read_list(store, &query, sizeof(**items), read_note, items, count, err);
}

static void read_cell(struct row *row, void *item)
{
    struct store_cell *cell = item;

    cell->id = get_int(row, 0, 1);
    cell->key = get_text(row, 1);
    cell->name = get_text(row, 2);
    cell->model = get_text(row, 3);
    cell->family = get_text(row, 4);
    cell->precision = get_text(row, 5);
    cell->runtime = get_text(row, 6);
    cell->provider = get_text(row, 7);
    cell->device = get_text(row, 8);
    cell->batch = get_int(row, 9, 1);
    cell->threads = get_int(row, 10, 0);
    cell->layer = get_text(row, 11);
    cell->head = (enum store_head)get_name(row, 12, store_heads, 3);
    cell->options = get_text(row, 13);
    cell->command = get_text(row, 14);
    cell->state = (enum store_cell_state)get_name(row, 15, store_cell_states, 3);
    cell->reason = get_text(row, 16);
    cell->executed_precision = get_text(row, 17);
    cell->runtime_version = get_text(row, 18);
}

enum tare_status store_cells(struct store *store, int64_t run_id, struct store_cell **items,
                             size_t *count, struct tare_err *err)
{
    const struct query query = {
        "cell",
        "SELECT id, key, name, model, family, precision, runtime, provider, device, batch, threads,"
        " layer, head, options, command, state, reason, executed_precision, runtime_version"
        " FROM cell WHERE run = ?1 ORDER BY id",
        run_id, NULL};

    return read_list(store, &query, sizeof(**items), read_cell, items, count, err);
}

static void read_line(struct row *row, void *item)
{
    struct store_line *line = item;

    line->id = get_int(row, 0, 1);
    line->ordinal = get_int(row, 1, 0);
    line->kind = (enum store_line_kind)get_name(row, 2, store_line_kinds, 2);
    line->name = get_text(row, 3);
    line->cell_id = get_int(row, 4, 1);
    line->baseline_id = get_int(row, 5, 1);
}

enum tare_status store_lines(struct store *store, int64_t run_id, struct store_line **items,
                             size_t *count, struct tare_err *err)
{
    const struct query query = {
        "line",
        "SELECT id, ordinal, kind, name, cell, baseline FROM line WHERE run = ?1 ORDER BY ordinal",
        run_id, NULL};

    return read_list(store, &query, sizeof(**items), read_line, items, count, err);
}

static void read_restart(struct row *row, void *item)
{
    struct store_restart *restart = item;

    restart->id = get_int(row, 0, 1);
    restart->cell_id = get_int(row, 1, 1);
    restart->ordinal = get_int(row, 2, 0);
    restart->pid = get_int(row, 3, 0);
    restart->load_ns = get_int(row, 4, -1);
    restart->first_run_ns = get_int(row, 5, -1);
    restart->warmup_runs = get_int(row, 6, 0);
    restart->warmup_steady = get_int(row, 7, 0) != 0;
    restart->peak_rss_bytes = get_int(row, 8, -1);
}

enum tare_status store_restarts(struct store *store, int64_t cell_id, struct store_restart **items,
                                size_t *count, struct tare_err *err)
{
    const struct query query = {
        "restart",
        "SELECT id, cell, ordinal, pid, load_ns, first_run_ns, warmup_runs, warmup_steady,"
        " peak_rss_bytes FROM restart WHERE cell = ?1 ORDER BY ordinal",
        cell_id, NULL};

    return read_list(store, &query, sizeof(**items), read_restart, items, count, err);
}

static void read_visit(struct row *row, void *item)
{
    struct store_visit *visit = item;

    visit->id = get_int(row, 0, 1);
    visit->cell_id = get_int(row, 1, 1);
    visit->restart_id = get_int(row, 2, 1);
    visit->sweep = get_int(row, 3, 0);
    visit->position = get_int(row, 4, 0);
    visit->predecessor_id = get_reference(row, 5);
    visit->mode = (enum store_visit_mode)get_name(row, 6, store_visit_modes, STORE_VISIT_MODES);
    visit->started_ns = get_int(row, 7, 0);
    visit->wall_ns = get_int(row, 8, 0);
    visit->cpu_ns = get_int(row, 9, -1);
    visit->major_faults = get_int(row, 10, -1);
    visit->steal_ns = get_int(row, 11, -1);
    visit->mean_clock_hz = get_real(row, 12);
    visit->valid = get_int(row, 13, 0) != 0;
    visit->why_invalid = get_text(row, 14);
}

enum tare_status store_visits(struct store *store, int64_t cell_id, struct store_visit **items,
                              size_t *count, struct tare_err *err)
{
    const struct query query = {
        "visit",
        "SELECT id, cell, restart, sweep, position, predecessor, mode, started_ns, wall_ns, cpu_ns,"
        " major_faults, steal_ns, mean_clock_hz, valid, why_invalid"
        " FROM visit WHERE cell = ?1 ORDER BY id",
        cell_id, NULL};

    return read_list(store, &query, sizeof(**items), read_visit, items, count, err);
}

static void read_figure(struct row *row, void *item)
{
    struct store_figure *figure = item;

    figure->name = get_text(row, 0);
    figure->value = get_real(row, 1);
}

enum tare_status store_figures(struct store *store, int64_t cell_id, struct store_figure **items,
                               size_t *count, struct tare_err *err)
{
    const struct query query = {
        "figure", "SELECT name, value FROM figure WHERE cell = ?1 ORDER BY rowid", cell_id, NULL};

    return read_list(store, &query, sizeof(**items), read_figure, items, count, err);
}

static void read_series_name(struct row *row, void *item)
{
    const char *name = get_text(row, 0);

    memcpy(item, &name, sizeof(name));
}

enum tare_status store_series_names(struct store *store, int64_t visit_id, const char ***names,
                                    size_t *count, struct tare_err *err)
{
    const struct query query = {"series", "SELECT name FROM series WHERE visit = ?1 ORDER BY name",
                                visit_id, NULL};

    return read_list(store, &query, sizeof(**names), read_series_name, names, count, err);
}

/* A packed column beside the size that it claims to have. */
static enum tare_status unpack_column(struct row *row, int size_column, int data_column, size_t max,
                                      char **bytes, size_t *size)
{
    int64_t claimed = get_int(row, size_column, 0);
    const void *packed;
    size_t packed_size;

    if (row->status == TARE_OK && (uint64_t)claimed > max)
        refuse(row, size_column, "is out of range");
    if (row->status == TARE_OK && sqlite3_column_type(row->statement, data_column) != SQLITE_BLOB)
        refuse(row, data_column, "is not a blob");
    if (row->status != TARE_OK)
        return row->status;
    packed = sqlite3_column_blob(row->statement, data_column);
    packed_size = (size_t)sqlite3_column_bytes(row->statement, data_column);
    if (codec_unpack(packed, packed ? packed_size : 0, (size_t)claimed, bytes, NULL) != TARE_OK)
        refuse(row, data_column, "does not unpack");
    else
        *size = (size_t)claimed;
    return row->status;
}

/* A packed text: the query's columns are (bytes, data). */
static enum tare_status read_packed_text(struct store *store, const struct query *query,
                                         const char *what, char **text, size_t *size,
                                         struct tare_err *err)
{
    struct row row;
    bool found = false;
    enum tare_status status;

    *text = NULL;
    *size = 0;
    status = open_query(store, query, &row, err);
    if (status == TARE_OK)
        status = next_row(&row, &found);
    if (status == TARE_OK && !found)
        status = tare_fail(err, TARE_ABSENT, "'%s' holds no %s", store->path, what);
    if (status == TARE_OK)
        status = unpack_column(&row, 0, 1, STORE_MAX_DOCUMENT, text, size);
    (void)sqlite3_finalize(row.statement);
    return status;
}

enum tare_status store_document(struct store *store, int64_t run_id, const char *name, char **text,
                                size_t *size, struct tare_err *err)
{
    const struct query query = {
        "document", "SELECT bytes, data FROM document WHERE run = ?1 AND name = ?2", run_id, name};

    return read_packed_text(store, &query, name, text, size, err);
}

enum tare_status store_detections(struct store *store, int64_t cell_id, char **text, size_t *size,
                                  struct tare_err *err)
{
    const struct query query = {
        "accuracy", "SELECT bytes, detections FROM accuracy WHERE cell = ?1", cell_id, NULL};

    return read_packed_text(store, &query, "detections", text, size, err);
}

static enum tare_status unpack_samples(struct row *row, int64_t **samples, size_t *count)
{
    int64_t claimed = get_int(row, 0, 0);
    int64_t *out;
    char *bytes = NULL;
    size_t size = 0;

    if (row->status == TARE_OK && (uint64_t)claimed > STORE_MAX_SAMPLES)
        refuse(row, 0, "is out of range");
    if (row->status != TARE_OK ||
        unpack_column(row, 1, 2, STORE_MAX_SAMPLES * 10, &bytes, &size) != TARE_OK)
        return row->status;
    /* a varint is at least one byte: no claim may ask for more memory than the bytes can fill */
    out = (size_t)claimed <= size ? malloc(((size_t)claimed + 1) * sizeof(*out)) : NULL;
    if (!out) {
        refuse(row, 0, "does not fit its data");
    } else if (codec_get_samples((const uint8_t *)bytes, size, out, (size_t)claimed, NULL)) {
        refuse(row, 2, "does not unpack to its samples");
        free(out);
    } else {
        *samples = out;
        *count = (size_t)claimed;
    }
    free(bytes);
    return row->status;
}

enum tare_status store_series(struct store *store, int64_t visit_id, const char *name,
                              int64_t **samples, size_t *count, struct tare_err *err)
{
    const struct query query = {
        "series", "SELECT count, bytes, data FROM series WHERE visit = ?1 AND name = ?2", visit_id,
        name};
    struct row row;
    bool found = false;
    enum tare_status status;

    *samples = NULL;
    *count = 0;
    status = open_query(store, &query, &row, err);
    if (status == TARE_OK)
        status = next_row(&row, &found);
    if (status == TARE_OK && !found)
        status = tare_fail(err, TARE_ABSENT, "visit %lld in '%s' has no series '%s'",
                           (long long)visit_id, store->path, name);
    if (status == TARE_OK)
        status = unpack_samples(&row, samples, count);
    (void)sqlite3_finalize(row.statement);
    return status;
}

enum tare_status store_accuracy(struct store *store, int64_t cell_id,
                                struct store_accuracy *accuracy, struct tare_err *err)
{
    const struct query query = {
        "accuracy",
        "SELECT pictures, ap, ap50, ap75, ap_small, ap_medium, ap_large, ar1, ar10, ar100,"
        " ar_small, ar_medium, ar_large, by_class FROM accuracy WHERE cell = ?1",
        cell_id, NULL};
    struct row row;
    bool found = false;
    enum tare_status status;

    memset(accuracy, 0, sizeof(*accuracy));
    accuracy->by_class = "";
    status = open_query(store, &query, &row, err);
    if (status == TARE_OK)
        status = next_row(&row, &found);
    if (status == TARE_OK && !found)
        status = tare_fail(err, TARE_ABSENT, "cell %lld in '%s' has no accuracy",
                           (long long)cell_id, store->path);
    if (status == TARE_OK) {
        accuracy->cell_id = cell_id;
        accuracy->pictures = get_int(&row, 0, 0);
        for (int i = 0; i < STORE_COCO_FIGURES; i++)
            accuracy->coco[i] = get_real(&row, 1 + i);
        accuracy->by_class = get_text(&row, 1 + STORE_COCO_FIGURES);
        status = row.status;
    }
    (void)sqlite3_finalize(row.statement);
    return status;
}
