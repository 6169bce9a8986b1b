/*
 * forms.h - a runtime as it comes and its quiet form: two cells of one, whose ratio is a line of
 * the ledger.
 *
 * A runtime whose idle threads spin between runs is fast alone and slows down whatever shares its
 * cores. Which option of a plugin stops that stands in a table here and not in the plugin's option
 * table: a row of that table has a fixed size in the ABI. A test holds the two against each other.
 *
 * Threads: no shared state.
 */
#ifndef TARE_MEASURE_FORMS_H
#define TARE_MEASURE_FORMS_H

#include "measure/study.h"

enum forms {
    FORMS_DEFAULT = 1 << 0, /* as the runtime comes */
    FORMS_QUIET = 1 << 1,   /* its idle threads sleep */
};

#define FORMS_LINE "default spinning" /* name of the ledger's line: the default against quiet */

/* A plugin's setting that makes it quiet. */
struct forms_setting {
    const char *plugin, *option, *value;
};

/* The table; *count rows of it. */
const struct forms_setting *forms_settings(size_t *count);

/* How this cell is made quiet; NULL if its runtime has no such setting. */
const struct forms_setting *forms_quiet(const struct study_cell *cell);

/* Adds "default" or "quiet" to forms; TARE_INVALID for another word. */
enum tare_status forms_add_word(const char *word, unsigned *forms, struct tare_err *err);

/*
 * Makes the study's cells those of study->forms (0: leaves them alone): with both, a quiet cell for
 * each one that has the form and is not quiet already, behind the others and in their order; with
 * FORMS_QUIET alone the cells themselves become quiet. Indices in lines stay right.
 */
enum tare_status forms_add_cells(struct study *study, struct tare_err *err);

/* Adds a line for each pair of a default and a quiet cell. */
enum tare_status forms_add_lines(struct study *study, struct tare_err *err);

#endif
