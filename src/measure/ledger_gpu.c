/* ledger_gpu.c - what the GPU did in a cell's visits (rule 7). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure/ledger_inner.h"
#include "power/power.h"

#define CLOCK_MARK 0.02

/* The looks of one kind over a visit. The first one comes before the runs, and is left out where
 * there are more. */
struct looks {
    double mean, most;
    int64_t bits; /* of all of them together */
    size_t count;
};

static struct looks read_looks(struct store *store, int64_t visit_id, const char *name)
{
    struct looks looks = {.mean = NAN, .most = NAN};
    int64_t *samples = NULL;
    size_t count = 0;
    double sum = 0;

    if (store_series(store, visit_id, name, &samples, &count, NULL) != TARE_OK)
        return looks;
    for (size_t i = count > 2; i < count; i++) {
        if (samples[i] < 0)
            continue;
        sum += (double)samples[i];
        looks.most = fmax(looks.most, (double)samples[i]);
        looks.bits |= samples[i];
        looks.count++;
    }
    if (looks.count)
        looks.mean = sum / (double)looks.count;
    free(samples);
    return looks;
}

static void add(double *sum, size_t *count, double value)
{
    if (isnan(value))
        return;
    *sum += value;
    (*count)++;
}

static double mean_of(double sum, size_t count)
{
    return count ? sum / (double)count : NAN;
}

void ledger_read_gpu(struct store *store, const struct store_visit *rows, size_t count,
                     enum store_visit_mode mode, struct ledger_gpu *gpu)
{
    static const char *const names[] = {STORE_SERIES_GPU_CLOCK, STORE_SERIES_GPU_MEMORY_CLOCK,
                                        STORE_SERIES_GPU_TEMPERATURE, STORE_SERIES_GPU_POWER};
    double sums[4] = {0};
    size_t counts[4] = {0};

    *gpu = (struct ledger_gpu){.hottest_c = NAN};
    for (size_t i = 0; i < count; i++) {
        struct looks reasons;
        bool any = false;

        if (rows[i].mode != mode || !rows[i].valid)
            continue;
        for (int k = 0; k < 4; k++) {
            struct looks looks = read_looks(store, rows[i].id, names[k]);

            add(&sums[k], &counts[k], looks.mean);
            any = any || looks.count;
            if (k == 2)
                gpu->hottest_c = fmax(gpu->hottest_c, looks.most / 1e3);
        }
        reasons = read_looks(store, rows[i].id, STORE_SERIES_GPU_REASONS);
        gpu->visits += any || reasons.count;
        if (power_throttled(reasons.bits)) {
            gpu->throttled++;
            gpu->reasons |= reasons.bits;
        }
    }
    gpu->clock_hz = mean_of(sums[0], counts[0]) * 1e3;
    gpu->memory_clock_hz = mean_of(sums[1], counts[1]) * 1e3;
    gpu->temperature_c = mean_of(sums[2], counts[2]) / 1e3;
    gpu->power_w = mean_of(sums[3], counts[3]) / 1e3;
}

/* --- notes --- */

static enum tare_status warn_of_clocks(struct ledger *ledger, const struct ledger_line *line,
                                       const char *what, double a, double b, struct tare_err *err)
{
    if (isnan(a) || isnan(b) || !(b > 0) || fabs(a / b - 1) <= CLOCK_MARK)
        return TARE_OK;
    return ledger_add_note(&ledger->warnings, err, line->row.name,
                           "mean %s clocks of the GPU differ: %.0f against %.0f MHz", what, a / 1e6,
                           b / 1e6);
}

enum tare_status ledger_gpu_notes(struct ledger *ledger, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < ledger->cell_count && status == TARE_OK; i++) {
        const struct ledger_cell *cell = &ledger->cells[i];
        const struct ledger_gpu *gpu = &cell->gpu;
        char names[120];

        if (!gpu->throttled)
            continue;
        power_put_reasons(gpu->reasons, names, sizeof(names));
        status = ledger_add_note(&ledger->warnings, err, cell->label,
                                 "the GPU was throttled in %zu of %zu visits: %s", gpu->throttled,
                                 gpu->visits, names);
    }
    for (size_t i = 0; i < ledger->line_count && status == TARE_OK; i++) {
        const struct ledger_line *line = &ledger->lines[i];
        const struct ledger_gpu *a = &ledger->cells[line->cell].gpu;
        const struct ledger_gpu *b = &ledger->cells[line->baseline].gpu;

        if (!a->visits || !b->visits)
            continue;
        status = warn_of_clocks(ledger, line, "core", a->clock_hz, b->clock_hz, err);
        if (status == TARE_OK)
            status =
                warn_of_clocks(ledger, line, "memory", a->memory_clock_hz, b->memory_clock_hz, err);
    }
    return status;
}
