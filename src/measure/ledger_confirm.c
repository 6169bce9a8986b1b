/*
 * ledger_confirm.c - whether the fresh sweeps of the winner bear the decision (rule 11).
 */
#include <math.h>
#include <string.h>

#include "measure/confirm.h"
#include "measure/ledger_inner.h"

/* The ties are from the sweeps that the winner was picked by; of the runner-up the fresh ones
 * speak. */
static void correct_ties(struct ledger_decision *d)
{
    size_t kept = 0;

    for (size_t i = 0; i < d->tie_count; i++)
        if (d->ties[i].cell != d->confirmed_against.cell)
            d->ties[kept++] = d->ties[i];
    d->tie_count = kept;
    if (d->confirmation == LEDGER_REFUTED && kept < LEDGER_MAX_WINNERS) {
        memmove(d->ties + 1, d->ties, kept * sizeof(d->ties[0]));
        d->ties[0] = d->confirmed_against;
        d->tie_count++;
    }
}

static void conclude(const struct ledger_pair *pair, size_t other, struct ledger_decision *d)
{
    d->confirm_sweeps = pair->sweeps;
    if (isnan(pair->ratio_interval.low))
        return;
    d->confirmed_against = (struct ledger_pick){other, pair->ratio, pair->ratio_interval};
    d->confirmation = pair->ratio_interval.low > 1 ? LEDGER_CONFIRMED : LEDGER_REFUTED;
    correct_ties(d);
}

enum tare_status ledger_confirm(struct store *store, struct ledger *ledger, struct tare_err *err)
{
    struct ledger_visits visits[2] = {{0}, {0}}; /* the other, the winner */
    struct ledger_pair pair = {.cell = 0, .baseline = 1};
    struct tare_err inner = TARE_ERR_INIT;
    struct confirm_pick pick;
    size_t other = 0;
    enum tare_status status = confirm_load(store, ledger->run.id, &pick, &inner);

    ledger->decision.confirmed_against.ratio_interval = (struct ledger_interval){NAN, NAN};
    if (status == TARE_ABSENT)
        return TARE_OK;
    if (status != TARE_OK)
        return tare_fail(err, status, "%s", inner.text);
    while (other < ledger->cell_count && ledger->cells[other].row.id != pick.other_id)
        other++;
    /* A reader who allows another loss of AP may have another winner. */
    if (other == ledger->cell_count || other == ledger->decision.winner ||
        ledger->cells[ledger->decision.winner].row.id != pick.winner_id)
        return TARE_OK;
    status = ledger_load_visits(store, pick.other_id, STORE_VISIT_CONFIRM, &visits[0], err);
    if (status == TARE_OK)
        status = ledger_load_visits(store, pick.winner_id, STORE_VISIT_CONFIRM, &visits[1], err);
    if (status == TARE_OK)
        status = ledger_compare_pairs(visits, &pair, 1, (uint64_t)ledger->run.seed + 2, err);
    if (status == TARE_OK)
        conclude(&pair, other, &ledger->decision);
    ledger_release_visits(&visits[0]);
    ledger_release_visits(&visits[1]);
    return status;
}
