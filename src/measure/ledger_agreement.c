/*
 * ledger_agreement.c - how far cells agree with the run's reference, from the figures that the run
 * left, and the front of latency against agreement.
 */
#include <math.h>
#include <string.h>

#include "measure/ledger_inner.h"

double ledger_figure(const struct ledger_cell *cell, const char *name)
{
    for (size_t i = 0; i < cell->figure_count; i++)
        if (strcmp(cell->figures[i].name, name) == 0)
            return cell->figures[i].value;
    return NAN;
}

static void fill_cell(struct ledger *ledger, struct ledger_cell *cell)
{
    double reference = ledger_figure(cell, "agreement.reference");

    cell->agreement.found = ledger_figure(cell, "agreement.found");
    cell->agreement.interval.low = ledger_figure(cell, "agreement.found.low");
    cell->agreement.interval.high = ledger_figure(cell, "agreement.found.high");
    cell->agreement.known = !isnan(reference) && !isnan(cell->agreement.found);
    for (size_t i = 0; i < ledger->cell_count && cell->agreement.known; i++)
        if ((double)ledger->cells[i].row.id == reference)
            ledger->cells[i].agreement =
                (struct ledger_agreement){true, 1, {NAN, NAN}, ledger->cells[i].agreement.front};
}

/* Whether a beats b: as good in both, better in one. */
static bool beats(const struct ledger_cell *a, const struct ledger_cell *b)
{
    double fast = ledger_times(a)->p50_ns, slow = ledger_times(b)->p50_ns;

    return fast <= slow && a->agreement.found >= b->agreement.found &&
           (fast < slow || a->agreement.found > b->agreement.found);
}

static bool on_front(const struct ledger *ledger, const struct ledger_cell *cell)
{
    if (!cell->agreement.known || !ledger_times(cell))
        return false;
    for (size_t i = 0; i < ledger->cell_count; i++) {
        const struct ledger_cell *other = &ledger->cells[i];

        if (other != cell && other->agreement.known && ledger_times(other) && beats(other, cell))
            return false;
    }
    return true;
}

void ledger_fill_agreement(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->cell_count; i++)
        if (!ledger->cells[i].agreement.known)
            fill_cell(ledger, &ledger->cells[i]);
    for (size_t i = 0; i < ledger->cell_count; i++)
        ledger->cells[i].agreement.front = on_front(ledger, &ledger->cells[i]);
}
