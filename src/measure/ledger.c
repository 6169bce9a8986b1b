#include "measure/ledger.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "measure/ledger_inner.h"
#include "measure/study.h"

const struct ledger_times *ledger_times(const struct ledger_cell *cell)
{
    const struct ledger_times *times = &cell->times[cell->mode];

    return cell->row.state == STORE_CELL_OK && times->samples ? times : NULL;
}

const char *ledger_fact(const struct ledger *ledger, const char *key)
{
    for (size_t i = 0; i < ledger->fact_count; i++)
        if (strcmp(ledger->facts[i].key, key) == 0)
            return ledger->facts[i].value;
    return "";
}

const char *ledger_verdict_name(enum ledger_verdict verdict)
{
    static const char *const names[] = {"not measured", "not separable", "slower", "faster"};

    return names[verdict];
}

const char *ledger_device_part_name(enum ledger_device_part part)
{
    static const char *const names[] = {"copy_in", "compute", "copy_out"};

    return names[part];
}

bool ledger_has_device_times(const struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->cell_count; i++) {
        const struct ledger_times *times = ledger_times(&ledger->cells[i]);

        if (times && !isnan(times->device_ns[LEDGER_COMPUTE]))
            return true;
    }
    return false;
}

double ledger_session_ns(const struct ledger_cell *cell)
{
    const struct ledger_times *times = ledger_times(cell);
    double infer = times ? times->stage_ns[LEDGER_INFER] : NAN;

    return !times ? NAN : isnan(infer) ? times->p50_ns : infer;
}

const char *ledger_stage_name(enum ledger_stage stage)
{
    static const char *const names[] = {"decode", "letterbox", "infer", "boxes"};

    return names[stage];
}

const char *ledger_steadiness_name(enum ledger_steadiness verdict)
{
    static const char *const names[] = {
        "too few visits", "steady", "restless", "restarts differ", "drifts", "never warm",
    };

    return names[verdict];
}

static enum tare_status find_run(struct store *store, int64_t run_id, struct ledger *ledger,
                                 struct tare_err *err)
{
    struct store_run *runs = NULL;
    size_t count = 0;
    enum tare_status status = store_runs(store, &runs, &count, err);

    for (size_t i = 0; i < count; i++)
        if (run_id == 0 || runs[i].id == run_id)
            ledger->run = runs[i]; /* the last that fits */
    free(runs);
    if (status != TARE_OK)
        return status;
    if (ledger->run.id == 0 && run_id)
        return tare_fail(err, TARE_ABSENT, "'%s' holds no run %lld", store_path(store),
                         (long long)run_id);
    if (ledger->run.id == 0)
        return tare_fail(err, TARE_ABSENT, "'%s' holds no run", store_path(store));
    return TARE_OK;
}

static void describe_host(struct ledger *ledger)
{
    const char *board = ledger_fact(ledger, "host.board"), *cpu = ledger_fact(ledger, "cpu.model");
    const char *cores = ledger_fact(ledger, "cpu.cores"), *os = ledger_fact(ledger, "host.os");
    const char *gpu = ledger_fact(ledger, "gpu.model");
    struct buf out = BUF_INIT;

    if (board[0])
        buf_printf(&out, "%s", board);
    if (cpu[0])
        buf_printf(&out, "%s%s", out.size ? ", " : "", cpu);
    if (cores[0])
        buf_printf(&out, "%s%s core%s", out.size ? ", " : "", cores,
                   strcmp(cores, "1") == 0 ? "" : "s");
    if (gpu[0])
        buf_printf(&out, "%s%s", out.size ? ", " : "", gpu);
    if (strcmp(ledger_fact(ledger, "host.virtual"), "yes") == 0)
        buf_append_text(&out, " (virtual)");
    if (os[0])
        buf_printf(&out, "%s%s", out.size ? ", " : "", os);
    (void)snprintf(ledger->host, sizeof(ledger->host), "%s",
                   out.size ? buf_text(&out) : "a machine that was not described");
    buf_release(&out);
}

/* --- labels: the study's name, or what tells the cells of this run apart and no more --- */

enum field {
    FIELD_MODEL,
    FIELD_PRECISION,
    FIELD_RUNTIME,
    FIELD_PROVIDER,
    FIELD_DEVICE,
    FIELD_LAYER,
    FIELD_HEAD,
    FIELD_BATCH,
    FIELD_THREADS,
    FIELD_OPTIONS,
    FIELD_COUNT
};

/* An option object in short: {"spinning":"off"} becomes spinning=off. */
static void flatten_options(const char *json, char *text, size_t text_bytes)
{
    size_t n = 0;

    for (; *json && n + 2 < text_bytes; json++) {
        if (strchr("{}\" ", *json))
            continue;
        text[n++] = *json == ':' ? '=' : *json == ',' ? ' ' : *json;
    }
    text[n] = '\0';
}

static void field_text(const struct store_cell *cell, enum field field, char *text,
                       size_t text_bytes)
{
    const char *plain[] = {cell->model,    cell->precision, cell->runtime,
                           cell->provider, cell->device,    cell->layer};

    text[0] = '\0';
    if (field <= FIELD_LAYER)
        (void)snprintf(text, text_bytes, "%s", plain[field]);
    else if (field == FIELD_HEAD && cell->head != STORE_HEAD_NONE)
        (void)snprintf(text, text_bytes, "%s", store_head_name(cell->head));
    else if (field == FIELD_BATCH)
        (void)snprintf(text, text_bytes, "b%lld", (long long)cell->batch);
    else if (field == FIELD_THREADS && cell->threads)
        (void)snprintf(text, text_bytes, "t%lld", (long long)cell->threads);
    else if (field == FIELD_OPTIONS)
        flatten_options(cell->options, text, text_bytes);
}

static bool field_varies(const struct ledger *ledger, enum field field)
{
    char first[256], other[256];

    for (size_t i = 0; i < ledger->cell_count; i++) {
        field_text(&ledger->cells[i].row, field, i ? other : first, sizeof(first));
        if (i && strcmp(first, other) != 0)
            return true;
    }
    return false;
}

/* A provider tells cells apart only if one runtime ran with several. */
static bool providers_vary(const struct ledger *ledger)
{
    for (size_t i = 1; i < ledger->cell_count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(ledger->cells[i].row.runtime, ledger->cells[j].row.runtime) == 0 &&
                strcmp(ledger->cells[i].row.provider, ledger->cells[j].row.provider) != 0)
                return true;
    return false;
}

static void make_labels(struct ledger *ledger)
{
    bool varies[FIELD_COUNT], any = false;

    for (int f = 0; f < FIELD_COUNT; f++) {
        varies[f] = field_varies(ledger, (enum field)f);
        any = any || varies[f];
    }
    varies[FIELD_PROVIDER] = providers_vary(ledger);
    if (varies[FIELD_PRECISION] || varies[FIELD_LAYER] || !any)
        varies[FIELD_RUNTIME] = true;
    if (!any)
        varies[FIELD_PRECISION] = varies[FIELD_LAYER] = true;
    for (size_t i = 0; i < ledger->cell_count; i++) {
        struct ledger_cell *cell = &ledger->cells[i];
        struct buf out = BUF_INIT;
        char text[256];

        for (int f = 0; f < FIELD_COUNT && !cell->row.name[0]; f++) {
            field_text(&cell->row, (enum field)f, text, sizeof(text));
            if (varies[f] && text[0])
                buf_printf(&out, "%s%s", out.size ? " " : "", text);
        }
        (void)snprintf(cell->label, sizeof(cell->label), "%s",
                       cell->row.name[0] ? cell->row.name
                       : out.size        ? buf_text(&out)
                                         : cell->row.key);
        buf_release(&out);
    }
}

/* --- assembling --- */

/* No study has more, and what follows takes memory for each pair of a line and a sweep. */
static enum tare_status check_count(const struct store *store, const char *what, size_t count,
                                    size_t max, struct tare_err *err)
{
    if (count <= max)
        return TARE_OK;
    return tare_fail(err, TARE_LIMIT, "a run in '%s' has %zu %s, at most %zu are read",
                     store_path(store), count, what, max);
}

static enum tare_status read_cells(struct store *store, struct ledger *ledger,
                                   struct ledger_visits **visits, struct tare_err *err)
{
    struct store_cell *rows = NULL;
    size_t count = 0;
    enum tare_status status = store_cells(store, ledger->run.id, &rows, &count, err);

    if (status == TARE_OK)
        status = check_count(store, "cells", count, STUDY_MAX_CELLS, err);
    ledger->cells = calloc(count + 1, sizeof(*ledger->cells));
    *visits = calloc(count + 1, sizeof(**visits));
    if (status == TARE_OK && (!ledger->cells || !*visits))
        status = tare_fail(err, TARE_NOMEM, "out of memory while making the ledger");
    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        ledger->cells[i].row = rows[i];
        ledger->cells[i].accuracy.by_class = "";
        ledger->cell_count = i + 1;
        status = ledger_read_cell(store, (uint64_t)ledger->run.seed, &ledger->cells[i],
                                  &(*visits)[i], err);
        if (status == TARE_OK)
            status = store_figures(store, rows[i].id, &ledger->cells[i].figures,
                                   &ledger->cells[i].figure_count, err);
    }
    free(rows);
    return status;
}

static bool find_cell(const struct ledger *ledger, int64_t id, size_t *index)
{
    for (size_t i = 0; i < ledger->cell_count; i++)
        if (ledger->cells[i].row.id == id) {
            *index = i;
            return true;
        }
    return false;
}

static enum tare_status read_lines(struct store *store, struct ledger *ledger, struct tare_err *err)
{
    struct store_line *rows = NULL;
    size_t count = 0;
    enum tare_status status = store_lines(store, ledger->run.id, &rows, &count, err);

    if (status == TARE_OK)
        status = check_count(store, "lines", count, STUDY_MAX_LINES, err);
    ledger->lines = calloc(count + 1, sizeof(*ledger->lines));
    if (status == TARE_OK && !ledger->lines)
        status = tare_fail(err, TARE_NOMEM, "out of memory while making the ledger");
    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        struct ledger_line *line = &ledger->lines[i];

        line->row = rows[i];
        if (!find_cell(ledger, rows[i].cell_id, &line->cell) ||
            !find_cell(ledger, rows[i].baseline_id, &line->baseline))
            status = tare_fail(err, TARE_BADDATA,
                               "result file '%s' is damaged: line '%.100s' names no cell of its "
                               "run",
                               store_path(store), rows[i].name);
        ledger->line_count = i + 1;
    }
    free(rows);
    return status;
}

/* The session's own part of a run is what a limit of its graph is for. */
static enum tare_status fill_limits(struct store *store, struct ledger *ledger,
                                    struct tare_err *err)
{
    struct roofline_graphs graphs = {0};
    enum tare_status status = roofline_read(store, ledger->run.id, &ledger->peaks, err);

    if (status == TARE_OK)
        status = roofline_read_graphs(store, ledger->run.id, &graphs, err);
    for (size_t i = 0; i < ledger->cell_count && status == TARE_OK; i++) {
        struct ledger_cell *cell = &ledger->cells[i];
        const char *executed = cell->row.executed_precision;

        cell->limit = roofline_row_on(&ledger->peaks, cell->row.device,
                                      roofline_find_graph(&graphs, cell->row.id),
                                      executed[0] ? executed : cell->row.precision,
                                      cell->row.threads, ledger_session_ns(cell));
    }
    roofline_release_graphs(&graphs);
    return status;
}

enum tare_status ledger_build(struct store *store, const struct ledger_options *options,
                              struct ledger *ledger, struct tare_err *err)
{
    struct ledger_visits *visits = NULL;
    enum tare_status status;

    memset(ledger, 0, sizeof(*ledger));
    ledger->path = store_path(store);
    status = find_run(store, options->run_id, ledger, err);
    if (status == TARE_OK)
        status = store_facts(store, ledger->run.id, &ledger->facts, &ledger->fact_count, err);
    if (status == TARE_OK)
        status = store_files(store, ledger->run.id, &ledger->files, &ledger->file_count, err);
    describe_host(ledger);
    if (status == TARE_OK)
        status = read_cells(store, ledger, &visits, err);
    if (status == TARE_OK)
        status = read_lines(store, ledger, err);
    if (status == TARE_OK)
        status = fill_limits(store, ledger, err);
    make_labels(ledger);
    if (status == TARE_OK)
        status = ledger_fill_lines(ledger, visits, err);
    if (status == TARE_OK)
        status = ledger_fill_stability(ledger, err);
    if (status == TARE_OK)
        status = ledger_fill_predecessors(ledger, err);
    if (status == TARE_OK)
        status = ledger_fill_accuracy(store, options, ledger, err);
    if (status == TARE_OK) {
        ledger_fill_agreement(ledger);
        status = ledger_decide(store, options, ledger, visits, err);
    }
    if (status == TARE_OK)
        status = ledger_fill_notes(store, ledger, err);
    if (status == TARE_OK)
        status = ledger_fill_soak(store, ledger, err);
    if (status == TARE_OK)
        status = ledger_fill_cold(ledger, err);
    if (status == TARE_OK)
        status = ledger_fill_energy(store, ledger, err);
    for (size_t i = 0; visits && i < ledger->cell_count; i++)
        ledger_release_visits(&visits[i]);
    free(visits);
    if (status != TARE_OK)
        ledger_release(ledger);
    return status;
}

void ledger_release(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->cell_count; i++) {
        for (int mode = 0; mode < LEDGER_MODES; mode++)
            free(ledger->cells[i].times[mode].sorted_ns);
        free(ledger->cells[i].figures);
        free(ledger->cells[i].points);
    }
    free(ledger->facts);
    free(ledger->files);
    free(ledger->cells);
    free(ledger->lines);
    free(ledger->soak_visits);
    free(ledger->soak_pairs);
    free(ledger->predecessors.items);
    free(ledger->missing.items);
    free(ledger->warnings.items);
    free(ledger->trust.items);
    memset(ledger, 0, sizeof(*ledger));
}
