#include "measure/study.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "measure/layer.h"

void study_init(struct study *study)
{
    memset(study, 0, sizeof(*study));
    (void)snprintf(study->name, sizeof(study->name), "study");
    study->sweeps = 20;
    study->restarts = 5;
    study->after_switch = 2;
    study->warmup_runs = 20;
    study->warmup_ns = 2000000000;
    study->max_sweeps = 200;
    study->soak_ns = INT64_C(60000000000);
    study->energy_visits = 4;
    study->seed = 1;
    study->confirm = true;
    study->min_score = 0.25;
    study->iou = 0.7;
}

void study_release(struct study *study)
{
    free(study->cells);
    free(study->lines);
    memset(study, 0, sizeof(*study));
}

void study_cell_init(struct study_cell *cell, const char *model)
{
    memset(cell, 0, sizeof(*cell));
    (void)snprintf(cell->model, sizeof(cell->model), "%s", model);
    (void)snprintf(cell->runtime, sizeof(cell->runtime), "onnxruntime");
    (void)snprintf(cell->layer, sizeof(cell->layer), "direct");
    (void)snprintf(cell->precision, sizeof(cell->precision), "fp32");
    (void)snprintf(cell->device, sizeof(cell->device), "cpu");
    cell->batch = 1;
    cell->energy = true;
}

size_t study_find_cell(const struct study *study, const char *name)
{
    size_t i = 0;

    while (i < study->cell_count && strcmp(study->cells[i].name, name) != 0 &&
           strcmp(study->cells[i].key, name) != 0)
        i++;
    return i;
}

const char *study_option_of(const struct study_cell *cell, const char *name)
{
    for (size_t i = 0; i < cell->option_count; i++)
        if (strcmp(cell->options[i].name, name) == 0)
            return cell->options[i].value;
    return NULL;
}

enum tare_status study_set_option(struct study_cell *cell, const char *name, const char *value,
                                  struct tare_err *err)
{
    struct study_option *option = cell->options;
    struct study_option *end = option + cell->option_count;

    while (option < end && strcmp(option->name, name) != 0)
        option++;
    if (option == end && cell->option_count == STUDY_MAX_OPTIONS)
        return tare_fail(err, TARE_LIMIT, "a cell takes at most %d options", STUDY_MAX_OPTIONS);
    if (strlen(name) >= sizeof(option->name) || strlen(value) >= sizeof(option->value))
        return tare_fail(err, TARE_LIMIT, "option '%.40s' is too long", name);
    (void)snprintf(option->name, sizeof(option->name), "%s", name);
    (void)snprintf(option->value, sizeof(option->value), "%s", value);
    if (option == end)
        cell->option_count++;
    return TARE_OK;
}

const char *study_cell_plugin(const struct study_cell *cell)
{
    const struct layer *served = layer_find(cell->layer);

    if (served)
        return served->plugin;
    return strcmp(cell->layer, "direct") == 0 ? cell->runtime : cell->layer;
}

bool study_opens_checkpoint(const char *plugin, const char *model)
{
    return file_has_suffix(model, ".pt") && strcmp(plugin, "torch") == 0;
}

bool study_cell_opens_checkpoint(const struct study_cell *cell)
{
    return study_opens_checkpoint(study_cell_plugin(cell), cell->model);
}

/* --- keys ---------------------------------------------------------------------------------------
 */

enum tare_status study_make_key(struct study_cell *cell, struct tare_err *err)
{
    const char *base = file_base_name(cell->model), *dot = strrchr(base, '.');
    int stem = dot && dot > base ? (int)(dot - base) : (int)strlen(base);
    enum tare_status status = TARE_OK;
    struct buf key;

    buf_init(&key, sizeof(cell->key) - 1);
    buf_printf(&key, "%.*s/%s/%s/%s/b%d/t%d/%s", stem, base, cell->precision, cell->runtime,
               cell->device, cell->batch, cell->threads, cell->layer);
    if (cell->head[0])
        buf_printf(&key, "/%s", cell->head);
    if (cell->size)
        buf_printf(&key, "/%d", cell->size);
    for (size_t i = 0; i < cell->option_count; i++)
        buf_printf(&key, "/%s=%s", cell->options[i].name, cell->options[i].value);
    status = buf_status(&key, "a cell's key", err);
    if (status == TARE_OK)
        (void)snprintf(cell->key, sizeof(cell->key), "%s", buf_text(&key));
    if (status == TARE_OK && !cell->name[0])
        (void)snprintf(cell->name, sizeof(cell->name), "%.127s", cell->key);
    buf_release(&key);
    return status;
}

enum tare_status study_add_cell(struct study *study, const struct study_cell *cell,
                                struct tare_err *err)
{
    struct study_cell *grown, *added;
    enum tare_status status;

    if (study->cell_count == STUDY_MAX_CELLS)
        return tare_fail(err, TARE_LIMIT, "a study has at most %d cells", STUDY_MAX_CELLS);
    grown = realloc(study->cells, (study->cell_count + 1) * sizeof(*grown));
    if (!grown)
        return tare_fail(err, TARE_NOMEM, "out of memory for a study's cells");
    study->cells = grown;
    added = &grown[study->cell_count];
    *added = *cell;
    status = study_make_key(added, err);
    for (size_t i = 0; i < study->cell_count && status == TARE_OK; i++)
        if (strcmp(grown[i].key, added->key) == 0 || strcmp(grown[i].name, added->name) == 0)
            status =
                tare_fail(err, TARE_INVALID, "cell '%s' stands twice in the study", added->name);
    if (status == TARE_OK)
        study->cell_count++;
    return status;
}

/* --- lines that nobody wrote
 * ----------------------------------------------------------------------- */

/* What tells two cells apart, as the words of a line's name. Returns how many ways there are. */
struct difference {
    int ways;
    bool gain;
    char name[160];
};

static void note_difference(struct difference *difference, bool gain, const char *format,
                            const char *from, const char *to)
{
    size_t used = strlen(difference->name);

    (void)snprintf(difference->name + used, sizeof(difference->name) - used, "%s",
                   difference->ways ? ", " : "");
    used = strlen(difference->name);
    /* One fixed set of formats, all with two texts. */
    if (strcmp(format, "to") == 0)
        (void)snprintf(difference->name + used, sizeof(difference->name) - used, "%s to %s", from,
                       to);
    else
        (void)snprintf(difference->name + used, sizeof(difference->name) - used, "%s %s to %s",
                       format, from, to);
    difference->gain = difference->gain || gain;
    difference->ways++;
}

static void note_number(struct difference *difference, const char *what, int32_t from, int32_t to)
{
    char a[16], b[16];

    (void)snprintf(a, sizeof(a), "%d", from);
    (void)snprintf(b, sizeof(b), "%d", to);
    note_difference(difference, true, what, a, b);
}

static void note_options(struct difference *difference, const struct study_cell *from,
                         const struct study_cell *to)
{
    size_t most = from->option_count > to->option_count ? from->option_count : to->option_count;

    for (size_t i = 0; i < most; i++) {
        const struct study_option *a = i < from->option_count ? &from->options[i] : NULL;
        const struct study_option *b = i < to->option_count ? &to->options[i] : NULL;

        if (a && b && strcmp(a->name, b->name) == 0 && strcmp(a->value, b->value) == 0)
            continue;
        note_difference(difference, false, b ? b->name : a->name, a ? a->value : "default",
                        b ? b->value : "default");
    }
}

static struct difference compare_cells(const struct study_cell *from, const struct study_cell *to)
{
    struct difference d = {0, false, ""};

    if (strcmp(from->model, to->model) != 0)
        note_difference(&d, true, "to", file_base_name(from->model), file_base_name(to->model));
    if (strcmp(from->head, to->head) != 0)
        note_difference(&d, strcmp(to->head, "raw") == 0, "head", from->head, to->head);
    if (strcmp(from->runtime, to->runtime) != 0)
        note_difference(&d, true, "to", from->runtime, to->runtime);
    if (strcmp(from->precision, to->precision) != 0)
        note_difference(&d, true, "to", from->precision, to->precision);
    if (strcmp(from->device, to->device) != 0)
        note_difference(&d, true, "to", from->device, to->device);
    if (strcmp(from->layer, to->layer) != 0)
        note_difference(&d, false, "layer", from->layer, to->layer);
    if (from->threads != to->threads)
        note_number(&d, "threads", from->threads, to->threads);
    if (from->batch != to->batch)
        note_number(&d, "batch", from->batch, to->batch);
    if (from->size != to->size)
        note_number(&d, "size", from->size, to->size);
    note_options(&d, from, to);
    return d;
}

enum tare_status study_derive_lines(struct study *study, struct tare_err *err)
{
    if (study->line_count || study->cell_count < 2)
        return TARE_OK;
    study->lines = calloc(study->cell_count - 1, sizeof(*study->lines));
    if (!study->lines)
        return tare_fail(err, TARE_NOMEM, "out of memory for a study's lines");
    for (size_t i = 1; i < study->cell_count; i++) {
        struct study_line *line = &study->lines[study->line_count++];
        struct difference best = compare_cells(&study->cells[0], &study->cells[i]);

        for (size_t j = 1; j < i; j++) {
            struct difference d = compare_cells(&study->cells[j], &study->cells[i]);

            if (d.ways >= best.ways)
                continue;
            best = d;
            line->baseline = j;
        }
        line->cell = i;
        line->gain = best.gain;
        (void)snprintf(line->name, sizeof(line->name), "%s", best.name);
    }
    return TARE_OK;
}
