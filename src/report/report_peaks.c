#include "report/report_peaks.h"

static void put_rates(struct buf *out, const struct peak_cuda *device)
{
    for (int type = 0; type < PEAK_TYPES; type++)
        if (device->operations[type].rate.best > 0)
            buf_printf(out, "; %s %.0f", peak_type_name((enum peak_type)type),
                       device->operations[type].rate.best * 1e-9);
    buf_append_text(out, device->library[0] ? " 10^9 op/s" : "");
    for (int copy = 0; copy < PEAK_COPIES; copy++)
        if (device->copies[copy].rate.best > 0)
            buf_printf(out, "; %s %.1f", peak_copy_name((enum peak_copy)copy),
                       device->copies[copy].rate.best * 1e-9);
    buf_append_text(out, " GB/s");
}

/* One reason, not one for each row. */
static void put_reason(struct buf *out, const struct peak_cuda *device)
{
    for (int type = 0; type < PEAK_TYPES; type++)
        if (device->operations[type].why[0]) {
            buf_printf(out, "; without %s: %s", peak_type_name((enum peak_type)type),
                       device->operations[type].why);
            return;
        }
}

void write_device_peaks(struct buf *out, const struct peak_cuda *device)
{
    buf_printf(out, "cuda:%d", device->index);
    if (!device->known) {
        buf_printf(out, ": peaks not measured: %s", device->why);
        return;
    }
    buf_printf(out, ", %s (%s%s)", device->name, device->architecture,
               device->stand_in ? ", a stand-in of a device" : "");
    if (device->library[0])
        buf_printf(out, ", products of %lld x %lld by %s", (long long)device->size,
                   (long long)device->size, device->library);
    put_rates(out, device);
    put_reason(out, device);
}
