/*
 * trust_print.h - the machine's verdict and the long study as text and as JSON.
 */
#ifndef TARE_CMD_TRUST_PRINT_H
#define TARE_CMD_TRUST_PRINT_H

#include "base/buf.h"
#include "measure/trust_study.h"

/* Of one repetition. */
void trust_print(const struct trust_result *result, struct buf *out);
void trust_print_json(const struct trust_result *result, struct buf *out);

/* Of several (count > 0), wanted being how many were asked for; model and other NULL: none. */
struct trust_report {
    const struct trust_result *repetitions; // (count)
    size_t count, wanted;
    const struct trust_summary *summary;
    const char *model, *other;
    int64_t wall_ns;
};
void trust_print_study(const struct trust_report *report, struct buf *out);
void trust_print_study_json(const struct trust_report *report, struct buf *out);

#endif
