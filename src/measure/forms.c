#include "measure/forms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * ONNX Runtime spins by its own thread pool (session.intra_op.allow_spinning), PyTorch by OpenMP's
 * (OMP_WAIT_POLICY, KMP_BLOCKTIME). OpenVINO's threads are oneTBB's, which sleep soon and have no
 * such setting; nodes that ONNX Runtime gives to its OpenVINO provider run on those as well.
 */
static const struct forms_setting settings[] = {
    {"onnxruntime", "spinning", "off"},
    {"python", "spinning", "off"},
    {"torch", "spinning", "off"},
};

const struct forms_setting *forms_settings(size_t *count)
{
    *count = sizeof(settings) / sizeof(settings[0]);
    return settings;
}

const struct forms_setting *forms_quiet(const struct study_cell *cell)
{
    const char *plugin = study_cell_plugin(cell), *provider = study_option_of(cell, "provider");

    if (provider && strcmp(provider, "openvino") == 0)
        return NULL;
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        if (strcmp(settings[i].plugin, plugin) == 0)
            return &settings[i];
    return NULL;
}

enum tare_status forms_add_word(const char *word, unsigned *forms, struct tare_err *err)
{
    if (strcmp(word, "default") == 0)
        *forms |= FORMS_DEFAULT;
    else if (strcmp(word, "quiet") == 0)
        *forms |= FORMS_QUIET;
    else
        return tare_fail(err, TARE_INVALID, "a form is called '%.40s', allowed is default|quiet",
                         word);
    return TARE_OK;
}

/* The setting that would make a new cell of this one: NULL if it sets the option itself. */
static const struct forms_setting *new_setting(const struct study_cell *cell)
{
    const struct forms_setting *setting = forms_quiet(cell);

    return setting && !study_option_of(cell, setting->option) ? setting : NULL;
}

/* The quiet form of a cell. Beside its default it needs a name of its own. */
static enum tare_status make_quiet(const struct study_cell *cell, bool beside_default,
                                   struct study_cell *quiet, struct tare_err *err)
{
    const struct forms_setting *setting = new_setting(cell);
    enum tare_status status = TARE_OK;

    *quiet = *cell;
    if (setting)
        status = study_set_option(quiet, setting->option, setting->value, err);
    if (strcmp(cell->name, cell->key) == 0)
        quiet->name[0] = '\0'; /* made anew from the new key */
    else if (beside_default)
        (void)snprintf(quiet->name, sizeof(quiet->name), "%.120s, quiet", cell->name);
    return status == TARE_OK ? study_make_key(quiet, err) : status;
}

static bool find_key(const struct study *study, const char *key, size_t *index)
{
    for (*index = 0; *index < study->cell_count; (*index)++)
        if (strcmp(study->cells[*index].key, key) == 0)
            return true;
    return false;
}

enum tare_status forms_add_cells(struct study *study, struct tare_err *err)
{
    struct study_cell *old = study->cells, quiet;
    bool both = study->forms & FORMS_DEFAULT;
    size_t count = study->cell_count, at;
    enum tare_status status = TARE_OK;

    if (!(study->forms & FORMS_QUIET))
        return TARE_OK;
    if (!both) {
        study->cells = NULL;
        study->cell_count = 0;
    }
    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        const struct study_cell *cell = both ? &study->cells[i] : &old[i];

        status = make_quiet(cell, both, &quiet, err);
        if (status == TARE_OK && !(both && find_key(study, quiet.key, &at)))
            status = study_add_cell(study, &quiet, err);
    }
    if (!both)
        free(old);
    return status;
}

static enum tare_status add_line(struct study *study, size_t cell, size_t baseline,
                                 struct tare_err *err)
{
    struct study_line *grown;

    if (study->line_count == STUDY_MAX_LINES)
        return tare_fail(err, TARE_LIMIT, "a ledger has at most %d lines", STUDY_MAX_LINES);
    grown = realloc(study->lines, (study->line_count + 1) * sizeof(*grown));
    if (!grown)
        return tare_fail(err, TARE_NOMEM, "out of memory for a study's lines");
    study->lines = grown;
    grown += study->line_count++;
    *grown = (struct study_line){.cell = cell, .baseline = baseline};
    (void)snprintf(grown->name, sizeof(grown->name), "%s", FORMS_LINE);
    return TARE_OK;
}

enum tare_status forms_add_lines(struct study *study, struct tare_err *err)
{
    const unsigned both = FORMS_DEFAULT | FORMS_QUIET;
    enum tare_status status = TARE_OK;
    struct study_cell quiet;
    size_t at;

    for (size_t i = 0; (study->forms & both) == both && i < study->cell_count; i++) {
        if (!new_setting(&study->cells[i]))
            continue;
        status = make_quiet(&study->cells[i], true, &quiet, err);
        if (status == TARE_OK && find_key(study, quiet.key, &at))
            status = add_line(study, i, at, err);
        if (status != TARE_OK)
            break;
    }
    return status;
}
