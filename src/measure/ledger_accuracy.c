/*
 * ledger_accuracy.c - AP of the cells and the paired intervals of its differences (rule 17).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "accuracy/coco.h"
#include "measure/ledger_inner.h"

#define DEFAULT_RESAMPLES 1000

/* The detections of one cell, scored once and compared often. */
struct scored {
    char *text; /* NULL: the cell has none */
    size_t size;
    bool evaluated;
    struct coco_result result;
};

struct scorer {
    struct coco_dataset *dataset; /* NULL: the annotations are not in the file */
    struct scored *cells;         // (cell_count)
    size_t cell_count;
    struct coco_compare_options options;
};

static enum tare_status take_absent(enum tare_status status, struct tare_err *err)
{
    if (status != TARE_ABSENT)
        return status;
    tare_err_clear(err);
    return TARE_OK;
}

static enum tare_status read_cell(struct store *store, struct ledger_cell *cell,
                                  struct scored *scored, struct tare_err *err)
{
    struct store_accuracy row;
    enum tare_status status = store_accuracy(store, cell->row.id, &row, err);

    if (status != TARE_OK)
        return take_absent(status, err);
    cell->accuracy.known = true;
    cell->accuracy.pictures = row.pictures;
    cell->accuracy.by_class = row.by_class;
    memcpy(cell->accuracy.coco, row.coco, sizeof(row.coco));
    return take_absent(store_detections(store, cell->row.id, &scored->text, &scored->size, err),
                       err);
}

static enum tare_status read_dataset(struct store *store, int64_t run_id, struct scorer *scorer,
                                     struct tare_err *err)
{
    char *text = NULL;
    size_t size = 0;
    enum tare_status status = store_document(store, run_id, "annotations", &text, &size, err);

    if (status == TARE_OK)
        status = coco_dataset_parse(text, size, "annotations", &scorer->dataset, err);
    free(text);
    return take_absent(status, err);
}

static enum tare_status evaluate(struct scorer *scorer, struct scored *scored, struct tare_err *err)
{
    const struct coco_options options = {0};
    struct coco_detections *detections = NULL;
    enum tare_status status;

    if (scored->evaluated)
        return TARE_OK;
    status = coco_detections_parse(scored->text, scored->size, "detections", 0, &detections, err);
    if (status == TARE_OK)
        status = coco_evaluate(scorer->dataset, detections, &options, &scored->result, err);
    scored->evaluated = status == TARE_OK;
    coco_detections_free(detections);
    return status;
}

static enum tare_status compare(struct scorer *scorer, const struct ledger *ledger, size_t a,
                                size_t b, struct ledger_ap *ap, struct tare_err *err)
{
    const struct ledger_accuracy *of_a = &ledger->cells[a].accuracy;
    const struct ledger_accuracy *of_b = &ledger->cells[b].accuracy;
    struct scored *left = &scorer->cells[a], *right = &scorer->cells[b];
    struct coco_difference difference;
    enum tare_status status = TARE_OK;

    ap->interval = (struct ledger_interval){NAN, NAN};
    ap->difference = NAN;
    if (!of_a->known || !of_b->known || of_a->pictures != of_b->pictures)
        return TARE_OK;
    ap->known = true;
    ap->pictures = of_a->pictures;
    ap->difference = of_a->coco[0] - of_b->coco[0];
    ap->identical = left->text && right->text && left->size == right->size &&
                    memcmp(left->text, right->text, left->size) == 0;
    if (ap->identical)
        ap->interval = (struct ledger_interval){0, 0};
    if (ap->identical || !scorer->dataset || !left->text || !right->text ||
        scorer->options.resamples < 0)
        return TARE_OK;
    status = evaluate(scorer, left, err);
    if (status == TARE_OK)
        status = evaluate(scorer, right, err);
    if (status == TARE_OK)
        status = coco_compare(&left->result, &right->result, &scorer->options, &difference, err);
    if (status == TARE_OK) {
        ap->interval = (struct ledger_interval){difference.ap.low, difference.ap.high};
        ap->resolved = difference.ap.resolved;
    }
    return status;
}

/* The cell whose AP is the measure: the first line's baseline, and failing that the first cell
 * that has an AP. */
static void find_reference(struct ledger *ledger)
{
    struct ledger_decision *d = &ledger->decision;

    for (size_t i = 0; i < ledger->line_count && !d->accuracy_known; i++)
        if (ledger->cells[ledger->lines[i].baseline].accuracy.known) {
            d->reference = ledger->lines[i].baseline;
            d->accuracy_known = true;
        }
    for (size_t i = 0; i < ledger->cell_count && !d->accuracy_known; i++)
        if (ledger->cells[i].accuracy.known) {
            d->reference = i;
            d->accuracy_known = true;
        }
}

static enum tare_status compare_all(struct scorer *scorer, struct ledger *ledger,
                                    struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    find_reference(ledger);
    if (!ledger->decision.accuracy_known)
        return TARE_OK;
    for (size_t i = 0; i < ledger->cell_count && status == TARE_OK; i++)
        status = compare(scorer, ledger, i, ledger->decision.reference,
                         &ledger->cells[i].ap_to_reference, err);
    for (size_t i = 0; i < ledger->line_count && status == TARE_OK; i++) {
        struct ledger_line *line = &ledger->lines[i];

        if (line->baseline == ledger->decision.reference)
            line->ap = ledger->cells[line->cell].ap_to_reference;
        else
            status = compare(scorer, ledger, line->cell, line->baseline, &line->ap, err);
    }
    return status;
}

enum tare_status ledger_fill_accuracy(struct store *store, const struct ledger_options *options,
                                      struct ledger *ledger, struct tare_err *err)
{
    struct scorer scorer = {.cell_count = ledger->cell_count};
    enum tare_status status;

    scorer.options.resamples = options->ap_resamples ? options->ap_resamples : DEFAULT_RESAMPLES;
    scorer.options.seed = (uint64_t)ledger->run.seed;
    scorer.cells = calloc(ledger->cell_count + 1, sizeof(*scorer.cells));
    if (!scorer.cells)
        return tare_fail(err, TARE_NOMEM, "out of memory while making the ledger");
    status = read_dataset(store, ledger->run.id, &scorer, err);
    for (size_t i = 0; i < ledger->cell_count && status == TARE_OK; i++)
        status = read_cell(store, &ledger->cells[i], &scorer.cells[i], err);
    if (status == TARE_OK)
        status = compare_all(&scorer, ledger, err);
    for (size_t i = 0; i < scorer.cell_count; i++) {
        free(scorer.cells[i].text);
        if (scorer.cells[i].evaluated)
            coco_result_release(&scorer.cells[i].result);
    }
    free(scorer.cells);
    coco_dataset_free(scorer.dataset);
    return status;
}
