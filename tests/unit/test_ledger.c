/*
 * The ledger against SciPy on the same numbers (ttest_1samp on log ratios, NumPy's quantile) and
 * against what it must refuse to claim.
 */
#include "measure/ledger.h"

#include <stdlib.h>
#include <unistd.h>

#include "check.h"

#define SWEEPS  6
#define SAMPLES 5
#define LINES   512 /* STUDY_MAX_LINES */

static char path[64];

struct study {
    struct store *store;
    struct ledger ledger;
    int64_t run, cells[3], restarts[3];
    int64_t baseline_line; /* baseline of the second line, to damage a file with */
};

static void add_cell(struct study *study, size_t index, const struct store_cell *cell)
{
    struct store_restart restart = {
        .load_ns = 5, .first_run_ns = 9, .peak_rss_bytes = -1, .warmup_steady = true};

    CHECK_OK(store_add_cell(study->store, study->run, cell, &study->cells[index], err));
    restart.cell_id = study->cells[index];
    CHECK_OK(store_add_restart(study->store, &restart, &study->restarts[index], err));
}

/* One visit whose samples are all about ns. */
static void add_visit(struct study *study, size_t cell, int64_t sweep, int64_t ns, bool valid)
{
    int64_t samples[SAMPLES] = {ns - 10, ns - 5, ns, ns + 5, ns + 10};
    const struct store_series series = {STORE_SERIES_TOTAL, samples, SAMPLES};
    const struct store_visit visit = {.cell_id = study->cells[cell],
                                      .restart_id = study->restarts[cell],
                                      .sweep = sweep,
                                      .wall_ns = 5 * ns,
                                      .cpu_ns = -1,
                                      .mean_clock_hz = -1,
                                      .steal_ns = -1,
                                      .valid = valid,
                                      .why_invalid = valid ? "" : "swapped"};

    CHECK_OK(store_add_visit(study->store, &visit, &series, 1, NULL, err));
}

/* A baseline of 100 ms, a cell whose ratios are known, and a cell that failed. */
static void fill(struct study *study)
{
    static const double ratios[SWEEPS] = {1.02, 1.05, 1.01, 1.03, 1.04, 1.015};
    const struct store_run run = {.uuid = "u", .seed = 3, .state = STORE_RUN_COMPLETE};
    const struct store_cell baseline = {.key = "a", .name = "base", .batch = 1, .runtime = "x"};
    const struct store_cell cell = {.key = "b", .name = "slow", .batch = 4, .runtime = "x"};
    const struct store_cell failed = {.key = "c",
                                      .name = "lost",
                                      .batch = 1,
                                      .runtime = "x",
                                      .state = STORE_CELL_FAILED,
                                      .reason = "killed"};
    struct store_line line = {.kind = STORE_LINE_TAX, .name = "a tax"};

    *study = (struct study){.store = NULL};
    (void)unlink(path);
    CHECK_OK(store_open(path, STORE_CREATE, &study->store, err));
    CHECK_OK(store_begin(study->store, err));
    CHECK_OK(store_add_run(study->store, &run, &study->run, err));
    add_cell(study, 0, &baseline);
    add_cell(study, 1, &cell);
    add_cell(study, 2, &failed);
    for (int64_t s = 0; s < SWEEPS; s++) {
        add_visit(study, 0, s, 100000000, true);
        add_visit(study, 1, s, (int64_t)(1e8 * ratios[s] + 0.5), true);
    }
    add_visit(study, 1, SWEEPS, 900000000, false);
    line.cell_id = study->cells[1];
    line.baseline_id = study->cells[0];
    CHECK_OK(store_add_line(study->store, study->run, &line, NULL, err));
    line.ordinal = 1;
    line.cell_id = study->cells[2];
    CHECK_OK(store_add_line(study->store, study->run, &line, NULL, err));
    CHECK_OK(store_commit(study->store, err));
}

static void build(struct study *study)
{
    const struct ledger_options options = {0};

    CHECK_OK(ledger_build(study->store, &options, &study->ledger, err));
}

static void finish(struct study *study)
{
    ledger_release(&study->ledger);
    store_close(study->store);
    (void)unlink(path);
}

static bool has_note(const struct ledger_notes *notes, const char *subject)
{
    for (size_t i = 0; i < notes->count; i++)
        if (strcmp(notes->items[i].subject, subject) == 0)
            return true;
    return false;
}

static void line_agrees_with_numpy(void)
{
    const struct ledger_line *line;
    struct study study;

    fill(&study);
    build(&study);
    line = &study.ledger.lines[0];
    CHECK(study.ledger.line_count == 2 && line->verdict == LEDGER_SLOWER);
    CHECK(line->sweeps == SWEEPS);
    /* tests/python/walsh_reference.py on the logs of the six ratios */
    CHECK_NEAR(line->ratio, exp(0.027054662823515943), 1e-8);
    CHECK_NEAR(line->ratio_interval.low, exp(0.007607705743610756), 1e-8);
    CHECK_NEAR(line->ratio_interval.high, exp(0.04650161990342113), 1e-8);
    CHECK_NEAR(line->difference_ns, 2749999.999999997, 2);
    CHECK(study.ledger.lines[1].verdict == LEDGER_NOT_MEASURED && study.ledger.lines[1].why[0]);
    finish(&study);
}

static void cell_is_summed_up_without_its_invalid_visits(void)
{
    const struct ledger_cell *cell;
    const struct ledger_times *times;
    struct study study;

    fill(&study);
    build(&study);
    cell = &study.ledger.cells[1];
    times = ledger_times(cell);
    CHECK(times && times->samples == SWEEPS * SAMPLES && times->invalid_visits == 1);
    CHECK(times && times->max_ns == 105000010);
    CHECK_NEAR(times->p50_ns, 102500000, 11);
    CHECK_NEAR(times->throughput_hz, 4e9 / (1e8 * 6.165 / 6), 1e-3);
    CHECK(ledger_times(&study.ledger.cells[2]) == NULL);
    CHECK(has_note(&study.ledger.warnings, "slow") && has_note(&study.ledger.missing, "lost"));
    finish(&study);
}

static void tail_claims_no_more_than_the_samples_bear(void)
{
    const struct ledger_times *times;
    struct study study;

    fill(&study);
    build(&study);
    times = ledger_times(&study.ledger.cells[0]); /* 30 samples; 29 bear p90, 299 p99 */
    CHECK(times->p99.kind == LEDGER_TAIL_BOUND && times->p99.shown <= 0.905);
    CHECK(times->p99.value_ns == times->max_ns);
    CHECK(has_note(&study.ledger.missing, "p99"));
    finish(&study);
}

static void decision_names_the_fastest_and_its_doubts(void)
{
    struct study study;

    fill(&study);
    build(&study);
    CHECK(study.ledger.decision.known && study.ledger.decision.winner == 0);
    CHECK(study.ledger.decision.tie_count == 0 && !study.ledger.decision.accuracy_known);
    CHECK_TEXT(study.ledger.decision.sentence,
               "Fastest: base (100 ms). Accuracy was not measured.");
    finish(&study);
}

static void same_file_gives_the_same_ledger(void)
{
    const struct ledger_options options = {0};
    struct ledger again;
    struct study study;

    fill(&study);
    build(&study);
    CHECK_OK(ledger_build(study.store, &options, &again, err));
    CHECK(again.cells[0].times[0].p50_interval_ns.low ==
          study.ledger.cells[0].times[0].p50_interval_ns.low);
    CHECK(again.lines[0].ratio_interval.high == study.ledger.lines[0].ratio_interval.high);
    ledger_release(&again);
    finish(&study);
}

static void more_lines_than_a_study_has_are_refused(void)
{
    const struct ledger_options options = {.ap_resamples = -1};
    struct tare_err failure = TARE_ERR_INIT;
    struct ledger ledger;
    struct study study;

    fill(&study);
    CHECK_OK(store_begin(study.store, err));
    for (int64_t i = 2; i <= LINES; i++) {
        const struct store_line line = {.ordinal = i,
                                        .name = "one more",
                                        .cell_id = study.cells[0],
                                        .baseline_id = study.cells[1]};

        CHECK_OK(store_add_line(study.store, study.run, &line, NULL, err));
    }
    CHECK_OK(store_commit(study.store, err));
    CHECK(ledger_build(study.store, &options, &ledger, &failure) == TARE_LIMIT);
    store_close(study.store);
    (void)unlink(path);
}

static void asks_for_a_run_that_is_there(void)
{
    struct ledger_options options = {.run_id = 99};
    struct tare_err failure = TARE_ERR_INIT;
    struct store *store = NULL;
    struct study study;

    fill(&study);
    CHECK(ledger_build(study.store, &options, &study.ledger, &failure) == TARE_ABSENT);
    finish(&study);
    tare_err_clear(&failure);
    CHECK_OK(store_open(path, STORE_CREATE, &store, err));
    options.run_id = 0;
    CHECK(ledger_build(store, &options, &study.ledger, &failure) == TARE_ABSENT);
    store_close(store);
    (void)unlink(path);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"line_agrees_with_numpy", line_agrees_with_numpy},
        {"cell_is_summed_up_without_its_invalid_visits",
         cell_is_summed_up_without_its_invalid_visits},
        {"tail_claims_no_more_than_the_samples_bear", tail_claims_no_more_than_the_samples_bear},
        {"decision_names_the_fastest_and_its_doubts", decision_names_the_fastest_and_its_doubts},
        {"same_file_gives_the_same_ledger", same_file_gives_the_same_ledger},
        {"more_lines_than_a_study_has_are_refused", more_lines_than_a_study_has_are_refused},
        {"asks_for_a_run_that_is_there", asks_for_a_run_that_is_there},
        {NULL, NULL},
    };
    int descriptor;

    (void)snprintf(path, sizeof(path), "/tmp/tare-ledger-XXXXXX");
    descriptor = mkstemp(path);
    if (descriptor < 0 || close(descriptor) != 0)
        return 1;
    return check_main("ledger", cases, argc, argv);
}
