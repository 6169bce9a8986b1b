/*
 * ledger_cold.c - cold starts of a run (rule 5; cold.h says what is in the store): medians of their
 * parts, and of the whole the interval that order statistics give without any assumption.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/cold.h"
#include "measure/ledger_inner.h"
#include "stats/quantile.h"

const char *ledger_cold_state_name(enum ledger_cold_state state)
{
    static const char *const names[] = {"dropped", "warm"};

    return names[state];
}

const char *ledger_cold_part_name(enum ledger_cold_part part)
{
    static const char *const names[] = {"start_ns", "plugin_ns",    "session_ns",
                                        "input_ns", "first_run_ns", "total_ns"};

    return names[part];
}

bool ledger_cold_parse(const char *name, enum ledger_cold_state *state, int64_t *n,
                       const char **part)
{
    char *end;

    if (strncmp(name, "cold.", 5) != 0)
        return false;
    name += 5;
    for (int s = 0; s < LEDGER_COLD_STATES; s++) {
        const char *word = ledger_cold_state_name((enum ledger_cold_state)s);
        size_t length = strlen(word);

        if (strncmp(name, word, length) != 0 || name[length] != '.')
            continue;
        *state = (enum ledger_cold_state)s;
        *n = strtoll(name + length + 1, &end, 10);
        *part = end + 1;
        return end != name + length + 1 && *end == '.' && *n >= 0 && *n < COLD_MAX;
    }
    return false;
}

/* --- one cell --- */

/* Values of one state, NAN where there are none. */
struct starts {
    double part_ns[LEDGER_COLD_PARTS][COLD_MAX];
    double stayed[COLD_MAX];
};

static void read_figure(const struct store_figure *figure, struct starts *starts)
{
    enum ledger_cold_state state;
    const char *part;
    int64_t n;

    if (!ledger_cold_parse(figure->name, &state, &n, &part) || !isfinite(figure->value))
        return;
    if (strcmp(part, LEDGER_COLD_STAYED) == 0)
        starts[state].stayed[n] = figure->value;
    for (int p = 0; p < LEDGER_COLD_PARTS; p++)
        if (strcmp(part, ledger_cold_part_name((enum ledger_cold_part)p)) == 0)
            starts[state].part_ns[p][n] = figure->value;
}

/* The page cache counts as dropped where hardly any page stayed; pages that stayed leave their
 * start out, or, where they always did, name what was measured instead. */
static bool counts(const struct starts *starts, size_t n, bool any)
{
    if (isnan(starts->part_ns[LEDGER_COLD_TOTAL][n]))
        return false;
    return any || isnan(starts->stayed[n]) || starts->stayed[n] <= LEDGER_COLD_MAY_STAY;
}

static size_t gather(const struct starts *starts, int part, bool any, double *values)
{
    size_t count = 0;

    for (size_t n = 0; n < COLD_MAX; n++)
        if (counts(starts, n, any) && !isnan(starts->part_ns[part][n]))
            values[count++] = starts->part_ns[part][n];
    quantile_sort(values, count);
    return count;
}

static void fill_state(const struct starts *starts, struct ledger_cold *cold)
{
    double values[COLD_MAX];
    size_t rank;
    bool any;

    cold->total_ns = (struct ledger_interval){NAN, NAN};
    for (size_t n = 0; n < COLD_MAX; n++) {
        cold->tried += !isnan(starts->part_ns[LEDGER_COLD_TOTAL][n]);
        cold->most_stayed = fmax(cold->most_stayed, starts->stayed[n]);
    }
    cold->starts = gather(starts, LEDGER_COLD_TOTAL, false, values);
    cold->dropped = cold->starts > 0;
    any = !cold->dropped;
    for (int p = 0; p < LEDGER_COLD_PARTS; p++) {
        cold->starts = gather(starts, p, any, values);
        cold->median_ns[p] = quantile_sorted(values, cold->starts, 0.5);
    }
    rank = quantile_median_rank(cold->starts, LEDGER_CONFIDENCE);
    if (rank)
        cold->total_ns = (struct ledger_interval){values[rank - 1], values[cold->starts - rank]};
    cold->least_ns = quantile_sorted(values, cold->starts, 0);
    cold->most_ns = quantile_sorted(values, cold->starts, 1);
}

/* The single starts are samples; what stays in the list are the cell's other figures. */
static void remove_figures(struct ledger_cell *cell)
{
    size_t kept = 0;

    for (size_t i = 0; i < cell->figure_count; i++)
        if (strncmp(cell->figures[i].name, "cold.", 5) != 0)
            cell->figures[kept++] = cell->figures[i];
    cell->figure_count = kept;
}

static enum tare_status read_cell(struct ledger_cell *cell, struct tare_err *err)
{
    struct starts *starts = malloc(LEDGER_COLD_STATES * sizeof(*starts));
    double *all = (double *)starts;

    if (!starts)
        return tare_fail(err, TARE_NOMEM, "out of memory while making the ledger");
    for (size_t i = 0; i < LEDGER_COLD_STATES * sizeof(*starts) / sizeof(double); i++)
        all[i] = NAN;
    for (size_t i = 0; i < cell->figure_count; i++)
        read_figure(&cell->figures[i], starts);
    for (int s = 0; s < LEDGER_COLD_STATES; s++)
        fill_state(&starts[s], &cell->cold[s]);
    remove_figures(cell);
    free(starts);
    return TARE_OK;
}

/* --- notes --- */

static enum tare_status note_cell(struct ledger *ledger, const struct ledger_cell *cell,
                                  size_t asked, struct tare_err *err)
{
    const struct ledger_cold *dropped = &cell->cold[LEDGER_COLD_DROPPED];
    char key[64];
    const char *why;

    (void)snprintf(key, sizeof(key), COLD_FACT_FAILED "%lld", (long long)cell->row.id);
    why = ledger_fact(ledger, key);
    if (dropped->tried < asked)
        return ledger_add_note(&ledger->missing, err, "cold start", "'%s': %zu of %zu starts%s%s",
                               cell->label, dropped->tried, asked, why[0] ? ": " : "", why);
    if (!dropped->dropped)
        return ledger_add_note(&ledger->missing, err, "cold start",
                               "'%s': page cache not dropped, up to %.1f %% of the pages stayed: "
                               "another process holds them",
                               cell->label, 100 * dropped->most_stayed);
    if (dropped->starts < dropped->tried)
        return ledger_add_note(&ledger->warnings, err, "cold start",
                               "'%s': %zu of %zu starts are left out, up to %.1f %% of the pages "
                               "had stayed",
                               cell->label, dropped->tried - dropped->starts, dropped->tried,
                               100 * dropped->most_stayed);
    return TARE_OK;
}

enum tare_status ledger_fill_cold(struct ledger *ledger, struct tare_err *err)
{
    size_t asked = (size_t)strtoull(ledger_fact(ledger, COLD_FACT_ASKED), NULL, 10);
    enum tare_status status = TARE_OK;
    bool any = false;

    for (size_t i = 0; i < ledger->cell_count && status == TARE_OK; i++) {
        status = read_cell(&ledger->cells[i], err);
        any = any || ledger_times(&ledger->cells[i]);
    }
    if (status == TARE_OK && any && asked == 0)
        status = ledger_add_note(&ledger->missing, err, "cold start",
                                 "not asked for: --cold 10 starts every cell with the page cache "
                                 "dropped and warm");
    for (size_t i = 0; i < ledger->cell_count && status == TARE_OK && asked; i++)
        if (ledger_times(&ledger->cells[i]))
            status = note_cell(ledger, &ledger->cells[i], asked, err);
    return status;
}
