#include "measure/residency.h"

#include <stdio.h>

#include "base/log.h"
#include "measure/sweeps_inner.h"

size_t residency_baseline(const struct study *study)
{
    size_t lines[STUDY_MAX_CELLS] = {0}, best = 0;

    for (size_t i = 0; i < study->line_count; i++)
        lines[study->lines[i].baseline]++;
    for (size_t i = 1; i < study->cell_count; i++)
        if (lines[i] > lines[best])
            best = i;
    return best;
}

int64_t residency_deal(const int64_t *bytes, size_t count, size_t baseline, int64_t limit_bytes,
                       int64_t *set)
{
    int64_t used[STUDY_MAX_CELLS], sets = 0;

    for (size_t i = 0; i < count; i++) {
        int64_t k = 0;

        set[i] = 0;
        if (i == baseline || bytes[i] <= 0)
            continue;
        while (k < sets && used[k] + bytes[i] > limit_bytes)
            k++;
        if (k == sets)
            used[sets++] = bytes[baseline];
        used[k] += bytes[i];
        set[i] = k;
    }
    if (sets > 1)
        set[baseline] = RESIDENCY_EVERY_SET;
    return sets > 1 ? sets : 1;
}

bool residency_may_fit_alone(const struct sweeps *s, const struct tare_err *failure)
{
    return failure->status == TARE_LIMIT && !s->planned && !s->exceeded && s->held_bytes > 0;
}

enum tare_status residency_start_alone(struct sweeps *s, size_t i, struct tare_err *failure,
                                       struct tare_err *err)
{
    enum tare_status status = sweeps_stop_crew(s, err);

    s->exceeded = true;
    *failure = (struct tare_err)TARE_ERR_INIT;
    return status == TARE_OK ? sweeps_start_cell(s, i, failure, err) : status;
}

enum tare_status residency_weigh(struct sweeps *s, size_t i, struct tare_err *err)
{
    int64_t peak = crew_peak_rss_bytes(&s->crew[i]), limit = s->pictures.together_bytes;

    s->cells[i].peak_bytes = peak > 0 ? peak : 0;
    s->held_bytes += s->cells[i].peak_bytes;
    s->exceeded = s->exceeded || (limit && s->held_bytes > limit);
    return s->exceeded ? sweeps_stop_crew(s, err) : TARE_OK;
}

enum tare_status residency_deal_cells(struct sweeps *s, struct plan_pilot *pilot,
                                      struct tare_err *err)
{
    int64_t bytes[STUDY_MAX_CELLS], limit = s->pictures.together_bytes;
    char text[64];

    pilot->baseline = residency_baseline(s->study);
    pilot->sets = 1;
    for (size_t i = 0; i < s->study->cell_count; i++)
        bytes[i] = s->cells[i].ended ? 0 : s->cells[i].peak_bytes;
    if (!s->exceeded)
        return TARE_OK;
    pilot->sets = residency_deal(bytes, s->study->cell_count, pilot->baseline, limit, pilot->set);
    log_info("the workers do not fit in %lld MiB together: %lld sets of cells",
             (long long)(limit >> 20), (long long)pilot->sets);
    (void)snprintf(text, sizeof(text), "%lld", (long long)pilot->sets);
    return store_put_fact(s->store, s->result->run_id, "run.sets", text, err);
}
