/* The peaks of a machine and its devices, as a result holds them: read, used, printed, written. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "measure/roofline.h"
#include "report/report_peaks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct roofline_peaks *peaks)
{
    static const char *const devices[] = {"cpu", "cuda:0", "cuda:1"};
    static const char *const precisions[] = {"fp32", "fp16", "int8"};
    const struct roofline_graph graph = {
        .known = true,
        .cost = {.operations = 1e9, .int8_operations = 1e9, .weight_bytes = 1e6, .edge_bytes = 1e6},
    };

    for (size_t i = 0; i < 9; i++) {
        struct roofline_row row =
            roofline_row_on(peaks, devices[i % 3], &graph, precisions[i / 3], 1, 1e6);

        if (row.known && !(row.share >= 0 && isfinite(row.intensity) && row.compute_rate > 0))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tare_err err = TARE_ERR_INIT;
    struct roofline_peaks peaks, again;
    struct buf text = BUF_INIT;

    if (roofline_parse((const char *)data, size, &peaks, &err) != TARE_OK) {
        if (err.text[0] == '\0')
            abort();
        return 0;
    }
    use(&peaks);
    for (int i = 0; i < peaks.device_count; i++)
        write_device_peaks(&text, &peaks.devices[i]);
    buf_release(&text);
    roofline_write(&peaks, &text);
    if (buf_status(&text, "peaks", &err) != TARE_OK ||
        roofline_parse(buf_text(&text), text.size, &again, &err) != TARE_OK ||
        again.processors != peaks.processors || again.device_count != peaks.device_count)
        abort();
    buf_release(&text);
    return 0;
}
