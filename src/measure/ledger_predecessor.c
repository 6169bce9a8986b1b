/*
 * ledger_predecessor.c - does it matter to a visit which cell was visited before? (rule 1)
 *
 * Two figures of each visit: the log of its median, and the log of its first runs to that median.
 * From each is taken what its cell and its sweep have in common; what is left is grouped by the
 * predecessor. The order of a sweep was drawn at random, so under "no effect" any other order was
 * as likely: the orders are drawn again many times, and the largest |sum| / (sd * sqrt(n)) over all
 * predecessors and both figures makes each p hold over all of them (the single-step max-T of
 * Westfall and Young, 1993, with the permutation p of Phipson and Smyth, 2010).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "measure/ledger_inner.h"
#include "stats/quantile.h"
#include "stats/random.h"

#define FIGURES          2 /* median, after the switch */
#define MIN_VISITS       12
#define PERMUTATIONS     1999
#define MIN_PERMUTATIONS 199
#define MAX_WORK         ((size_t)40000000) /* visits over all permutations */
#define LEVEL            0.05
#define WORTH_A_WORD     0.001 /* smaller than a tenth of a per cent is no effect to anybody */

struct slot {
    size_t cell, sweep;
    int64_t position, predecessor_id, id;
    bool linked;             /* its predecessor is the slot before it */
    double figures[FIGURES]; /* NAN: none */
};

struct test {
    struct slot *slots; // (count), in the order of time
    size_t count, cells;
    size_t *order;             // (count) a drawn order: indices of slots
    double *sums;              // (FIGURES, cells)
    size_t *visits;            // (FIGURES, cells)
    double deviation[FIGURES]; /* of the centred values */
    double *largest;           // (permutations)
    double *observed;          // (FIGURES, cells)
};

static int by_time(const void *left, const void *right)
{
    const struct slot *a = left, *b = right;

    if (a->sweep != b->sweep)
        return a->sweep < b->sweep ? -1 : 1;
    return a->position < b->position ? -1 : a->position > b->position;
}

static size_t count_points(const struct ledger *ledger)
{
    size_t count = 0;

    for (size_t i = 0; i < ledger->cell_count; i++)
        count += ledger->cells[i].point_count;
    return count;
}

static void collect(const struct ledger *ledger, struct test *t)
{
    for (size_t i = 0; i < ledger->cell_count; i++)
        for (size_t k = 0; k < ledger->cells[i].point_count; k++) {
            const struct ledger_point *p = &ledger->cells[i].points[k];
            bool good = p->p50_ns > 0;

            if (p->sweep >= (int64_t)LEDGER_MAX_SWEEPS)
                continue;
            t->slots[t->count++] = (struct slot){
                .cell = i,
                .sweep = (size_t)p->sweep,
                .position = p->position,
                .predecessor_id = p->predecessor_id,
                .id = ledger->cells[i].row.id,
                .figures = {good ? log(p->p50_ns) : NAN, good && p->after_switch_ns > 0
                                                             ? log(p->after_switch_ns / p->p50_ns)
                                                             : NAN},
            };
        }
    qsort(t->slots, t->count, sizeof(*t->slots), by_time);
    for (size_t i = 0; i < t->count; i++) {
        t->order[i] = i;
        t->slots[i].linked = i > 0 && t->slots[i].predecessor_id == t->slots[i - 1].id;
    }
}

/* Takes cells and sweeps out of a figure and notes how much is left to vary. */
static enum tare_status centre(struct test *t, int figure, struct tare_err *err)
{
    struct ledger_response *values = calloc(t->count + 1, sizeof(*values));
    size_t count = 0;
    double squares = 0;
    enum tare_status status;

    if (!values)
        return tare_fail(err, TARE_NOMEM, "out of memory while making the ledger");
    for (size_t i = 0; i < t->count; i++)
        if (!isnan(t->slots[i].figures[figure]))
            values[count++] = (struct ledger_response){t->slots[i].cell, t->slots[i].sweep,
                                                       t->slots[i].figures[figure]};
    status = ledger_centre(values, count, t->cells, err);
    for (size_t i = 0, k = 0; i < t->count && status == TARE_OK; i++)
        if (!isnan(t->slots[i].figures[figure])) {
            t->slots[i].figures[figure] = values[k].value;
            squares += values[k].value * values[k].value;
            k++;
        }
    t->deviation[figure] = count ? sqrt(squares / (double)count) : 0;
    free(values);
    return status;
}

/* Sums by predecessor in the order that t->order holds. */
static void sum_by_predecessor(struct test *t)
{
    memset(t->sums, 0, FIGURES * t->cells * sizeof(*t->sums));
    memset(t->visits, 0, FIGURES * t->cells * sizeof(*t->visits));
    for (size_t i = 1; i < t->count; i++) {
        const struct slot *slot = &t->slots[t->order[i]];
        size_t before = t->slots[t->order[i - 1]].cell;

        if (!t->slots[i].linked || before == slot->cell)
            continue;
        for (int f = 0; f < FIGURES; f++)
            if (!isnan(slot->figures[f])) {
                t->sums[(size_t)f * t->cells + before] += slot->figures[f];
                t->visits[(size_t)f * t->cells + before]++;
            }
    }
}

static double statistic(const struct test *t, size_t index)
{
    double deviation = t->deviation[index / t->cells];

    if (t->visits[index] == 0 || deviation <= 0)
        return 0;
    return fabs(t->sums[index]) / (deviation * sqrt((double)t->visits[index]));
}

static void draw_order(struct test *t, struct random *random)
{
    for (size_t from = 0, end; from < t->count; from = end) {
        for (end = from; end < t->count && t->slots[end].sweep == t->slots[from].sweep; end++)
            t->order[end] = end;
        random_shuffle(random, t->order + from, end - from);
    }
}

static void permute(struct test *t, uint64_t seed, size_t permutations)
{
    struct random random;

    random_seed(&random, seed);
    for (size_t b = 0; b < permutations; b++) {
        draw_order(t, &random);
        sum_by_predecessor(t);
        for (size_t i = 0; i < FIGURES * t->cells; i++)
            t->largest[b] = fmax(t->largest[b], statistic(t, i));
    }
    quantile_sort(t->largest, permutations);
}

static double p_value(const struct test *t, double observed, size_t permutations)
{
    size_t at_least = 0;

    while (at_least < permutations &&
           t->largest[permutations - 1 - at_least] >= observed * (1 - 1e-12))
        at_least++;
    return (double)(at_least + 1) / (double)(permutations + 1);
}

static void conclude(const struct test *t, struct ledger_predecessors *p)
{
    double critical = quantile_sorted(t->largest, p->permutations, 1 - LEVEL), visits = 0;

    p->p = 1;
    for (size_t c = 0; c < t->cells; c++) {
        struct ledger_before *item = &p->items[p->count];
        struct ledger_effect *effects[] = {&item->median, &item->after_switch};

        if (t->visits[c] == 0)
            continue;
        item->cell = c;
        p->count++;
        for (size_t f = 0; f < FIGURES; f++) {
            size_t i = f * t->cells + c;

            *effects[f] = (struct ledger_effect){NAN, 1, t->visits[i]};
            if (t->visits[i] == 0)
                continue;
            effects[f]->change = expm1(t->sums[i] / (double)t->visits[i]);
            effects[f]->p = p_value(t, t->observed[i], p->permutations);
            p->p = fmin(p->p, effects[f]->p);
        }
        visits += (double)t->visits[c];
    }
    p->visits = (size_t)visits;
    p->detectable = p->count ? expm1(critical * t->deviation[0] / sqrt(visits / (double)p->count))
                             : (double)NAN;
}

static void word_effect(struct buf *out, const struct ledger *ledger,
                        const struct ledger_before *before, bool median)
{
    const struct ledger_effect *e = median ? &before->median : &before->after_switch;

    buf_printf(out, "%s '%s' %s %.1f %% %s than usual (p = %.2g)", out->size ? "; after" : "after",
               ledger->cells[before->cell].label, median ? "a visit is" : "the first runs are",
               100 * fabs(e->change), e->change > 0 ? "slower" : "faster", e->p);
}

static void word_verdict(struct ledger *ledger)
{
    struct ledger_predecessors *p = &ledger->predecessors;
    struct buf out = BUF_INIT;

    for (size_t i = 0; i < p->count; i++) {
        const struct ledger_before *b = &p->items[i];

        if (b->median.p <= LEVEL && fabs(b->median.change) >= WORTH_A_WORD)
            word_effect(&out, ledger, b, true);
        if (b->after_switch.p <= LEVEL && fabs(b->after_switch.change) >= WORTH_A_WORD)
            word_effect(&out, ledger, b, false);
    }
    if (out.size)
        (void)snprintf(p->sentence, sizeof(p->sentence), "%s", buf_text(&out));
    else
        (void)snprintf(p->sentence, sizeof(p->sentence),
                       "none is seen: which cell came before changes neither the visit's median nor"
                       " its first runs (p = %.2g); %.1f %% of the median would have been seen",
                       p->p, 100 * p->detectable);
    buf_release(&out);
}

static bool test_make(const struct ledger *ledger, struct test *t, size_t points)
{
    *t = (struct test){.cells = ledger->cell_count};
    t->slots = calloc(points + 1, sizeof(*t->slots));
    t->order = calloc(points + 1, sizeof(*t->order));
    t->sums = calloc(FIGURES * t->cells + 1, sizeof(*t->sums));
    t->visits = calloc(FIGURES * t->cells + 1, sizeof(*t->visits));
    t->observed = calloc(FIGURES * t->cells + 1, sizeof(*t->observed));
    t->largest = calloc(PERMUTATIONS, sizeof(*t->largest));
    return t->slots && t->order && t->sums && t->visits && t->observed && t->largest;
}

static void test_release(struct test *t)
{
    free(t->slots);
    free(t->order);
    free(t->sums);
    free(t->visits);
    free(t->observed);
    free(t->largest);
}

enum tare_status ledger_fill_predecessors(struct ledger *ledger, struct tare_err *err)
{
    struct ledger_predecessors *p = &ledger->predecessors;
    size_t points = count_points(ledger), measured = 0;
    struct test t;
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < ledger->cell_count; i++)
        measured += ledger_times(&ledger->cells[i]) != NULL;
    (void)snprintf(p->sentence, sizeof(p->sentence), "%s",
                   measured < 3 ? "not tested: it takes three cells"
                                : "not tested: too few visits");
    p->permutations = points ? MAX_WORK / points : 0;
    p->permutations = p->permutations > PERMUTATIONS ? PERMUTATIONS : p->permutations;
    if (measured < 3 || points < MIN_VISITS || p->permutations < MIN_PERMUTATIONS)
        return TARE_OK;
    p->items = calloc(ledger->cell_count + 1, sizeof(*p->items));
    if (!test_make(ledger, &t, points) || !p->items) {
        status = tare_fail(err, TARE_NOMEM, "out of memory while making the ledger");
        goto done;
    }
    collect(ledger, &t);
    for (int f = 0; f < FIGURES && status == TARE_OK; f++)
        status = centre(&t, f, err);
    if (status != TARE_OK)
        goto done;
    permute(&t, (uint64_t)ledger->run.seed, p->permutations);
    for (size_t i = 0; i < t.count; i++)
        t.order[i] = i;
    sum_by_predecessor(&t);
    for (size_t i = 0; i < FIGURES * t.cells; i++)
        t.observed[i] = statistic(&t, i);
    conclude(&t, p);
    p->known = p->count > 0;
    if (p->known)
        word_verdict(ledger);
done:
    test_release(&t);
    return status;
}
