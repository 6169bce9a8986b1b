/* study_json.c - a study from its JSON file; the format stands in study.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cores.h"
#include "base/json_tree.h"
#include "measure/flow.h"
#include "measure/forms.h"
#include "measure/study.h"

/* Where a text or a number of a JSON object goes. */
enum field_kind {
    FIELD_TEXT,
    FIELD_PATH,
    FIELD_INT,
    FIELD_INT32,
    FIELD_MS,
    FIELD_NUMBER,
    FIELD_BOOL,
    FIELD_ELSE
};

struct field {
    const char *name; /* NULL ends a table */
    enum field_kind kind;
    size_t offset, bytes; /* bytes: room of a text */
    double min, max;
};

#define TEXT_FIELD(type, member)                                                                   \
    .offset = offsetof(struct type, member), .bytes = sizeof(((struct type *)NULL)->member)

static const struct field study_fields[] = {
    {.name = "name", .kind = FIELD_TEXT, TEXT_FIELD(study, name)},
    {.name = "images", .kind = FIELD_PATH, TEXT_FIELD(study, images)},
    {.name = "annotations", .kind = FIELD_PATH, TEXT_FIELD(study, annotations)},
    {.name = "calibration", .kind = FIELD_PATH, TEXT_FIELD(study, calibration)},
    {.name = "cpus", .kind = FIELD_TEXT, TEXT_FIELD(study, cpus)},
    {.name = "reference", .kind = FIELD_TEXT, TEXT_FIELD(study, reference)},
    {"sweeps", FIELD_INT, offsetof(struct study, sweeps), 0, 1, 100000},
    {"restarts", FIELD_INT, offsetof(struct study, restarts), 0, 1, 1000},
    {"visit_ms", FIELD_MS, offsetof(struct study, visit_ns), 0, 0, 3600e3},
    {"runs", FIELD_INT, offsetof(struct study, runs), 0, 0, 10000},
    {"after_switch", FIELD_INT, offsetof(struct study, after_switch), 0, 0, 1000},
    {"warmup_runs", FIELD_INT, offsetof(struct study, warmup_runs), 0, 0, 10000},
    {"warmup_ms", FIELD_MS, offsetof(struct study, warmup_ns), 0, 0, 3600e3},
    {"timeout_ms", FIELD_MS, offsetof(struct study, timeout_ns), 0, 0, 86400e3},
    {"soak_ms", FIELD_MS, offsetof(struct study, soak_ns), 0, 1, 86400e3},
    {"cold", FIELD_INT, offsetof(struct study, cold), 0, 0, 1000},
    {.name = "energy", .kind = FIELD_BOOL, .offset = offsetof(struct study, energy)},
    {"energy_ms", FIELD_MS, offsetof(struct study, energy_ns), 0, 0, 3600e3},
    {"energy_visits", FIELD_INT, offsetof(struct study, energy_visits), 0, 2, 1000},
    {"budget_ms", FIELD_MS, offsetof(struct study, budget_ns), 0, 0, 1e9},
    {"width", FIELD_NUMBER, offsetof(struct study, width), 0, 0, 1},
    {"max_sweeps", FIELD_INT, offsetof(struct study, max_sweeps), 0, 1, 100000},
    {"memory_limit_mb", FIELD_INT, offsetof(struct study, memory_limit_mb), 0, 0, 1e9},
    {"resident_limit_mb", FIELD_INT, offsetof(struct study, resident_limit_mb), 0, 0, 1e9},
    {"seed", FIELD_INT, offsetof(struct study, seed), 0, 0, 9e15},
    {.name = "freeze", .kind = FIELD_BOOL, .offset = offsetof(struct study, freeze)},
    {.name = "confirm", .kind = FIELD_BOOL, .offset = offsetof(struct study, confirm)},
    {"rate_hz", FIELD_NUMBER, offsetof(struct study, rate_hz), 0, 0, 1e6},
    {"streams", FIELD_INT, offsetof(struct study, streams), 0, 0, FLOW_MAX_STREAMS},
    {"min_score", FIELD_NUMBER, offsetof(struct study, min_score), 0, 0, 1},
    {"iou", FIELD_NUMBER, offsetof(struct study, iou), 0, 0, 1},
    {"max_drop", FIELD_NUMBER, offsetof(struct study, max_drop), 0, 0, 1},
    {"max_ap_drop", FIELD_NUMBER, offsetof(struct study, max_ap_drop), 0, 0, 1},
    {.name = "mode", .kind = FIELD_ELSE},
    {.name = "timed", .kind = FIELD_ELSE},
    {.name = "model", .kind = FIELD_ELSE},
    {.name = "defaults", .kind = FIELD_ELSE},
    {.name = "cells", .kind = FIELD_ELSE},
    {.name = "matrix", .kind = FIELD_ELSE},
    {.name = "forms", .kind = FIELD_ELSE},
    {.name = "ledger", .kind = FIELD_ELSE},
    {.name = "about", .kind = FIELD_ELSE},
    {.name = NULL},
};

static const struct field cell_fields[] = {
    {.name = "name", .kind = FIELD_TEXT, TEXT_FIELD(study_cell, name)},
    {.name = "model", .kind = FIELD_PATH, TEXT_FIELD(study_cell, model)},
    {.name = "runtime", .kind = FIELD_TEXT, TEXT_FIELD(study_cell, runtime)},
    {.name = "layer", .kind = FIELD_TEXT, TEXT_FIELD(study_cell, layer)},
    {.name = "precision", .kind = FIELD_TEXT, TEXT_FIELD(study_cell, precision)},
    {.name = "device", .kind = FIELD_TEXT, TEXT_FIELD(study_cell, device)},
    {.name = "head", .kind = FIELD_TEXT, TEXT_FIELD(study_cell, head)},
    {"batch", FIELD_INT32, offsetof(struct study_cell, batch), 0, 1, 1024},
    {"threads", FIELD_INT32, offsetof(struct study_cell, threads), 0, 0, 1024},
    {"size", FIELD_INT32, offsetof(struct study_cell, size), 0, 0, 8192},
    {.name = "energy", .kind = FIELD_BOOL, .offset = offsetof(struct study_cell, energy)},
    {.name = "options", .kind = FIELD_ELSE},
    {.name = NULL},
};

/* --- one field
 * ------------------------------------------------------------------------------------ */

static enum tare_status set_text(const struct field *field, const char *folder,
                                 const struct json_value *value, void *base, struct tare_err *err)
{
    const char *text = json_text(value, NULL);
    char *room = (char *)base + field->offset;
    int length;

    if (!text)
        return tare_fail(err, TARE_BADDATA, "'%s' must be a text", field->name);
    if (field->kind == FIELD_PATH && text[0] && text[0] != '/' && strcmp(folder, ".") != 0)
        length = snprintf(room, field->bytes, "%s/%s", folder, text);
    else
        length = snprintf(room, field->bytes, "%s", text);
    if (length < 0 || (size_t)length >= field->bytes)
        return tare_fail(err, TARE_BADDATA, "'%s' is longer than %zu bytes", field->name,
                         field->bytes - 1);
    return TARE_OK;
}

static enum tare_status set_number(const struct field *field, const struct json_value *value,
                                   void *base, struct tare_err *err)
{
    void *room = (char *)base + field->offset;
    double number = json_number(value, NAN);

    if (!(number >= field->min && number <= field->max))
        return tare_fail(err, TARE_BADDATA, "'%s' must be a number from %g to %g", field->name,
                         field->min, field->max);
    if (field->kind != FIELD_NUMBER && field->kind != FIELD_MS && number != floor(number))
        return tare_fail(err, TARE_BADDATA, "'%s' must be a whole number", field->name);
    if (field->kind == FIELD_NUMBER)
        *(double *)room = number;
    else if (field->kind == FIELD_INT32)
        *(int32_t *)room = (int32_t)number;
    else
        *(int64_t *)room = (int64_t)(field->kind == FIELD_MS ? number * 1e6 : number);
    return TARE_OK;
}

static enum tare_status set_bool(const struct field *field, const struct json_value *value,
                                 void *base, struct tare_err *err)
{
    if (json_type(value) != JSON_BOOL)
        return tare_fail(err, TARE_BADDATA, "'%s' must be true or false", field->name);
    *(bool *)((char *)base + field->offset) = json_bool(value, false);
    return TARE_OK;
}

static enum tare_status set_field(const struct field *table, const char *folder, const char *key,
                                  const struct json_value *value, void *base, struct tare_err *err)
{
    const struct field *field = table;

    while (field->name && strcmp(field->name, key) != 0)
        field++;
    if (!field->name)
        return tare_fail(err, TARE_BADDATA, "no setting is called '%.60s'", key);
    if (field->kind == FIELD_ELSE)
        return TARE_OK;
    if (field->kind == FIELD_TEXT || field->kind == FIELD_PATH)
        return set_text(field, folder, value, base, err);
    if (field->kind == FIELD_BOOL)
        return set_bool(field, value, base, err);
    return set_number(field, value, base, err);
}

static enum tare_status set_fields(const struct field *table, const char *folder,
                                   const struct json_value *object, void *base,
                                   struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    if (json_type(object) != JSON_OBJECT)
        return tare_fail(err, TARE_BADDATA, "an object is expected");
    for (size_t i = 0; i < json_count(object) && status == TARE_OK; i++)
        status = set_field(table, folder, json_key(object, i), json_at(object, i), base, err);
    return status;
}

/* --- cells
 * ------------------------------------------------------------------------------------------ */

static enum tare_status set_cell(struct study_cell *cell, const char *folder,
                                 const struct json_value *object, struct tare_err *err)
{
    const struct json_value *options = json_get(object, "options");
    enum tare_status status = set_fields(cell_fields, folder, object, cell, err);

    for (size_t i = 0; i < json_count(options) && status == TARE_OK; i++) {
        const struct json_value *value = json_at(options, i);
        const char *text = json_text(value, NULL);
        char number[32];

        if (json_type(value) == JSON_BOOL)
            text = json_bool(value, false) ? "1" : "0";
        if (json_type(value) == JSON_NUMBER) {
            (void)snprintf(number, sizeof(number), "%.15g", json_number(value, 0));
            text = number;
        }
        status = text ? study_set_option(cell, json_key(options, i), text, err)
                      : tare_fail(err, TARE_BADDATA, "option '%.60s' must be a text or a number",
                                  json_key(options, i));
    }
    return status;
}

static enum tare_status add_cells(struct study *study, const char *folder,
                                  const struct json_value *cells, const struct study_cell *base,
                                  struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < json_count(cells) && status == TARE_OK; i++) {
        struct study_cell cell = *base;

        status = set_cell(&cell, folder, json_at(cells, i), err);
        if (status == TARE_OK)
            status = study_add_cell(study, &cell, err);
    }
    return status;
}

static enum tare_status add_point(struct study *study, const char *folder,
                                  const struct json_value *matrix, const struct study_cell *base,
                                  size_t point, struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    struct study_cell cell = *base;

    for (size_t k = json_count(matrix); k-- > 0 && status == TARE_OK;) {
        const struct json_value *values = json_at(matrix, k);
        const char *key = json_key(matrix, k);

        if (strcmp(key, "options") == 0)
            return tare_fail(err, TARE_BADDATA, "'options' can't be a matrix's key; write cells");
        status = set_field(cell_fields, folder, key, json_at(values, point % json_count(values)),
                           &cell, err);
        point /= json_count(values);
    }
    return status == TARE_OK ? study_add_cell(study, &cell, err) : status;
}

static enum tare_status add_matrix(struct study *study, const char *folder,
                                   const struct json_value *matrix, const struct study_cell *base,
                                   struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    size_t points = 1;

    if (!matrix)
        return TARE_OK;
    for (size_t k = 0; k < json_count(matrix); k++) {
        size_t count = json_count(json_at(matrix, k));

        if (json_type(json_at(matrix, k)) != JSON_ARRAY || count == 0)
            return tare_fail(err, TARE_BADDATA, "matrix '%.60s' must be a list of values",
                             json_key(matrix, k));
        if (count > STUDY_MAX_CELLS || points * count > STUDY_MAX_CELLS)
            return tare_fail(err, TARE_LIMIT, "the matrix has more than %d cells", STUDY_MAX_CELLS);
        points *= count;
    }
    for (size_t i = 0; i < points && status == TARE_OK; i++)
        status = add_point(study, folder, matrix, base, i, err);
    return status;
}

/* --- the ledger's lines
 * -------------------------------------------------------------------------------- */

static enum tare_status find_cell(const struct study *study, const struct json_value *line,
                                  const char *role, size_t *index, struct tare_err *err)
{
    const char *name = json_text(json_get(line, role), NULL);

    if (!name)
        return tare_fail(err, TARE_BADDATA, "a ledger line lacks its '%s'", role);
    *index = study_find_cell(study, name);
    if (*index < study->cell_count)
        return TARE_OK;
    return tare_fail(err, TARE_BADDATA, "a ledger line names cell '%.60s', which is not there",
                     name);
}

static enum tare_status add_line(struct study *study, const struct json_value *object,
                                 struct tare_err *err)
{
    struct study_line *line = &study->lines[study->line_count];
    const char *kind = json_text(json_get(object, "kind"), "tax");
    const char *name = json_text(json_get(object, "name"), "");
    enum tare_status status = TARE_OK;

    if (strcmp(kind, "tax") != 0 && strcmp(kind, "gain") != 0)
        return tare_fail(err, TARE_BADDATA,
                         "a ledger line's 'kind' is '%.20s', allowed is "
                         "tax|gain",
                         kind);
    line->gain = strcmp(kind, "gain") == 0;
    (void)snprintf(line->name, sizeof(line->name), "%s", name);
    status = find_cell(study, object, "cell", &line->cell, err);
    if (status == TARE_OK)
        status = find_cell(study, object, "baseline", &line->baseline, err);
    if (status == TARE_OK && line->cell == line->baseline)
        status = tare_fail(err, TARE_BADDATA, "a ledger line compares '%s' with itself",
                           study->cells[line->cell].name);
    if (status == TARE_OK)
        study->line_count++;
    return status;
}

static enum tare_status add_lines(struct study *study, const struct json_value *lines,
                                  struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    size_t count = json_count(lines);

    if (count == 0)
        return TARE_OK;
    if (count > STUDY_MAX_LINES)
        return tare_fail(err, TARE_LIMIT, "a ledger has at most %d lines", STUDY_MAX_LINES);
    study->lines = calloc(count, sizeof(*study->lines));
    if (!study->lines)
        return tare_fail(err, TARE_NOMEM, "out of memory for a study's lines");
    for (size_t i = 0; i < count && status == TARE_OK; i++)
        status = add_line(study, json_at(lines, i), err);
    return status;
}

static enum tare_status set_forms(struct study *study, const struct json_value *forms,
                                  struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    if (forms && json_type(forms) != JSON_ARRAY)
        return tare_fail(err, TARE_BADDATA, "'forms' must be a list of default, quiet");
    for (size_t i = 0; i < json_count(forms) && status == TARE_OK; i++)
        status = forms_add_word(json_text(json_at(forms, i), "?"), &study->forms, err);
    return status;
}

/* Lines that nobody wrote are derived from the cells that somebody did write. */
static enum tare_status make_lines(struct study *study, const struct json_value *root,
                                   struct tare_err *err)
{
    const struct json_value *written = json_get(root, "ledger");
    enum tare_status status = set_forms(study, json_get(root, "forms"), err);

    if (status == TARE_OK && json_count(written) == 0)
        status = study_derive_lines(study, err);
    if (status == TARE_OK)
        status = forms_add_cells(study, err);
    if (status == TARE_OK && study->reference[0] &&
        study_find_cell(study, study->reference) == study->cell_count)
        status =
            tare_fail(err, TARE_BADDATA, "the reference '%.60s' is not a cell", study->reference);
    if (status == TARE_OK)
        status = add_lines(study, written, err);
    return status == TARE_OK ? forms_add_lines(study, err) : status;
}

/* --- the whole
 * -------------------------------------------------------------------------------------------- */

static enum tare_status set_mode(struct study *study, const struct json_value *root,
                                 struct tare_err *err)
{
    const char *mode = json_text(json_get(root, "mode"), "back_to_back");

    if (strcmp(mode, "back_to_back") != 0 && strcmp(mode, "paced") != 0 &&
        strcmp(mode, "soak") != 0 && strcmp(mode, "throughput") != 0)
        return tare_fail(err, TARE_BADDATA,
                         "'mode' is '%.20s', allowed is back_to_back|paced|soak|throughput", mode);
    if (study->cpus[0]) {
        struct tare_err inner = TARE_ERR_INIT;
        cpu_set_t cpus;

        if (cores_parse(study->cpus, &cpus, &inner) != TARE_OK)
            return tare_fail(err, TARE_BADDATA, "'cpus': %s", inner.text);
    }
    study->soak = strcmp(mode, "soak") == 0;
    study->throughput = strcmp(mode, "throughput") == 0;
    study->paced = strcmp(mode, "paced") == 0;
    if (study->paced && study->rate_hz == 0)
        return tare_fail(err, TARE_BADDATA, "mode 'paced' needs a 'rate_hz'");
    if (study->rate_hz != 0 && study->rate_hz < 0.001) /* periods must fit in nanoseconds */
        return tare_fail(err, TARE_BADDATA, "'rate_hz' must be a number from 0.001 to 1e+06");
    return TARE_OK;
}

static enum tare_status set_timed(struct study *study, const struct json_value *root,
                                  struct tare_err *err)
{
    const char *timed =
        json_text(json_get(root, "timed"), json_get(root, "timed") ? "" : "picture");

    study->runs_alone = strcmp(timed, "run") == 0;
    if (!study->runs_alone && strcmp(timed, "picture") != 0)
        return tare_fail(err, TARE_BADDATA, "'timed' is '%.20s', allowed is picture|run", timed);
    if (study->runs_alone && study->throughput)
        return tare_fail(err, TARE_BADDATA, "'timed' is 'run', which mode 'throughput' has not");
    return TARE_OK;
}

static enum tare_status fill(struct study *study, const char *folder, const struct json_value *root,
                             struct tare_err *err)
{
    const struct json_value *defaults = json_get(root, "defaults");
    enum tare_status status = set_fields(study_fields, folder, root, study, err);
    struct study_cell base;

    study_cell_init(&base, "");
    if (status == TARE_OK)
        status = set_mode(study, root, err);
    if (status == TARE_OK)
        status = set_timed(study, root, err);
    if (status == TARE_OK && json_get(root, "model"))
        status = set_field(cell_fields, folder, "model", json_get(root, "model"), &base, err);
    if (status == TARE_OK && defaults)
        status = set_cell(&base, folder, defaults, err);
    if (status == TARE_OK)
        status = add_cells(study, folder, json_get(root, "cells"), &base, err);
    if (status == TARE_OK)
        status = add_matrix(study, folder, json_get(root, "matrix"), &base, err);
    if (status == TARE_OK && study->cell_count == 0)
        status = tare_fail(err, TARE_BADDATA, "the study has no cells");
    return status == TARE_OK ? make_lines(study, root, err) : status;
}

enum tare_status study_parse(const char *text, size_t size, const char *name, const char *folder,
                             struct study *study, struct tare_err *err)
{
    struct tare_err inner = TARE_ERR_INIT;
    struct json_tree *tree = NULL;
    enum tare_status status = json_parse(text, size, &tree, &inner);

    study_init(study);
    if (status == TARE_OK)
        status = fill(study, folder, json_root(tree), &inner);
    if (status != TARE_OK) {
        study_release(study);
        status = tare_fail(err, status, "study '%s': %s", name, inner.text);
    }
    json_free(tree);
    return status;
}

enum tare_status study_load(const char *path, struct study *study, struct tare_err *err)
{
    const char *base = file_base_name(path);
    char *text = NULL, folder[FILE_MAX_PATH];
    size_t size = 0;
    enum tare_status status = file_read(path, STUDY_MAX_FILE, &text, &size, err);

    memset(study, 0, sizeof(*study));
    if (status != TARE_OK)
        return status;
    if (base == path)
        (void)snprintf(folder, sizeof(folder), ".");
    else if (base == path + 1)
        (void)snprintf(folder, sizeof(folder), "/");
    else
        (void)snprintf(folder, sizeof(folder), "%.*s", (int)(base - path - 1), path);
    status = study_parse(text, size, path, folder, study, err);
    free(text);
    return status;
}
