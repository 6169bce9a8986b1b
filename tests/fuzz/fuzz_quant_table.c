/* fuzz_quant_table.c - calibration tables. */
#include <stddef.h>
#include <stdint.h>

#include "quantize/quant_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct quant_table table;

    if (quant_table_parse((const char *)data, size, &table, NULL) == TARE_OK)
        quant_table_release(&table);
    return 0;
}
