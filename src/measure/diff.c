#include "measure/diff.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure/ledger_inner.h"
#include "stats/paired.h"
#include "stats/student.h"

static enum tare_status check_hosts(const struct ledger *a, const struct ledger *b,
                                    struct tare_err *err)
{
    static const char *const keys[] = {"cpu.model", "cpu.cores", "host.board", "gpu.model"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strcmp(ledger_fact(a, keys[i]), ledger_fact(b, keys[i])) != 0)
            return tare_fail(err, TARE_INVALID,
                             "the runs are of two machines: '%s' and '%s'; --other-hosts compares "
                             "them all the same",
                             a->host, b->host);
    return TARE_OK;
}

static const struct store_file *find_model(const struct ledger *ledger, const char *path)
{
    const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

    for (size_t i = 0; i < ledger->file_count; i++) {
        const char *other = ledger->files[i].path;
        const char *other_base = strrchr(other, '/') ? strrchr(other, '/') + 1 : other;

        if (strcmp(ledger->files[i].role, "model") == 0 && strcmp(base, other_base) == 0)
            return &ledger->files[i];
    }
    return NULL;
}

static enum tare_status check_models(const struct ledger *a, const struct ledger *b,
                                     struct tare_err *err)
{
    for (size_t i = 0; i < a->file_count; i++) {
        const struct store_file *old = &a->files[i], *new;

        if (strcmp(old->role, "model") != 0)
            continue;
        new = find_model(b, old->path);
        if (new &&strcmp(old->sha256, new->sha256) != 0)
            return tare_fail(err, TARE_INVALID,
                             "model '%s' is another file in the new run; --other-models compares "
                             "them all the same",
                             old->path);
    }
    return TARE_OK;
}

static const struct ledger_cell *find_cell(const struct ledger *ledger, const char *key)
{
    for (size_t i = 0; i < ledger->cell_count; i++)
        if (strcmp(ledger->cells[i].row.key, key) == 0)
            return &ledger->cells[i];
    return NULL;
}

/* Centre of the log medians of a stored cell's visits. */
static enum tare_status estimate(struct store *store, const struct ledger *ledger,
                                 const struct ledger_cell *from, struct paired_estimate *estimate,
                                 struct tare_err *err)
{
    struct ledger_cell cell = {.row = from->row};
    struct ledger_visits visits;
    double *logs = NULL;
    int64_t *restarts = NULL;
    enum tare_status status =
        ledger_read_cell(store, (uint64_t)ledger->run.seed, &cell, &visits, err);

    if (status != TARE_OK)
        return status;
    logs = calloc(visits.count + 1, sizeof(*logs));
    restarts = calloc(visits.count + 1, sizeof(*restarts));
    if (!logs || !restarts) {
        status = tare_fail(err, TARE_NOMEM, "out of memory while comparing runs");
        goto done;
    }
    for (size_t i = 0; i < visits.count; i++) {
        logs[i] = visits.items[i].median_ns > 0 ? log(visits.items[i].median_ns) : (double)NAN;
        restarts[i] = visits.items[i].restart;
    }
    *estimate = paired_center(logs, restarts, visits.count);
done:
    free(logs);
    free(restarts);
    ledger_release_visits(&visits);
    free(cell.points);
    free(cell.times[0].sorted_ns);
    free(cell.times[1].sorted_ns);
    free(cell.times[2].sorted_ns);
    return status;
}

/* Welch's interval with Satterthwaite's degrees of freedom. */
static void conclude(const struct paired_estimate *old, const struct paired_estimate *new,
                     double confidence, struct diff_cell *cell)
{
    double a = old->error * old->error, b = new->error *new->error;
    double error = sqrt(a + b), change = new->center - old->center;
    double df = (a + b) * (a + b) / (a * a / old->df + b * b / new->df);
    double half = error > 0 ? student_quantile(0.5 + confidence / 2, df) * error : error;

    cell->ratio = exp(change);
    cell->interval = (struct ledger_interval){exp(change - half), exp(change + half)};
}

static enum tare_status compare(struct store *old_store, const struct ledger *old_ledger,
                                struct store *new_store, const struct ledger *new_ledger,
                                double confidence, struct diff_cell *cell, struct tare_err *err)
{
    struct paired_estimate old, new;
    enum tare_status status = estimate(old_store, old_ledger, cell->old_cell, &old, err);

    if (status == TARE_OK)
        status = estimate(new_store, new_ledger, cell->new_cell, &new, err);
    if (status == TARE_OK)
        conclude(&old, &new, confidence, cell);
    if (cell->old_cell->accuracy.known && cell->new_cell->accuracy.known)
        cell->ap_change = cell->new_cell->accuracy.coco[0] - cell->old_cell->accuracy.coco[0];
    return status;
}

static void pair_cells(const struct ledger *old_ledger, const struct ledger *new_ledger,
                       struct diff *diff)
{
    for (size_t i = 0; i < old_ledger->cell_count; i++) {
        const struct ledger_cell *old = &old_ledger->cells[i];
        const struct ledger_cell *new = find_cell(new_ledger, old->row.key);
        bool was = ledger_times(old) != NULL, is = new &&ledger_times(new);

        diff->cells[diff->count++] = (struct diff_cell){
            .old_cell = old,
            .new_cell = new,
            .state = was &&is ? DIFF_COMPARED
                     : was    ? DIFF_LOST
                              : DIFF_NEW,
        };
    }
    for (size_t i = 0; i < new_ledger->cell_count; i++)
        if (!find_cell(old_ledger, new_ledger->cells[i].row.key))
            diff->cells[diff->count++] =
                (struct diff_cell){.new_cell = &new_ledger->cells[i], .state = DIFF_NEW};
}

static bool is_over(const struct diff_cell *cell, double fail_above)
{
    if (isnan(fail_above))
        return false;
    return cell->state == DIFF_LOST ||
           (cell->state == DIFF_COMPARED && cell->ratio > 1 + fail_above && cell->interval.low > 1);
}

enum tare_status diff_build(struct store *old_store, const struct ledger *old_ledger,
                            struct store *new_store, const struct ledger *new_ledger,
                            const struct diff_options *options, struct diff *diff,
                            struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    size_t both = 0;

    memset(diff, 0, sizeof(*diff));
    if (!options->other_hosts)
        status = check_hosts(old_ledger, new_ledger, err);
    if (status == TARE_OK && !options->other_models)
        status = check_models(old_ledger, new_ledger, err);
    if (status != TARE_OK)
        return status;
    diff->cells = calloc(old_ledger->cell_count + new_ledger->cell_count + 1, sizeof(*diff->cells));
    if (!diff->cells)
        return tare_fail(err, TARE_NOMEM, "out of memory while comparing runs");
    pair_cells(old_ledger, new_ledger, diff);
    for (size_t i = 0; i < diff->count; i++)
        both += diff->cells[i].state == DIFF_COMPARED;
    if (both == 0)
        status = tare_fail(err, TARE_INVALID, "no cell was measured in both runs");
    for (size_t i = 0; i < diff->count && status == TARE_OK; i++) {
        struct diff_cell *cell = &diff->cells[i];

        cell->ratio = cell->ap_change = cell->interval.low = cell->interval.high = (double)NAN;
        if (cell->state == DIFF_COMPARED)
            status = compare(old_store, old_ledger, new_store, new_ledger,
                             1 - (1 - LEDGER_CONFIDENCE) / (double)both, cell, err);
        cell->over = is_over(cell, options->fail_above);
        diff->over += cell->over;
    }
    if (status != TARE_OK)
        diff_release(diff);
    return status;
}

void diff_release(struct diff *diff)
{
    free(diff->cells);
    memset(diff, 0, sizeof(*diff));
}
