/*
 * ledger_notes.c - what a reader must know beside the numbers: what was not measured and why, and
 * what to mind in what was.
 */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "measure/ledger_inner.h"
#include "measure/thread_count.h"
#include "stats/paired.h"
#include "stats/quantile.h"

#define MAX_NOTES       4096
#define LAYOUT_RESTARTS 5    /* rule 10 */
#define CLOCK_MARK      0.02 /* rule 7 */

enum tare_status ledger_add_note(struct ledger_notes *notes, struct tare_err *err,
                                 const char *subject, const char *format, ...)
{
    struct ledger_note *grown;
    va_list args;

    if (notes->count >= MAX_NOTES)
        return tare_fail(err, TARE_LIMIT, "more than %d notes", MAX_NOTES);
    grown = realloc(notes->items, (notes->count + 1) * sizeof(*grown));
    if (!grown)
        return tare_fail(err, TARE_NOMEM, "out of memory while making the ledger");
    notes->items = grown;
    grown += notes->count++;
    (void)snprintf(grown->subject, sizeof(grown->subject), "%s", subject);
    va_start(args, format);
    if (vsnprintf(grown->text, sizeof(grown->text), format, args) < 0)
        grown->text[0] = '\0';
    va_end(args);
    return TARE_OK;
}

static bool has_note(const struct ledger_notes *notes, const char *subject)
{
    for (size_t i = 0; i < notes->count; i++)
        if (strcmp(notes->items[i].subject, subject) == 0)
            return true;
    return false;
}

static enum tare_status copy_notes(struct store *store, struct ledger *ledger, struct tare_err *err)
{
    struct store_note *notes = NULL;
    size_t count = 0;
    enum tare_status status = store_notes(store, ledger->run.id, &notes, &count, err);

    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        struct ledger_notes *to = notes[i].kind == STORE_NOTE_NOT_MEASURED ? &ledger->missing
                                  : notes[i].kind == STORE_NOTE_WARNING    ? &ledger->warnings
                                                                           : &ledger->trust;

        status = ledger_add_note(to, err, notes[i].subject, "%s", notes[i].text);
    }
    free(notes);
    return status;
}

static enum tare_status note_lost_cells(struct ledger *ledger, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < ledger->cell_count && status == TARE_OK; i++) {
        const struct ledger_cell *cell = &ledger->cells[i];
        const char *reason = cell->row.reason[0] ? cell->row.reason : "no reason was recorded";

        if (cell->row.state == STORE_CELL_FAILED)
            status = ledger_add_note(&ledger->missing, err, cell->label, "failed: %s", reason);
        else if (cell->row.state == STORE_CELL_SKIPPED)
            status = ledger_add_note(&ledger->missing, err, cell->label, "skipped: %s", reason);
        else if (!ledger_times(cell))
            status = ledger_add_note(&ledger->missing, err, cell->label, "no valid visit");
    }
    return status;
}

struct summary {
    size_t measured, with_p99, with_mode[LEDGER_MODES], with_accuracy, with_clock;
    size_t fewest_restarts, fewest_sweeps;
    double least_effective;
};

static struct summary summarise(const struct ledger *ledger)
{
    struct summary s = {
        .fewest_restarts = SIZE_MAX, .fewest_sweeps = SIZE_MAX, .least_effective = INFINITY};

    for (size_t i = 0; i < ledger->cell_count; i++) {
        const struct ledger_cell *cell = &ledger->cells[i];
        const struct ledger_times *times = ledger_times(cell);

        if (!times)
            continue;
        s.measured++;
        s.with_p99 += times->p99.kind == LEDGER_TAIL_INTERVAL;
        s.with_accuracy += cell->accuracy.known;
        s.with_clock += !isnan(times->mean_clock_hz);
        for (int mode = 0; mode < LEDGER_MODES; mode++)
            s.with_mode[mode] += cell->times[mode].samples > 0;
        s.least_effective = fmin(s.least_effective, times->p99.effective);
        if (cell->restarts < s.fewest_restarts)
            s.fewest_restarts = cell->restarts;
        if (times->sweeps < s.fewest_sweeps)
            s.fewest_sweeps = times->sweeps;
    }
    return s;
}

static bool has_annotations(const struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->file_count; i++)
        if (strcmp(ledger->files[i].role, "annotations") == 0)
            return true;
    return false;
}

static enum tare_status note_what_the_study_left_out(struct ledger *ledger, struct tare_err *err)
{
    struct summary s = summarise(ledger);
    struct ledger_notes *missing = &ledger->missing;
    enum tare_status status = TARE_OK;

    if (s.measured == 0)
        return TARE_OK;
    if (!has_note(missing, "accuracy") && s.with_accuracy == 0)
        status = ledger_add_note(missing, err, "accuracy", "%s",
                                 has_annotations(ledger) ? "the run ended before it came to that"
                                                         : "no annotations were given");
    if (status == TARE_OK && s.with_p99 < s.measured && !s.with_mode[STORE_VISIT_THROUGHPUT])
        status =
            ledger_add_note(missing, err, "p99",
                            "an interval needs %zu independent samples, the fewest here are "
                            "worth %.0f: \"≤\" marks a 95 %% bound on the quantile named",
                            quantile_need_two_sided(0.99, LEDGER_CONFIDENCE), s.least_effective);
    if (status == TARE_OK && s.with_mode[STORE_VISIT_PACED] == 0)
        status = ledger_add_note(missing, err, "paced latency",
                                 "%s only: a camera at a fixed rate meets other caches "
                                 "and clocks",
                                 s.with_mode[STORE_VISIT_THROUGHPUT] ? "many streams at once"
                                                                     : "back to back");
    if (status == TARE_OK && s.with_mode[STORE_VISIT_SOAK] == 0)
        status = ledger_add_note(missing, err, "sustained speed",
                                 "no visit of 60 s or more: what heat does to it is not known");
    if (status == TARE_OK && s.with_clock == 0)
        status = ledger_add_note(missing, err, "core clocks",
                                 "not readable here, so a pair at unlike clocks is not marked");
    if (status == TARE_OK && !has_note(missing, "energy") && !ledger_fact(ledger, "run.energy")[0])
        status = ledger_add_note(missing, err, "energy", "no sensor was read: no figure");
    if (status == TARE_OK && s.fewest_restarts < LAYOUT_RESTARTS)
        status =
            ledger_add_note(missing, err, "layout bias",
                            "%zu worker restart%s a cell, %d are needed: differences under "
                            "2 %% may be where memory happened to lie",
                            s.fewest_restarts, s.fewest_restarts == 1 ? "" : "s", LAYOUT_RESTARTS);
    return status;
}

static enum tare_status warn_of_cells(struct ledger *ledger, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < ledger->cell_count && status == TARE_OK; i++) {
        const struct ledger_cell *cell = &ledger->cells[i];
        const struct ledger_times *times = ledger_times(cell);

        if (!times)
            continue;
        if (times->invalid_visits)
            status = ledger_add_note(&ledger->warnings, err, cell->label,
                                     "%zu of %zu visits were invalid and are left out",
                                     times->invalid_visits, times->invalid_visits + times->visits);
        if (status == TARE_OK && !cell->steady)
            status = ledger_add_note(&ledger->warnings, err, cell->label,
                                     "%zu of %zu warm-ups did not become steady", cell->unsteady,
                                     cell->restarts);
        if (status == TARE_OK && cell->row.executed_precision[0] &&
            strcmp(cell->row.executed_precision, cell->row.precision) != 0)
            status = ledger_add_note(&ledger->warnings, err, cell->label,
                                     "asked for %s, but the runtime executed %s%s%s%s",
                                     cell->row.precision, cell->row.executed_precision,
                                     cell->row.provider[0] ? " (" : "", cell->row.provider,
                                     cell->row.provider[0] ? ")" : "");
    }
    return status;
}

static enum tare_status warn_of_lines(struct ledger *ledger, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < ledger->line_count && status == TARE_OK; i++) {
        const struct ledger_line *line = &ledger->lines[i];
        const struct ledger_times *a = ledger_times(&ledger->cells[line->cell]);
        const struct ledger_times *b = ledger_times(&ledger->cells[line->baseline]);

        if (!a || !b || isnan(a->mean_clock_hz) || isnan(b->mean_clock_hz))
            continue;
        if (fabs(a->mean_clock_hz / b->mean_clock_hz - 1) > CLOCK_MARK)
            status = ledger_add_note(&ledger->warnings, err, line->row.name,
                                     "mean clocks differ: %.2f against %.2f GHz",
                                     a->mean_clock_hz / 1e9, b->mean_clock_hz / 1e9);
    }
    return status;
}

/* Rule 1: what the test of predecessors found, where it is large enough to matter. */
static enum tare_status warn_of_predecessors(struct ledger *ledger, struct tare_err *err)
{
    const struct ledger_predecessors *p = &ledger->predecessors;
    enum tare_status status = TARE_OK;

    if (p->known)
        status = ledger_add_note(&ledger->trust, err, "predecessor effect", "%s", p->sentence);
    for (size_t i = 0; i < p->count && status == TARE_OK; i++) {
        const struct ledger_effect *e = &p->items[i].median;

        if (e->p <= 0.05 && fabs(e->change) > 0.005)
            status =
                ledger_add_note(&ledger->warnings, err, ledger->cells[p->items[i].cell].label,
                                "visits right after it are %.1f %% %s than usual (p = %.2g)",
                                100 * fabs(e->change), e->change > 0 ? "slower" : "faster", e->p);
    }
    return status;
}

static enum tare_status warn_of_run(struct ledger *ledger, struct tare_err *err)
{
    struct summary s = summarise(ledger);
    enum tare_status status = TARE_OK;

    if (ledger->run.state != STORE_RUN_COMPLETE)
        status = ledger_add_note(&ledger->warnings, err, "run",
                                 ledger->run.state == STORE_RUN_RUNNING
                                     ? "it had not ended when this was written"
                                     : "it was interrupted: the sweeps done so far are here");
    if (status == TARE_OK && s.measured > s.with_mode[STORE_VISIT_SOAK] && s.fewest_sweeps < 20)
        status = ledger_add_note(&ledger->warnings, err, "sweeps",
                                 "%zu sweeps: intervals are wider than with the 20 that are "
                                 "recommended",
                                 s.fewest_sweeps);
    if (status == TARE_OK && ledger->decision.candidates > 2 &&
        ledger->decision.confirmation == LEDGER_UNCONFIRMED)
        status = ledger_add_note(&ledger->warnings, err, "decision",
                                 "the fastest of %zu cells looks faster than it is by a little: "
                                 "measure it again, without --no-confirm",
                                 ledger->decision.candidates);
    return status;
}

/*
 * What this very run could see: the slow-down that its lines, whose intervals hold together, would
 * be called slower for in 95 % of tries; the median and the worst of them.
 */
static enum tare_status tell_detectable(struct ledger *ledger, struct tare_err *err)
{
    double *values = calloc(ledger->line_count + 1, sizeof(*values));
    enum tare_status status = TARE_OK;
    size_t count = 0;

    if (!values)
        return tare_fail(err, TARE_NOMEM, "out of memory while making the ledger");
    for (size_t i = 0; i < ledger->line_count; i++) {
        double detectable = ledger_detectable(&ledger->lines[i]);

        if (!isnan(detectable))
            values[count++] = detectable;
    }
    quantile_sort(values, count);
    if (count > 0)
        status = ledger_add_note(&ledger->trust, err, "this run",
                                 "a line's slow-down is seen in 95 %% of tries from %.1f %% on "
                                 "(median of %zu lines; the worst: %.1f %%)",
                                 100 * quantile_sorted(values, count, 0.5), count,
                                 100 * values[count - 1]);
    free(values);
    return status;
}

/* What a study with a width aimed at, and what came out. */
static enum tare_status tell_width(struct ledger *ledger, struct tare_err *err)
{
    double aim = strtod(ledger_fact(ledger, "run.width"), NULL), widest = 0;
    size_t sweeps = 0;

    for (size_t i = 0; i < ledger->line_count; i++) {
        const struct ledger_line *line = &ledger->lines[i];

        if (line->verdict == LEDGER_NOT_MEASURED)
            continue;
        widest = fmax(widest, line->ratio_interval.high / line->ratio - 1);
        sweeps = line->sweeps > sweeps ? line->sweeps : sweeps;
    }
    if (!(aim > 0) || widest <= 0)
        return TARE_OK;
    return ledger_add_note(&ledger->trust, err, "width",
                           "aimed at %.3g %% either way in every line, fixed by the first sweeps: "
                           "the widest of %zu lines is %.3g %% after %zu sweeps",
                           100 * aim, ledger->line_count, 100 * widest, sweeps);
}

enum tare_status ledger_fill_notes(struct store *store, struct ledger *ledger, struct tare_err *err)
{
    enum tare_status status = note_lost_cells(ledger, err);

    if (status == TARE_OK)
        status = copy_notes(store, ledger, err);
    if (status == TARE_OK)
        status = note_what_the_study_left_out(ledger, err);
    if (status == TARE_OK)
        status = warn_of_run(ledger, err);
    if (status == TARE_OK)
        status = warn_of_cells(ledger, err);
    if (status == TARE_OK)
        status = warn_of_lines(ledger, err);
    if (status == TARE_OK)
        status = warn_of_predecessors(ledger, err);
    if (status == TARE_OK)
        status = tell_detectable(ledger, err);
    if (status == TARE_OK)
        status = tell_width(ledger, err);
    if (status == TARE_OK)
        status = thread_count_notes(ledger, err);
    return status;
}
