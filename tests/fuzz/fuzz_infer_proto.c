/* Any bytes as the answer to an inference over gRPC: a ModelInferResponse. */
#include <stdint.h>

#include "fuzz_infer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_infer(KSERVE_GRPC, 0, data, size);
    return 0;
}
