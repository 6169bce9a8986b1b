/* Any bytes as the trace of a runtime: rows are whole, sorted, and hold no negative time. */
#include <stdint.h>
#include <stdlib.h>

#include "../../plugins/onnxruntime/ort_trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ort_trace trace;

    if (ort_trace_read((const char *)data, size, &trace, NULL) != TARE_OK)
        return 0;
    for (size_t i = 0; i < trace.count; i++) {
        const struct tare_profile_row *row = &trace.rows[i];

        if (!row->node || !row->node[0] || !row->op_type || row->calls < 0 || row->total_ns < 0)
            abort();
        if (i > 0 && row->total_ns > trace.rows[i - 1].total_ns)
            abort();
    }
    ort_trace_release(&trace);
    return 0;
}
