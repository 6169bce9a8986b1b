#include "tensorrt/trt_interface.h"

void trt_interface_drop(void *self)
{
    (void)self;
}

int32_t trt_interface_language(void *self)
{
    (void)self;
    return 0;
}
