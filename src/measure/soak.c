#include "measure/soak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/stop.h"
#include "measure/host.h"
#include "measure/thread_count.h"

#define FACT_BLOCKS "run.soak_blocks"
#define MAX_ZONES   64
#define MAX_PROBES  4096
#define CHUNK_NS    1e9
#define START_SHARE 0.1 /* of a visit, for the progress */

/* --- temperature --- */

static char *read_zone(const char *root, int zone, const char *name)
{
    char path[FILE_MAX_PATH], *text = NULL;
    size_t size;

    if (snprintf(path, sizeof(path), "%s/sys/class/thermal/thermal_zone%d/%s", root, zone, name) >=
            (int)sizeof(path) ||
        file_read(path, 4096, &text, &size, NULL) != TARE_OK)
        return NULL;
    return text;
}

int64_t soak_temperature(const char *root)
{
    int64_t own = INT64_MIN, hottest = INT64_MIN;

    for (int zone = 0; zone < MAX_ZONES; zone++) {
        char *type = read_zone(root, zone, "type"), *text = read_zone(root, zone, "temp");
        int64_t value = text ? strtoll(text, NULL, 10) : INT64_MIN;
        bool cpu = type && (strstr(type, "pkg_temp") || strstr(type, "cpu") || strstr(type, "CPU"));

        free(type);
        free(text);
        if (value < -60000 || value > 200000)
            continue;
        hottest = value > hottest ? value : hottest;
        own = cpu && value > own ? value : own;
    }
    return own != INT64_MIN ? own : hottest;
}

/* --- one visit --- */

/* What a visit gathers. */
struct gathered {
    int64_t *samples; // (count)
    size_t count, room;
    int64_t at[MAX_PROBES], temperature[MAX_PROBES], clock[MAX_PROBES]; // (probes)
    size_t probes;
    double clocks;
    size_t clocks_read;
};

static enum tare_status gather(struct gathered *g, const int64_t *samples, int64_t runs,
                               struct tare_err *err)
{
    size_t count = (size_t)runs;

    if (g->count + count > g->room) {
        size_t room = 2 * (g->count + count);
        int64_t *grown = realloc(g->samples, room * sizeof(*grown));

        if (!grown)
            return tare_fail(err, TARE_NOMEM, "out of memory for a soak's samples");
        g->samples = grown;
        g->room = room;
    }
    memcpy(g->samples + g->count, samples, count * sizeof(*samples));
    g->count += count;
    return TARE_OK;
}

static void probe(struct gathered *g, int64_t since_ns)
{
    double clock = host_clock_hz();
    int64_t temperature = soak_temperature("");

    if (clock > 0) {
        g->clocks += clock;
        g->clocks_read++;
    }
    if (g->probes == MAX_PROBES)
        return;
    g->at[g->probes] = since_ns;
    g->temperature[g->probes] = temperature == INT64_MIN ? -1 : temperature;
    g->clock[g->probes++] = clock > 0 ? (int64_t)(clock / 1e3) : -1;
}

static bool any_known(const int64_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (values[i] >= 0)
            return true;
    return false;
}

static enum tare_status record(struct sweeps *s, const struct store_visit *row,
                               const struct gathered *g, struct tare_err *err)
{
    size_t after = (size_t)s->study->after_switch, count = 0;
    struct store_series series[5];

    after = after < g->count ? after : 0;
    series[count++] =
        (struct store_series){STORE_SERIES_TOTAL, g->samples + after, g->count - after};
    if (after)
        series[count++] = (struct store_series){STORE_SERIES_AFTER_SWITCH, g->samples, after};
    series[count++] = (struct store_series){SOAK_SERIES_AT, g->at, g->probes};
    if (any_known(g->temperature, g->probes))
        series[count++] = (struct store_series){SOAK_SERIES_TEMPERATURE, g->temperature, g->probes};
    if (any_known(g->clock, g->probes))
        series[count++] = (struct store_series){SOAK_SERIES_CLOCK, g->clock, g->probes};
    return store_add_visit(s->store, row, series, count, NULL, err);
}

/* Runs chunk after chunk, each with a reading of the sensors behind it, until the time is over. */
static enum tare_status run_chunks(struct sweeps *s, size_t i, struct store_visit *row,
                                   struct gathered *g, struct tare_err *failure,
                                   struct tare_err *err)
{
    struct cell_state *cell = &s->cells[i];
    double pilot = cell->pilot_ns > 0 ? (double)cell->pilot_ns : 1, most = PROTOCOL_MAX_RUNS;
    double wanted = (s->study->soak_ns < CHUNK_NS ? (double)s->study->soak_ns : CHUNK_NS) / pilot;
    int64_t runs = wanted < 1 ? 1 : (int64_t)(wanted < most ? wanted : most);
    int64_t patience = s->study->timeout_ns ? s->study->timeout_ns : INT64_C(60000000000);
    int64_t begun = clock_now_ns(), before = 0;
    enum tare_status status = TARE_OK;

    patience = patience > 10 * runs * (int64_t)pilot ? patience : 10 * runs * (int64_t)pilot;
    while (status == TARE_OK && clock_now_ns() - begun < s->study->soak_ns &&
           g->count + (size_t)runs <= STORE_MAX_SAMPLES) {
        struct crew_visit done;
        int64_t now;

        if (stop_requested())
            return tare_fail(err, TARE_STOPPED, "stopped");
        if (crew_visit(&s->crew[i], runs, (int64_t)g->count * s->study->cells[i].batch, 0, patience,
                       &done, failure) != TARE_OK)
            return TARE_OK;
        status = thread_count_keep(s, i, &done, err);
        if (status == TARE_OK)
            status = gather(g, s->crew[i].shared->samples[SERIES_TOTAL], runs, err);
        row->wall_ns += done.wall_ns;
        row->cpu_ns = row->cpu_ns < 0 || done.cpu_ns < 0 ? -1 : row->cpu_ns + done.cpu_ns;
        row->major_faults += done.major_faults;
        now = clock_now_ns() - begun;
        probe(g, now);
        sweeps_tell(s, "soak", s->study->cells[i].name, row->sweep + 1,
                    (double)(now - before) / (double)s->study->soak_ns);
        before = now;
    }
    return status;
}

static enum tare_status visit(struct sweeps *s, size_t i, int64_t block, int64_t position,
                              struct tare_err *failure, struct tare_err *err)
{
    struct gathered *g = calloc(1, sizeof(*g));
    int64_t steal = host_steal_ns();
    struct store_visit row = {
        .cell_id = s->cells[i].id,
        .restart_id = s->cells[i].restart_id,
        .sweep = block,
        .position = position,
        .predecessor_id = s->predecessor_id,
        .mode = STORE_VISIT_SOAK,
        .valid = true,
    };
    enum tare_status status;

    if (!g)
        return tare_fail(err, TARE_NOMEM, "out of memory for a soak");
    (void)crew_hush(s->crew, s->study->cell_count, &s->crew[i], &s->watch);
    row.started_ns = clock_now_ns() - s->epoch_ns;
    status = run_chunks(s, i, &row, g, failure, err);
    crew_watch_now(s->crew, s->study->cell_count, &s->watch);
    s->predecessor_id = s->cells[i].id;
    s->result->visit_ns += row.wall_ns;
    steal = steal < 0 ? -1 : host_steal_ns() - steal;
    row.steal_ns = steal < 0 ? -1 : steal;
    row.mean_clock_hz = g->clocks_read ? g->clocks / (double)g->clocks_read : -1;
    row.valid = row.major_faults == 0;
    row.why_invalid = row.valid ? "" : "pages were read from disk during the visit";
    if (status == TARE_OK && failure->status == TARE_OK)
        status = record(s, &row, g, err);
    free(g->samples);
    free(g);
    return status;
}

/* --- the whole --- */

bool soak_is_cell(int64_t block, int64_t k)
{
    bool outer = k == 0 || k == 3;

    return block % 2 == 0 ? outer : !outer;
}

static enum tare_status start_all(struct sweeps *s, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < s->study->cell_count && status == TARE_OK; i++) {
        struct tare_err failure = TARE_ERR_INIT;

        sweeps_tell(s, "starting", s->study->cells[i].name, 0, START_SHARE);
        status = sweeps_start_cell(s, i, &failure, err);
        if (status == TARE_OK && failure.status != TARE_OK)
            status = sweeps_end_cell(s, i, &failure, err);
    }
    return status;
}

/* As many blocks as the budget has room for; fixed before the first visit and kept. */
static enum tare_status choose_blocks(struct sweeps *s, int64_t *blocks, struct tare_err *err)
{
    double block_ns = 4.0 * (double)s->study->line_count * (double)s->study->soak_ns;
    double left = (double)(s->study->budget_ns - (clock_now_ns() - s->start_ns));
    struct store_fact *facts = NULL;
    size_t count = 0;
    char text[32];
    enum tare_status status = store_facts(s->store, s->result->run_id, &facts, &count, err);

    *blocks = 0;
    for (size_t i = 0; i < count; i++)
        if (strcmp(facts[i].key, FACT_BLOCKS) == 0)
            *blocks = strtoll(facts[i].value, NULL, 10);
    free(facts);
    if (status != TARE_OK || (*blocks >= 1 && *blocks <= SOAK_MAX_BLOCKS))
        return status;
    *blocks = left > block_ns ? (int64_t)(left / block_ns) : 1;
    *blocks = *blocks < SOAK_MAX_BLOCKS ? *blocks : SOAK_MAX_BLOCKS;
    (void)snprintf(text, sizeof(text), "%lld", (long long)*blocks);
    return store_put_fact(s->store, s->result->run_id, FACT_BLOCKS, text, err);
}

/* Which visits an earlier process of this run made: marked (blocks, line_count, 4) in done. */
static enum tare_status mark_done(struct sweeps *s, int64_t blocks, bool *done,
                                  struct tare_err *err)
{
    int64_t lines = (int64_t)s->study->line_count;
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < s->study->cell_count && status == TARE_OK; i++) {
        struct store_visit *rows = NULL;
        size_t count = 0;

        status = store_visits(s->store, s->cells[i].id, &rows, &count, err);
        for (size_t k = 0; k < count; k++)
            if (rows[k].sweep >= 0 && rows[k].sweep < blocks && rows[k].position >= 0 &&
                rows[k].position < 4 * lines)
                done[rows[k].sweep * 4 * lines + rows[k].position] = true;
        free(rows);
    }
    return status;
}

static enum tare_status run_block(struct sweeps *s, int64_t block, const bool *done,
                                  struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (int64_t at = 0; at < 4 * (int64_t)s->study->line_count && status == TARE_OK; at++) {
        const struct study_line *line = &s->study->lines[at / 4];
        size_t i = soak_is_cell(block, at % 4) ? line->cell : line->baseline;
        struct tare_err failure = TARE_ERR_INIT;

        if (done[at] || s->cells[line->cell].ended || s->cells[line->baseline].ended) {
            sweeps_tell(s, "soak", s->study->cells[i].name, block + 1, 1);
            continue;
        }
        status = visit(s, i, block, at, &failure, err);
        if (status == TARE_OK && failure.status != TARE_OK)
            status = sweeps_end_cell(s, i, &failure, err);
    }
    return status;
}

enum tare_status soak_run(struct sweeps *s, struct tare_err *err)
{
    int64_t per_block = 4 * (int64_t)s->study->line_count, blocks = 0;
    enum tare_status status = TARE_OK;
    bool *done = NULL;

    if (per_block == 0)
        return tare_fail(err, TARE_INVALID,
                         "a soak compares the two cells of a ledger line, and this study has none");
    status = start_all(s, err);
    if (status == TARE_OK)
        status = choose_blocks(s, &blocks, err);
    s->plan.sweeps = blocks;
    s->work = (double)(blocks * per_block) + START_SHARE * (double)s->study->cell_count;
    done = calloc((size_t)(blocks * per_block) + 1, sizeof(*done));
    if (status == TARE_OK && !done)
        status = tare_fail(err, TARE_NOMEM, "out of memory for a soak");
    if (status == TARE_OK)
        status = mark_done(s, blocks, done, err);
    for (int64_t block = 0; block < blocks && status == TARE_OK; block++) {
        status = run_block(s, block, done + block * per_block, err);
        if (status == TARE_OK)
            s->result->sweeps_done = block + 1;
    }
    free(done);
    return status;
}
