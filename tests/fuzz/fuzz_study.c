/* fuzz_study.c - study files. */
#include <stddef.h>
#include <stdint.h>

#include "measure/study.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct study study;

    if (study_parse((const char *)data, size, "study", ".", &study, NULL) == TARE_OK)
        study_release(&study);
    return 0;
}
