/*
 * quantize_search.h - `tare quantize --sensitivity` and `--max-drop`: what each convolution costs
 * in 8 bits, and the fastest mix within a drop, with a progress display and a summary on standard
 * output.
 */
#ifndef TARE_CMD_QUANTIZE_SEARCH_H
#define TARE_CMD_QUANTIZE_SEARCH_H

#include "quantize/quantize.h"

struct quantize_search {
    const struct quantize_options *quantize; /* output: where the winner goes */
    const char *runtime, *command;
    const char *store; /* path of the result file; NULL: beside the output, .db */
    const char *tuning_images, *tuning_annotations; /* for max_ap_drop */
    const char *evaluation;       /* pictures that must not be tuned on; NULL: none named */
    double max_drop, max_ap_drop; /* shares, 0..1; one of them is 0 */
    int64_t budget_ns;
    int threads;
    bool json, quiet;
};

/* Prints what quantising each convolution alone does; writes no model. */
enum tare_status quantize_print_sensitivity(const struct quantize_search *asked,
                                            struct tare_err *err);

/* Searches, writes the winner and prints the ledger of what was tried. */
enum tare_status quantize_find_mix(const struct quantize_search *asked, struct tare_err *err);

#endif
