/* ledger_energy_notes.c - what a reader must know of the joules, or of why there are none. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/energy.h"
#include "measure/gpu.h"
#include "measure/ledger_inner.h"

static const char *fact_of(const struct ledger *ledger, const char *device, const char *name)
{
    char key[100];

    (void)snprintf(key, sizeof(key), "energy.%.30s.%s", device, name);
    return ledger_fact(ledger, key);
}

static bool first_on_device(const struct ledger *ledger, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(ledger->cells[i].row.device, ledger->cells[index].row.device) == 0)
            return false;
    return gpu_is(ledger->cells[index].row.device);
}

static enum tare_status note_device(struct ledger *ledger, const struct ledger_cell *cell,
                                    struct tare_err *err)
{
    const char *device = cell->row.device, *why = fact_of(ledger, device, "why");
    const char *context = fact_of(ledger, device, "context_why");
    double period = strtod(fact_of(ledger, device, "period_ns"), NULL) / 1e6;
    enum tare_status status = TARE_OK;

    if (why[0])
        return ledger_add_note(&ledger->missing, err, "energy", "'%s': %s", device, why);
    if (!fact_of(ledger, device, "source")[0])
        return TARE_OK;
    if (context[0])
        status =
            ledger_add_note(&ledger->missing, err, "context open",
                            "the power of '%s' with a context and no model: %s", device, context);
    if (status == TARE_OK && cell->energy.stand_in)
        status = ledger_add_note(&ledger->warnings, err, "energy",
                                 "a stand-in took the place of the sensor of '%s': no joule here "
                                 "is a measurement",
                                 device);
    if (status == TARE_OK && cell->energy.integrated)
        status = ledger_add_note(&ledger->warnings, err, "energy",
                                 "'%s' has no energy counter that counts: its power was read and "
                                 "integrated, and a reading may be a mean over up to a second",
                                 device);
    if (status == TARE_OK && period > 0)
        status = ledger_add_note(&ledger->trust, err, "energy",
                                 "the sensor of '%s' changes every %.3g ms", device, period);
    return status;
}

/* One that could have had joules, and that the study did not ask for. */
static bool is_left_out(const struct ledger *ledger, const struct ledger_cell *cell)
{
    char key[sizeof(ENERGY_FACT_LEFT_OUT) + 20];

    (void)snprintf(key, sizeof(key), ENERGY_FACT_LEFT_OUT "%lld", (long long)cell->row.id);
    return cell->row.state == STORE_CELL_OK && ledger_fact(ledger, key)[0];
}

static enum tare_status note_cell(struct ledger *ledger, const struct ledger_cell *cell,
                                  size_t asked, struct tare_err *err)
{
    const struct ledger_energy *e = &cell->energy;
    enum tare_status status = TARE_OK;

    if (is_left_out(ledger, cell))
        return TARE_OK;
    if (!gpu_is(cell->row.device) || !fact_of(ledger, cell->row.device, "source")[0] ||
        cell->row.state != STORE_CELL_OK)
        return TARE_OK;
    if (e->visits < asked)
        status = ledger_add_note(&ledger->missing, err, "energy", "'%s': %zu of %zu visits%s%s",
                                 cell->label, e->visits, asked, e->why[0] ? ": " : "", e->why);
    if (status == TARE_OK && e->visits && e->alone == LEDGER_SHARED)
        status = ledger_add_note(&ledger->warnings, err, cell->label,
                                 "joules are shared: another process was on the device, or it is "
                                 "split");
    if (status == TARE_OK && e->visits && e->periods < ENERGY_PERIODS * 0.9)
        status = ledger_add_note(&ledger->warnings, err, cell->label,
                                 "a visit of its energy holds %.0f of the sensor's periods, %d are "
                                 "needed",
                                 e->periods, ENERGY_PERIODS);
    return status;
}

enum tare_status ledger_energy_notes(struct ledger *ledger, struct tare_err *err)
{
    size_t asked = (size_t)strtoull(ledger_fact(ledger, ENERGY_FACT_ASKED), NULL, 10);
    const char *why = ledger_fact(ledger, ENERGY_FACT_WHY);
    size_t elsewhere = 0, unknown = 0, left_out = 0;
    enum tare_status status = TARE_OK;

    if (asked == 0)
        return TARE_OK;
    if (why[0])
        return ledger_add_note(&ledger->missing, err, "energy", "%s", why);
    for (size_t i = 0; i < ledger->cell_count && status == TARE_OK; i++) {
        const struct ledger_cell *cell = &ledger->cells[i];

        elsewhere += !gpu_is(cell->row.device);
        left_out += is_left_out(ledger, cell);
        unknown += cell->energy.visits && cell->energy.alone == LEDGER_ALONE_UNKNOWN;
        if (first_on_device(ledger, i))
            status = note_device(ledger, cell, err);
        if (status == TARE_OK)
            status = note_cell(ledger, cell, asked, err);
    }
    if (status == TARE_OK && elsewhere)
        status = ledger_add_note(&ledger->missing, err, "energy",
                                 "%zu cell%s ran on the CPU, of which no sensor is read yet",
                                 elsewhere, elsewhere == 1 ? "" : "s");
    if (status == TARE_OK && left_out)
        status = ledger_add_note(&ledger->missing, err, "energy",
                                 "the study asks for none of %zu cell%s", left_out,
                                 left_out == 1 ? "" : "s");
    if (status == TARE_OK && unknown)
        status = ledger_add_note(&ledger->warnings, err, "energy",
                                 "the device does not say who else uses it: joules are those of "
                                 "the whole board");
    return status;
}
