/*
 * The result file gives back what was written, survives kills and full disks, and meets damage
 * with an error. Damage is done with SQLite itself, the outside source of what a file may hold.
 */
#include "store/store.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "store/store_codec.h"

static char folder[64];

static const char *path_of(const char *name)
{
    static char path[160];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

/* Ids of what make_store() writes. */
struct made {
    int64_t run, cell, other, restart, visit;
};

static enum tare_status write_store(struct store *store, struct made *made, struct tare_err *err)
{
    static const int64_t samples[] = {1000, 900, 1100, INT64_MAX, INT64_MIN, 0, -5};
    const struct store_series series[] = {{STORE_SERIES_TOTAL, samples, 7},
                                          {STORE_SERIES_AFTER_SWITCH, samples, 0}};
    const struct store_run run = {.uuid = "u-1",
                                  .started_wall_ns = 5,
                                  .version = "0.1.0",
                                  .command = "tare bench \"a'b\"; DROP TABLE run;",
                                  .seed = INT64_MIN,
                                  .state = STORE_RUN_RUNNING};
    struct store_cell cell = {.key = "m/fp32",
                              .model = "m",
                              .batch = 1,
                              .layer = "direct",
                              .head = STORE_HEAD_RAW,
                              .state = STORE_CELL_OK};
    struct store_cell other = {
        .key = "m/int8", .batch = 2, .state = STORE_CELL_FAILED, .reason = "crashed"};
    const struct store_note note = {STORE_NOTE_NOT_MEASURED, "energy", "no sensor"};
    const struct store_file file = {"model", "a.onnx", "", 17};
    struct store_line line = {.ordinal = 0, .kind = STORE_LINE_GAIN, .name = "INT8"};
    struct store_restart restart = {.load_ns = 7, .first_run_ns = -1, .peak_rss_bytes = -1};
    struct store_visit visit = {
        .sweep = 3, .mode = STORE_VISIT_PACED, .cpu_ns = -1, .mean_clock_hz = -1, .valid = true};
    struct store_accuracy accuracy = {.pictures = 24, .coco = {0.4725, -1}, .by_class = "{}"};

    if (store_add_run(store, &run, &made->run, err) ||
        store_put_fact(store, made->run, "cpu.model", "old", err) ||
        store_put_fact(store, made->run, "cpu.model", "EPYC", err) ||
        store_add_file(store, made->run, &file, err) ||
        store_add_note(store, made->run, &note, err) ||
        store_put_document(store, made->run, "annotations", "{}", 2, err) ||
        store_add_cell(store, made->run, &cell, &made->cell, err) ||
        store_add_cell(store, made->run, &other, &made->other, err))
        return err->status;
    line.cell_id = made->other;
    line.baseline_id = made->cell;
    restart.cell_id = visit.cell_id = accuracy.cell_id = made->cell;
    if (store_add_line(store, made->run, &line, NULL, err) ||
        store_add_restart(store, &restart, &made->restart, err))
        return err->status;
    visit.restart_id = made->restart;
    visit.predecessor_id = made->other;
    if (store_add_visit(store, &visit, series, 2, &made->visit, err) ||
        store_put_figure(store, made->cell, "sqnr_db", 31.5, err))
        return err->status;
    return store_put_accuracy(store, &accuracy, "[{\"a\":1}]", 9, err);
}

static void make_store(const char *path, struct made *made)
{
    struct store *store = NULL;

    (void)unlink(path);
    CHECK_OK(store_open(path, STORE_CREATE, &store, err));
    CHECK_OK(write_store(store, made, err));
    store_close(store);
}

static void check_rows(struct store *store, const struct made *made)
{
    struct store_run *runs = NULL;
    struct store_cell *cells = NULL;
    struct store_visit *visits = NULL;
    struct store_line *lines = NULL;
    size_t count = 0;

    CHECK_OK(store_runs(store, &runs, &count, err));
    CHECK(count == 1 && runs && runs[0].seed == INT64_MIN);
    CHECK_TEXT(runs[0].command, "tare bench \"a'b\"; DROP TABLE run;");
    CHECK_OK(store_cells(store, made->run, &cells, &count, err));
    CHECK(count == 2 && cells && cells[0].head == STORE_HEAD_RAW && cells[1].batch == 2);
    CHECK(cells[1].state == STORE_CELL_FAILED);
    CHECK_TEXT(cells[1].reason, "crashed");
    CHECK_TEXT(cells[0].reason, "");
    CHECK_OK(store_lines(store, made->run, &lines, &count, err));
    CHECK(count == 1 && lines && lines[0].baseline_id == made->cell);
    CHECK(lines[0].kind == STORE_LINE_GAIN);
    CHECK_OK(store_visits(store, made->cell, &visits, &count, err));
    CHECK(count == 1 && visits && visits[0].mode == STORE_VISIT_PACED && visits[0].valid);
    CHECK(visits[0].predecessor_id == made->other && visits[0].mean_clock_hz == -1);
    free(visits);
    CHECK_OK(store_visits(store, made->other, &visits, &count, err));
    CHECK(count == 0);
    free(runs);
    free(cells);
    free(lines);
    free(visits);
}

static void check_contents(struct store *store, const struct made *made)
{
    struct store_accuracy accuracy;
    struct store_fact *facts = NULL;
    int64_t *samples = NULL;
    const char **names = NULL;
    char *text = NULL;
    size_t count = 0, size = 0;
    struct tare_err absent = TARE_ERR_INIT;

    CHECK_OK(store_facts(store, made->run, &facts, &count, err));
    CHECK(count == 1 && facts);
    CHECK_TEXT(facts[0].value, "EPYC");
    CHECK_OK(store_series(store, made->visit, STORE_SERIES_TOTAL, &samples, &count, err));
    CHECK(count == 7 && samples && samples[3] == INT64_MAX && samples[4] == INT64_MIN);
    CHECK(samples && samples[0] == 1000 && samples[2] == 1100 && samples[6] == -5);
    free(samples);
    CHECK_OK(store_series(store, made->visit, STORE_SERIES_AFTER_SWITCH, &samples, &count, err));
    CHECK(count == 0);
    free(samples);
    CHECK(store_series(store, made->visit, "inside", &samples, &count, &absent) == TARE_ABSENT);
    CHECK_OK(store_series_names(store, made->visit, &names, &count, err));
    CHECK(count == 2 && names && strcmp(names[0], "after_switch") == 0);
    CHECK_OK(store_accuracy(store, made->cell, &accuracy, err));
    CHECK(accuracy.pictures == 24 && accuracy.coco[0] == 0.4725 && accuracy.coco[1] == -1);
    CHECK_OK(store_detections(store, made->cell, &text, &size, err));
    CHECK(size == 9 && text);
    CHECK_TEXT(text, "[{\"a\":1}]");
    free(text);
    CHECK_OK(store_document(store, made->run, "annotations", &text, &size, err));
    CHECK_TEXT(text, "{}");
    free(text);
    free(facts);
    free(names);
}

static void gives_back_what_was_written(void)
{
    struct store *store = NULL;
    struct made made;

    make_store(path_of("round.db"), &made);
    CHECK_OK(store_open(path_of("round.db"), STORE_READ, &store, err));
    if (!store)
        return;
    check_rows(store, &made);
    check_contents(store, &made);
    store_close(store);
}

static void refuses_writing_through_a_reader(void)
{
    struct store *store = NULL;
    struct tare_err failure = TARE_ERR_INIT;
    struct made made;

    make_store(path_of("reader.db"), &made);
    CHECK_OK(store_open(path_of("reader.db"), STORE_READ, &store, err));
    CHECK(store_put_fact(store, made.run, "a", "b", &failure) == TARE_INVALID);
    store_close(store);
}

static void refuses_what_may_not_stand_there(void)
{
    struct store_cell cell = {.key = "m/fp32", .batch = 1};
    struct store_visit visit = {.mean_clock_hz = -1};
    struct store *store = NULL;
    struct tare_err failure = TARE_ERR_INIT;
    struct made made;

    make_store(path_of("refuse.db"), &made);
    CHECK_OK(store_open(path_of("refuse.db"), STORE_WRITE, &store, err));
    CHECK(store_add_cell(store, made.run, &cell, NULL, &failure) == TARE_INVALID);
    tare_err_clear(&failure);
    visit.cell_id = 999;
    visit.restart_id = made.restart;
    CHECK(store_add_visit(store, &visit, NULL, 0, NULL, &failure) == TARE_INVALID);
    tare_err_clear(&failure);
    CHECK(store_end_run(store, 999, STORE_RUN_COMPLETE, 1, &failure) == TARE_INVALID);
    CHECK_OK(store_end_run(store, made.run, STORE_RUN_COMPLETE, 9, err));
    store_close(store);
}

static void rolls_a_transaction_back(void)
{
    struct store *store = NULL;
    struct store_fact *facts = NULL;
    struct made made;
    size_t count = 0;

    make_store(path_of("rollback.db"), &made);
    CHECK_OK(store_open(path_of("rollback.db"), STORE_WRITE, &store, err));
    CHECK_OK(store_begin(store, err));
    CHECK_OK(store_put_fact(store, made.run, "os", "Debian", err));
    store_rollback(store);
    CHECK_OK(store_facts(store, made.run, &facts, &count, err));
    CHECK(count == 1);
    free(facts);
    store_close(store);
}

/* Samples that do not compress. */
static void fill(int64_t *samples, size_t count)
{
    uint64_t state = 1;

    for (size_t i = 0; i < count; i++) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        samples[i] = (int64_t)(state >> 40);
    }
}

/* Writes visits for ever; the parent kills it. */
static void write_visits(const char *path, const struct made *made)
{
    static int64_t samples[20000];
    const struct store_series series[] = {{STORE_SERIES_TOTAL, samples, 20000}};
    struct store_visit visit = {
        .cell_id = made->cell, .restart_id = made->restart, .mean_clock_hz = -1, .valid = true};
    struct tare_err err = TARE_ERR_INIT;
    struct store *store = NULL;

    fill(samples, 20000);
    if (store_open(path, STORE_WRITE, &store, &err))
        _exit(1);
    while (store_add_visit(store, &visit, series, 1, NULL, &err) == TARE_OK)
        continue;
    _exit(1);
}

static void survives_a_kill(void)
{
    struct store *store = NULL;
    struct store_visit *visits = NULL;
    struct made made;
    char path[160];
    size_t count = 0;

    (void)snprintf(path, sizeof(path), "%s", path_of("kill.db"));
    make_store(path, &made);
    for (int round = 0; round < 8; round++) {
        pid_t child = fork();

        if (child == 0)
            write_visits(path, &made);
        (void)usleep(20000 + (useconds_t)round * 1700);
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
        CHECK_OK(store_open(path, STORE_READ, &store, err));
        if (!store)
            return;
        CHECK_OK(store_visits(store, made.cell, &visits, &count, err));
        for (size_t i = 1; i < count; i++) {
            int64_t *samples = NULL;
            size_t n = 0;

            CHECK_OK(store_series(store, visits[i].id, STORE_SERIES_TOTAL, &samples, &n, err));
            CHECK(n == 20000);
            free(samples);
        }
        free(visits);
        store_close(store);
    }
}

static void survives_a_full_disk(void)
{
    static int64_t samples[20000];
    const struct store_series series[] = {{STORE_SERIES_TOTAL, samples, 20000}};
    struct rlimit before, small = {400000, 400000};
    struct store *store = NULL;
    struct store_visit *visits = NULL;
    struct tare_err failure = TARE_ERR_INIT;
    struct store_visit visit = {.mean_clock_hz = -1, .valid = true};
    struct made made;
    size_t count = 0, written = 0;

    fill(samples, 20000);
    make_store(path_of("full.db"), &made);
    visit.cell_id = made.cell;
    visit.restart_id = made.restart;
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    CHECK_OK(store_open(path_of("full.db"), STORE_WRITE, &store, err));
    (void)setrlimit(RLIMIT_FSIZE, &small);
    while (written < 100 && store_add_visit(store, &visit, series, 1, NULL, &failure) == TARE_OK)
        written++;
    CHECK(written > 0 && written < 100 && failure.status == TARE_IO);
    (void)setrlimit(RLIMIT_FSIZE, &before);
    CHECK_OK(store_put_fact(store, made.run, "after", "the disk has room again", err));
    store_close(store);
    CHECK_OK(store_open(path_of("full.db"), STORE_READ, &store, err));
    CHECK_OK(store_visits(store, made.cell, &visits, &count, err));
    CHECK(count == 1 + written);
    free(visits);
    store_close(store);
}

static enum tare_status open_to_read(const char *path)
{
    struct tare_err err = TARE_ERR_INIT;
    struct store *store = NULL;
    enum tare_status status = store_open(path, STORE_READ, &store, &err);

    store_close(store);
    return status;
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;

    CHECK(sqlite3_open(path, &db) == SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        (void)fprintf(stderr, "%s: %s\n", sql, message);
        CHECK(false);
    }
    sqlite3_free(message);
    (void)sqlite3_close(db);
}

static void refuses_foreign_files(void)
{
    struct made made;
    FILE *file = fopen(path_of("text.db"), "w");

    CHECK(file && fputs("this is a letter to a friend, not a database at all\n", file) >= 0);
    CHECK(file && fclose(file) == 0);
    CHECK(open_to_read(path_of("text.db")) == TARE_BADDATA);
    CHECK(open_to_read(path_of("nothing.db")) == TARE_ABSENT);
    CHECK(open_to_read(folder) == TARE_IO);
    (void)unlink(path_of("foreign.db"));
    run_sql(path_of("foreign.db"), "CREATE TABLE run (id INTEGER)");
    CHECK(open_to_read(path_of("foreign.db")) == TARE_BADDATA);
    make_store(path_of("newer.db"), &made);
    run_sql(path_of("newer.db"), "PRAGMA user_version = 2");
    CHECK(open_to_read(path_of("newer.db")) == TARE_UNSUPPORTED);
}

/* Reads everything there is; the first error. */
static enum tare_status read_all(struct store *store, const struct made *made, struct tare_err *err)
{
    void *lists[9] = {NULL};
    struct store_accuracy accuracy;
    char *text[2] = {NULL, NULL};
    int64_t *samples = NULL;
    size_t n = 0;

    (void)(store_runs(store, (struct store_run **)&lists[0], &n, err) ||
           store_facts(store, made->run, (struct store_fact **)&lists[1], &n, err) ||
           store_files(store, made->run, (struct store_file **)&lists[2], &n, err) ||
           store_notes(store, made->run, (struct store_note **)&lists[3], &n, err) ||
           store_cells(store, made->run, (struct store_cell **)&lists[4], &n, err) ||
           store_lines(store, made->run, (struct store_line **)&lists[5], &n, err) ||
           store_restarts(store, made->cell, (struct store_restart **)&lists[6], &n, err) ||
           store_visits(store, made->cell, (struct store_visit **)&lists[7], &n, err) ||
           store_figures(store, made->cell, (struct store_figure **)&lists[8], &n, err) ||
           store_accuracy(store, made->cell, &accuracy, err) ||
           store_detections(store, made->cell, &text[0], &n, err) ||
           store_document(store, made->run, "annotations", &text[1], &n, err) ||
           store_series(store, made->visit, STORE_SERIES_TOTAL, &samples, &n, err));
    for (size_t i = 0; i < 9; i++)
        free(lists[i]);
    free(text[0]);
    free(text[1]);
    free(samples);
    return err->status;
}

static enum tare_status read_file_at(const char *path, const struct made *made)
{
    struct tare_err err = TARE_ERR_INIT;
    struct store *store = NULL;

    if (store_open(path, STORE_READ, &store, &err) == TARE_OK)
        (void)read_all(store, made, &err);
    store_close(store);
    return err.status;
}

/* STRICT tables refuse wrong types, so each is first made anew without. */
#define LOOSE(table)                                                                               \
    "CREATE TABLE x AS SELECT * FROM " #table "; DROP TABLE " #table                               \
    "; ALTER TABLE x RENAME TO " #table ";"

static void refuses_damaged_rows(void)
{
    static const char *const damage[] = {
        LOOSE(run) "UPDATE run SET seed = 'x'",
        LOOSE(run) "UPDATE run SET started_wall_ns = -1",
        "UPDATE run SET state = 'asleep'",
        LOOSE(run) "UPDATE run SET command = x'00ff'",
        LOOSE(cell) "UPDATE cell SET batch = 0",
        LOOSE(cell) "UPDATE cell SET key = NULL",
        "UPDATE cell SET key = 'a' || char(0) || 'b' WHERE id = 1",
        LOOSE(visit) "UPDATE visit SET mean_clock_hz = 'fast'",
        LOOSE(visit) "UPDATE visit SET mean_clock_hz = 9e999",
        "UPDATE series SET data = x''",
        "UPDATE series SET data = x'07'",
        "UPDATE series SET data = substr(data, 1, length(data) - 1)",
        "UPDATE series SET data = CAST(data || x'00' AS BLOB)",
        "UPDATE series SET count = count + 1",
        "UPDATE series SET count = 9223372036854775807",
        "UPDATE series SET count = -1",
        "UPDATE series SET bytes = bytes * 1000000",
        LOOSE(series) "UPDATE series SET data = 'text'",
        LOOSE(series) "UPDATE series SET data = NULL",
        "UPDATE series SET bytes = 30, count = 3, data = "
        "x'00ffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffff'",
        "UPDATE accuracy SET bytes = 1000000000",
        LOOSE(accuracy) "UPDATE accuracy SET ap = 'good'",
        "UPDATE accuracy SET detections = x'01789c'",
        "UPDATE document SET bytes = 3",
        "DROP TABLE figure",
        "DROP TABLE restart; CREATE VIEW restart AS WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL"
        " SELECT x + 1 FROM t) SELECT x AS id, x AS cell, x AS ordinal, x AS pid, x AS load_ns,"
        " x AS first_run_ns, x AS warmup_runs, x AS warmup_steady, x AS peak_rss_bytes FROM t",
    };
    struct made made;

    for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        enum tare_status status;

        make_store(path_of("damage.db"), &made);
        CHECK(read_file_at(path_of("damage.db"), &made) == TARE_OK);
        run_sql(path_of("damage.db"), damage[i]);
        status = read_file_at(path_of("damage.db"), &made);
        if (status != TARE_BADDATA)
            (void)fprintf(stderr, "status %d after: %s\n", (int)status, damage[i]);
        CHECK(status == TARE_BADDATA);
    }
}

static void survives_flipped_and_missing_bytes(void)
{
    static char bytes[1 << 20];
    struct made made;
    size_t size;
    FILE *file;

    make_store(path_of("whole.db"), &made);
    file = fopen(path_of("whole.db"), "rb");
    CHECK(file != NULL);
    if (!file)
        return;
    size = fread(bytes, 1, sizeof(bytes), file);
    (void)fclose(file);
    CHECK(size > 4096 && size < sizeof(bytes));
    for (size_t at = 0; at < size; at += 211) {
        char kept = bytes[at];

        bytes[at] = (char)(kept ^ 0x55);
        file = fopen(path_of("flip.db"), "wb");
        if (file && fwrite(bytes, 1, at % 2 ? size : at, file) > 0)
            (void)fclose(file);
        (void)read_file_at(path_of("flip.db"), &made); /* any answer, but an answer */
        bytes[at] = kept;
    }
}

static void codec_keeps_every_value(void)
{
    int64_t in[512], out[512];
    struct buf packed = BUF_INIT;
    struct tare_err failure = TARE_ERR_INIT;

    for (size_t i = 0; i < 512; i++)
        in[i] = (int64_t)((uint64_t)(i % 2 ? -1 : 1) * ((uint64_t)1 << (i % 64)) + i);
    CHECK_OK(codec_put_samples(in, 512, &packed, err));
    CHECK_OK(codec_get_samples((const uint8_t *)packed.data, packed.size, out, 512, err));
    CHECK(memcmp(in, out, sizeof(in)) == 0);
    CHECK(codec_get_samples((const uint8_t *)packed.data, packed.size - 1, out, 512, &failure) ==
          TARE_BADDATA);
    buf_release(&packed);
}

static void remove_folder(void)
{
    static const char *const names[] = {
        "round.db",        "reader.db", "refuse.db", "rollback.db", "kill.db",
        "kill.db-journal", "full.db",   "text.db",   "foreign.db",  "newer.db",
        "damage.db",       "whole.db",  "flip.db",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)unlink(path_of(names[i]));
    (void)rmdir(folder);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"gives_back_what_was_written", gives_back_what_was_written},
        {"refuses_writing_through_a_reader", refuses_writing_through_a_reader},
        {"refuses_what_may_not_stand_there", refuses_what_may_not_stand_there},
        {"rolls_a_transaction_back", rolls_a_transaction_back},
        {"survives_a_kill", survives_a_kill},
        {"survives_a_full_disk", survives_a_full_disk},
        {"refuses_foreign_files", refuses_foreign_files},
        {"refuses_damaged_rows", refuses_damaged_rows},
        {"survives_flipped_and_missing_bytes", survives_flipped_and_missing_bytes},
        {"codec_keeps_every_value", codec_keeps_every_value},
        {NULL, NULL},
    };
    int status;

    (void)snprintf(folder, sizeof(folder), "/tmp/tare-store-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    status = check_main("store", cases, argc, argv);
    remove_folder();
    return status;
}
