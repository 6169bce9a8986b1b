#include "store/store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/store_internal.h"

#define APPLICATION_ID 0x74617265 /* "tare" */
#define BUSY_WAIT_MS   5000
#define CHUNK_BYTES    ((size_t)64 << 10)
#define MAX_TEXTS      ((size_t)256 << 20) /* bytes of all texts read in a store's life */

struct text_chunk {
    struct text_chunk *next;
    size_t used, capacity;
    char bytes[];
};

const char *const store_run_states[3] = {"running", "complete", "interrupted"};
const char *const store_note_kinds[3] = {"not_measured", "warning", "trust"};
const char *const store_cell_states[3] = {"ok", "failed", "skipped"};
const char *const store_heads[3] = {"none", "raw", "full"};
const char *const store_line_kinds[2] = {"tax", "gain"};
const char *const store_visit_modes[STORE_VISIT_MODES] = {
    "back_to_back", "paced", "soak", "throughput", "confirm", "energy", "idle"};

static const char schema[] =
    "CREATE TABLE run (id INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE,"
    " started_wall_ns INTEGER NOT NULL, ended_wall_ns INTEGER NOT NULL, version TEXT NOT NULL,"
    " command TEXT NOT NULL, study TEXT NOT NULL, seed INTEGER NOT NULL, state TEXT NOT NULL"
    ") STRICT;"
    "CREATE TABLE fact (run INTEGER NOT NULL REFERENCES run, key TEXT NOT NULL,"
    " value TEXT NOT NULL, PRIMARY KEY (run, key)) STRICT;"
    "CREATE TABLE file (id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES run,"
    " role TEXT NOT NULL, path TEXT NOT NULL, sha256 TEXT NOT NULL, bytes INTEGER NOT NULL"
    ") STRICT;"
    "CREATE TABLE document (run INTEGER NOT NULL REFERENCES run, name TEXT NOT NULL,"
    " bytes INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (run, name)) STRICT;"
    "CREATE TABLE note (id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES run,"
    " kind TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL) STRICT;"
    "CREATE TABLE cell (id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES run,"
    " key TEXT NOT NULL, name TEXT NOT NULL, model TEXT NOT NULL, family TEXT NOT NULL, precision "
    "TEXT NOT NULL,"
    " runtime TEXT NOT NULL, provider TEXT NOT NULL, device TEXT NOT NULL,"
    " batch INTEGER NOT NULL, threads INTEGER NOT NULL, layer TEXT NOT NULL, head TEXT NOT NULL,"
    " options TEXT NOT NULL, command TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,"
    " executed_precision TEXT NOT NULL, runtime_version TEXT NOT NULL, UNIQUE (run, key)"
    ") STRICT;"
    "CREATE TABLE line (id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES run,"
    " ordinal INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,"
    " cell INTEGER NOT NULL REFERENCES cell, baseline INTEGER NOT NULL REFERENCES cell,"
    " UNIQUE (run, ordinal), CHECK (cell <> baseline)) STRICT;"
    "CREATE TABLE restart (id INTEGER PRIMARY KEY, cell INTEGER NOT NULL REFERENCES cell,"
    " ordinal INTEGER NOT NULL, pid INTEGER NOT NULL, load_ns INTEGER NOT NULL,"
    " first_run_ns INTEGER NOT NULL, warmup_runs INTEGER NOT NULL,"
    " warmup_steady INTEGER NOT NULL, peak_rss_bytes INTEGER NOT NULL, UNIQUE (cell, ordinal)"
    ") STRICT;"
    "CREATE TABLE visit (id INTEGER PRIMARY KEY, cell INTEGER NOT NULL REFERENCES cell,"
    " restart INTEGER NOT NULL REFERENCES restart, sweep INTEGER NOT NULL,"
    " position INTEGER NOT NULL, predecessor INTEGER REFERENCES cell, mode TEXT NOT NULL,"
    " started_ns INTEGER NOT NULL, wall_ns INTEGER NOT NULL, cpu_ns INTEGER NOT NULL,"
    " major_faults INTEGER NOT NULL, steal_ns INTEGER NOT NULL, mean_clock_hz REAL NOT NULL,"
    " valid INTEGER NOT NULL, why_invalid TEXT NOT NULL) STRICT;"
    "CREATE INDEX visit_cell ON visit (cell);"
    "CREATE TABLE series (visit INTEGER NOT NULL REFERENCES visit, name TEXT NOT NULL,"
    " count INTEGER NOT NULL, bytes INTEGER NOT NULL, data BLOB NOT NULL,"
    " PRIMARY KEY (visit, name)) STRICT;"
    "CREATE TABLE figure (cell INTEGER NOT NULL REFERENCES cell, name TEXT NOT NULL,"
    " value REAL NOT NULL, PRIMARY KEY (cell, name)) STRICT;"
    "CREATE TABLE accuracy (cell INTEGER PRIMARY KEY REFERENCES cell, pictures INTEGER NOT NULL,"
    " ap REAL NOT NULL, ap50 REAL NOT NULL, ap75 REAL NOT NULL, ap_small REAL NOT NULL,"
    " ap_medium REAL NOT NULL, ap_large REAL NOT NULL, ar1 REAL NOT NULL, ar10 REAL NOT NULL,"
    " ar100 REAL NOT NULL, ar_small REAL NOT NULL, ar_medium REAL NOT NULL,"
    " ar_large REAL NOT NULL, by_class TEXT NOT NULL, bytes INTEGER NOT NULL,"
    " detections BLOB NOT NULL) STRICT;";

enum tare_status store_fail(struct store *store, int code, const char *doing, struct tare_err *err)
{
    const char *reason = store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(code);

    switch (code & 0xFF) {
    case SQLITE_NOMEM:
        return tare_fail(err, TARE_NOMEM, "cannot %s '%s': out of memory", doing, store->path);
    case SQLITE_NOTADB:
        return tare_fail(err, TARE_BADDATA, "'%s' is not a result file", store->path);
    case SQLITE_CORRUPT:
    case SQLITE_FORMAT:
    case SQLITE_ERROR: /* in SQL that is fixed here: a table or column is missing */
        return tare_fail(err, TARE_BADDATA, "result file '%s' is damaged: %s", store->path, reason);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return tare_fail(err, TARE_IO, "cannot %s '%s': another process holds it", doing,
                         store->path);
    case SQLITE_FULL:
        return tare_fail(err, TARE_IO, "cannot %s '%s': the disk is full", doing, store->path);
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        return tare_fail(err, TARE_INVALID, "cannot %s '%s': %s", doing, store->path, reason);
    case SQLITE_TOOBIG:
        return tare_fail(err, TARE_LIMIT, "cannot %s '%s': a value is too large", doing,
                         store->path);
    default:
        return tare_fail(err, TARE_IO, "cannot %s '%s': %s", doing, store->path, reason);
    }
}

enum tare_status store_run_sql(struct store *store, const char *sql, const char *doing,
                               struct tare_err *err)
{
    int code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? TARE_OK : store_fail(store, code, doing, err);
}

enum tare_status store_keep_text(struct store *store, const char *text, size_t size,
                                 const char **kept, struct tare_err *err)
{
    struct text_chunk *chunk = store->texts;
    char *place;

    *kept = "";
    if (size == 0)
        return TARE_OK;
    if (size > STORE_MAX_TEXT || store->text_bytes > MAX_TEXTS - size)
        return tare_fail(err, TARE_LIMIT, "'%s' holds more text than %zu MiB", store->path,
                         MAX_TEXTS >> 20);
    if (!chunk || chunk->capacity - chunk->used < size + 1) {
        size_t capacity = size + 1 > CHUNK_BYTES ? size + 1 : CHUNK_BYTES;

        chunk = malloc(sizeof(*chunk) + capacity);
        if (!chunk)
            return tare_fail(err, TARE_NOMEM, "out of memory while reading '%s'", store->path);
        *chunk = (struct text_chunk){.next = store->texts, .capacity = capacity};
        store->texts = chunk;
    }
    place = chunk->bytes + chunk->used;
    memcpy(place, text, size);
    place[size] = '\0';
    chunk->used += size + 1;
    store->text_bytes += size;
    *kept = place;
    return TARE_OK;
}

int store_find_name(const char *const *names, int count, const char *text)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    return -1;
}

static enum tare_status get_pragma(struct store *store, const char *sql, int64_t *value,
                                   struct tare_err *err)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

    *value = 0;
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        *value = sqlite3_column_int64(statement, 0);
        code = SQLITE_OK;
    }
    (void)sqlite3_finalize(statement);
    if (code != SQLITE_OK && code != SQLITE_DONE)
        return store_fail(store, code, "read", err);
    return TARE_OK;
}

/* Hostile schemas may hold views, triggers and functions in defaults: none of them may run. */
static void distrust(sqlite3 *db)
{
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    (void)sqlite3_busy_timeout(db, BUSY_WAIT_MS);
}

static enum tare_status connect(struct store *store, int flags, struct tare_err *err)
{
    int code;

    (void)sqlite3_close(store->db);
    store->db = NULL;
    code = sqlite3_open_v2(store->path, &store->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK)
        return store_fail(store, code, "open", err);
    distrust(store->db);
    return TARE_OK;
}

/* 0 if the file is empty, else its application id; makes SQLite read the file's first page. */
static enum tare_status identify(struct store *store, bool *empty, struct tare_err *err)
{
    int64_t application = 0, version = 0, tables = 0;
    enum tare_status status;

    *empty = false;
    status = get_pragma(store, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (status == TARE_OK)
        status = get_pragma(store, "PRAGMA application_id", &application, err);
    if (status == TARE_OK)
        status = get_pragma(store, "PRAGMA user_version", &version, err);
    if (status != TARE_OK)
        return status;
    if (application == 0 && tables == 0) {
        *empty = true;
        return TARE_OK;
    }
    if (application != APPLICATION_ID)
        return tare_fail(err, TARE_BADDATA, "'%s' is another program's database", store->path);
    if (version != STORE_SCHEMA)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "result file '%s' has schema %lld, this tare reads %d", store->path,
                         (long long)version, STORE_SCHEMA);
    return TARE_OK;
}

static enum tare_status create_schema(struct store *store, struct tare_err *err)
{
    char *sql = sqlite3_mprintf("BEGIN IMMEDIATE; PRAGMA application_id = %d;"
                                "PRAGMA user_version = %d; %s COMMIT;",
                                APPLICATION_ID, STORE_SCHEMA, schema);
    enum tare_status status;

    if (!sql)
        return tare_fail(err, TARE_NOMEM, "out of memory while making '%s'", store->path);
    status = store_run_sql(store, sql, "make", err);
    if (status != TARE_OK)
        (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_free(sql);
    return status;
}

/*
 * A writer that was killed in mid-transaction leaves a journal beside the file, which a read-only
 * connection may not roll back: a writable one does it once.
 */
static enum tare_status identify_for_reading(struct store *store, bool *empty, struct tare_err *err)
{
    struct tare_err first = TARE_ERR_INIT;
    enum tare_status status = identify(store, empty, &first);

    if (status != TARE_OK && sqlite3_extended_errcode(store->db) == SQLITE_READONLY_ROLLBACK) {
        status = connect(store, SQLITE_OPEN_READWRITE, err);
        if (status == TARE_OK)
            status = identify(store, empty, err);
        if (status == TARE_OK)
            status = connect(store, SQLITE_OPEN_READONLY, err);
        return status;
    }
    if (status != TARE_OK)
        return tare_fail(err, first.status, "%s", first.text);
    return TARE_OK;
}

static enum tare_status open_to_read(struct store *store, struct tare_err *err)
{
    bool empty = false;
    enum tare_status status = connect(store, SQLITE_OPEN_READONLY, err);

    if (status == TARE_OK)
        status = identify_for_reading(store, &empty, err);
    if (status == TARE_OK && empty)
        return tare_fail(err, TARE_BADDATA, "'%s' is empty", store->path);
    return status;
}

static enum tare_status open_to_write(struct store *store, bool create, struct tare_err *err)
{
    bool empty = false;
    int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);
    enum tare_status status = connect(store, flags, err);

    if (status == TARE_OK)
        status = identify(store, &empty, err);
    if (status != TARE_OK)
        return status;
    if (sqlite3_db_readonly(store->db, "main") == 1)
        return tare_fail(err, TARE_IO, "cannot write '%s': it is read-only", store->path);
    if (empty && !create)
        return tare_fail(err, TARE_BADDATA, "'%s' is empty", store->path);
    status =
        store_run_sql(store, "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;", "write", err);
    if (status == TARE_OK && empty)
        status = create_schema(store, err);
    store->writable = true;
    return status;
}

enum tare_status store_open(const char *path, enum store_mode mode, struct store **store,
                            struct tare_err *err)
{
    enum tare_status status;
    struct stat info;
    struct store *s;

    *store = NULL;
    if (stat(path, &info) != 0) {
        if (mode != STORE_CREATE)
            return tare_fail(err, TARE_ABSENT, "no result file '%s'", path);
    } else if (S_ISDIR(info.st_mode)) {
        return tare_fail(err, TARE_IO, "cannot open '%s': it is a folder", path);
    }
    s = calloc(1, sizeof(*s));
    if (s)
        s->path = strdup(path);
    if (!s || !s->path) {
        free(s);
        return tare_fail(err, TARE_NOMEM, "out of memory while opening '%s'", path);
    }
    status =
        mode == STORE_READ ? open_to_read(s, err) : open_to_write(s, mode == STORE_CREATE, err);
    if (status != TARE_OK) {
        store_close(s);
        return status;
    }
    *store = s;
    return TARE_OK;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    (void)sqlite3_close(store->db);
    while (store->texts) {
        struct text_chunk *next = store->texts->next;

        free(store->texts);
        store->texts = next;
    }
    free(store->path);
    free(store);
}

const char *store_path(const struct store *store)
{
    return store->path;
}

const char *store_run_state_name(enum store_run_state state)
{
    return store_run_states[state];
}

const char *store_note_kind_name(enum store_note_kind kind)
{
    return store_note_kinds[kind];
}

const char *store_cell_state_name(enum store_cell_state state)
{
    return store_cell_states[state];
}

const char *store_head_name(enum store_head head)
{
    return store_heads[head];
}

const char *store_line_kind_name(enum store_line_kind kind)
{
    return store_line_kinds[kind];
}

const char *store_visit_mode_name(enum store_visit_mode mode)
{
    return store_visit_modes[mode];
}
