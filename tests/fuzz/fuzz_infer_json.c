/* Any bytes as the answer to an inference over HTTP: two for the JSON's length, then the body. */
#include <stdint.h>

#include "fuzz_infer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t json_bytes;

    if (size < 2)
        return 0;
    json_bytes = data[0] | data[1] << 8;
    fuzz_infer(KSERVE_HTTP, json_bytes == 65535 ? -1 : json_bytes, data + 2, size - 2);
    return 0;
}
