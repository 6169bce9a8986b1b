/*
 * ledger_decide.c - which cell to pick, in one sentence that claims no more than was measured.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json_tree.h"
#include "measure/ledger_inner.h"

#define DEFAULT_AP_ALLOWED 0.01

void ledger_put_ms(char *text, size_t text_bytes, double ns)
{
    double ms = ns / 1e6, size = fabs(ms);
    int places = 0;

    if (isnan(ns)) {
        (void)snprintf(text, text_bytes, "–");
        return;
    }
    if (size < 100 && size > 0)
        for (places = 1; places < 7 && size * pow(10, places) < 99.95; places++)
            continue;
    (void)snprintf(text, text_bytes, "%.*f", places, ms);
}

/* What the study itself says of who may be chosen; 0 where it says nothing. */
static void read_limits(const struct ledger *ledger, double *max_drop, double *max_ap_drop)
{
    struct json_tree *tree = NULL;

    *max_drop = *max_ap_drop = 0;
    if (json_parse(ledger->run.study, strlen(ledger->run.study), &tree, NULL) != TARE_OK)
        return;
    *max_drop = json_number(json_get(json_root(tree), "max_drop"), 0);
    *max_ap_drop = json_number(json_get(json_root(tree), "max_ap_drop"), 0);
    json_free(tree);
}

static bool near_enough(const struct ledger_decision *decision, const struct ledger *ledger,
                        const struct ledger_cell *cell)
{
    const struct ledger_cell *reference = &ledger->cells[decision->reference];

    if (decision->found_allowed > 0 &&
        (!cell->agreement.known || cell->agreement.found < decision->found_allowed - 1e-12))
        return false;
    if (!decision->accuracy_known)
        return true;
    return cell->accuracy.known &&
           cell->accuracy.coco[0] >= reference->accuracy.coco[0] - decision->ap_allowed - 1e-12;
}

/* The null backend is there to weigh the harness: nobody can ship it. */
static bool does_work(const struct ledger_cell *cell)
{
    return strcmp(cell->row.runtime, "null") != 0 && strcmp(cell->row.runtime, "skeleton") != 0;
}

/* Among themselves such cells may win: that is a rehearsal. */
static bool any_does_work(const struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->cell_count; i++)
        if (does_work(&ledger->cells[i]))
            return true;
    return false;
}

/* Who comes next after the winner. */
static void find_runner_up(struct ledger *ledger, const bool *candidates)
{
    struct ledger_decision *d = &ledger->decision;
    double best = INFINITY;

    d->runner_up = d->winner;
    for (size_t i = 0; i < ledger->cell_count; i++) {
        if (!candidates[i] || i == d->winner || !(ledger_times(&ledger->cells[i])->p50_ns < best))
            continue;
        best = ledger_times(&ledger->cells[i])->p50_ns;
        d->runner_up = i;
    }
}

/* Sorts out who may win and who has the smallest median. */
static bool find_winner(struct ledger *ledger, bool *candidates)
{
    struct ledger_decision *d = &ledger->decision;
    bool working = any_does_work(ledger);
    double best = INFINITY;

    for (size_t i = 0; i < ledger->cell_count; i++) {
        const struct ledger_times *times = ledger_times(&ledger->cells[i]);

        if (working && !does_work(&ledger->cells[i]))
            continue;
        candidates[i] = times && near_enough(d, ledger, &ledger->cells[i]);
        d->candidates += candidates[i];
        d->excluded += times && !candidates[i];
        if (candidates[i] && times->p50_ns < best) {
            best = times->p50_ns;
            d->winner = i;
        }
    }
    find_runner_up(ledger, candidates);
    return d->candidates > 0;
}

/* Everyone who may win against the winner; who does not differ from it is a tie. */
static enum tare_status find_ties(struct ledger *ledger, const bool *candidates,
                                  const struct ledger_visits *visits, struct tare_err *err)
{
    struct ledger_decision *d = &ledger->decision;
    struct ledger_pair *pairs = calloc(ledger->cell_count + 1, sizeof(*pairs));
    size_t count = 0;
    enum tare_status status;

    if (!pairs)
        return tare_fail(err, TARE_NOMEM, "out of memory while making the ledger");
    for (size_t i = 0; i < ledger->cell_count; i++)
        if (candidates[i] && i != d->winner)
            pairs[count++] = (struct ledger_pair){.cell = i, .baseline = d->winner};
    status = ledger_compare_pairs(visits, pairs, count, (uint64_t)ledger->run.seed + 1, err);
    for (size_t p = 0; p < count && status == TARE_OK; p++)
        if (!(pairs[p].ratio_interval.low > 1) && d->tie_count < LEDGER_MAX_WINNERS)
            d->ties[d->tie_count++] =
                (struct ledger_pick){pairs[p].cell, pairs[p].ratio, pairs[p].ratio_interval};
    free(pairs);
    return status;
}

/* Whether the data bear that the winner is within what was allowed: its whole interval must be. */
static void say_doubt(const struct ledger *ledger, struct buf *out)
{
    const struct ledger_decision *d = &ledger->decision;
    const struct ledger_ap *ap = &ledger->cells[d->winner].ap_to_reference;

    if (!d->accuracy_known && d->found_allowed > 0)
        return;
    if (!d->accuracy_known)
        buf_append_text(out, ". Accuracy was not measured");
    else if (d->winner != d->reference && ap->known && !ap->identical &&
             ap->interval.low < -d->ap_allowed)
        buf_printf(out, ". %lld pictures are too few to be sure of the AP",
                   (long long)ap->pictures);
}

static void say_ties(const struct ledger *ledger, struct buf *out)
{
    const struct ledger_decision *d = &ledger->decision;

    if (d->tie_count == 0)
        return;
    buf_append_text(out, "; not separable:");
    for (size_t i = 0; i < d->tie_count && i < 4; i++)
        buf_printf(out, "%s %s",
                   i == 0                                       ? ""
                   : i + 1 == d->tie_count && d->tie_count <= 4 ? " and"
                                                                : ",",
                   ledger->cells[d->ties[i].cell].label);
    if (d->tie_count > 4)
        buf_printf(out, " and %zu more", d->tie_count - 4);
}

static void say_confirmed(const struct ledger *ledger, struct buf *out)
{
    const struct ledger_decision *d = &ledger->decision;
    const struct ledger_pick *against = &d->confirmed_against;

    if (d->confirmation == LEDGER_UNCONFIRMED)
        return;
    buf_printf(out, "; %s on %zu fresh sweeps: %s takes %.3g times as long (%.3g to %.3g)",
               d->confirmation == LEDGER_CONFIRMED ? "confirmed" : "not confirmed",
               d->confirm_sweeps, ledger->cells[against->cell].label, against->ratio,
               against->ratio_interval.low, against->ratio_interval.high);
}

static void say(struct ledger *ledger)
{
    struct ledger_decision *d = &ledger->decision;
    struct buf out = BUF_INIT;
    char ms[32];

    if (!d->known) {
        (void)snprintf(d->sentence, sizeof(d->sentence),
                       "No decision: nothing was measured in this run");
        return;
    }
    ledger_put_ms(ms, sizeof(ms), ledger_times(&ledger->cells[d->winner])->p50_ns);
    if (d->candidates == 1 && d->excluded == 0)
        buf_printf(&out, "Only one cell was measured: %s (%s ms", ledger->cells[d->winner].label,
                   ms);
    else if (d->found_allowed > 0)
        buf_printf(&out, "Fastest that finds %g %% of the reference's boxes again: %s (%s ms",
                   100 * d->found_allowed, ledger->cells[d->winner].label, ms);
    else if (d->accuracy_known)
        buf_printf(&out, "Fastest within %g AP: %s (%s ms", 100 * d->ap_allowed,
                   ledger->cells[d->winner].label, ms);
    else
        buf_printf(&out, "Fastest: %s (%s ms", ledger->cells[d->winner].label, ms);
    if (d->accuracy_known)
        buf_printf(&out, ", AP %.1f", 100 * ledger->cells[d->winner].accuracy.coco[0]);
    if (d->found_allowed > 0)
        buf_printf(&out, ", %.1f %% found", 100 * ledger->cells[d->winner].agreement.found);
    buf_append_char(&out, ')');
    say_confirmed(ledger, &out);
    say_ties(ledger, &out);
    say_doubt(ledger, &out);
    (void)snprintf(d->sentence, sizeof(d->sentence), "%s.", buf_text(&out));
    buf_release(&out);
}

enum tare_status ledger_decide(struct store *store, const struct ledger_options *options,
                               struct ledger *ledger, const struct ledger_visits *visits,
                               struct tare_err *err)
{
    struct ledger_decision *d = &ledger->decision;
    bool *candidates = calloc(ledger->cell_count + 1, sizeof(*candidates));
    double max_drop, max_ap_drop;
    enum tare_status status = TARE_OK;

    if (!candidates)
        return tare_fail(err, TARE_NOMEM, "out of memory while making the ledger");
    read_limits(ledger, &max_drop, &max_ap_drop);
    d->ap_allowed = options->ap_allowed > 0 ? options->ap_allowed
                    : max_ap_drop > 0       ? max_ap_drop
                                            : DEFAULT_AP_ALLOWED;
    d->found_allowed = max_drop > 0 ? 1 - max_drop : 0;
    d->known = find_winner(ledger, candidates);
    if (d->known)
        status = find_ties(ledger, candidates, visits, err);
    if (d->known && status == TARE_OK)
        status = ledger_confirm(store, ledger, err);
    if (status == TARE_OK)
        say(ledger);
    free(candidates);
    return status;
}
