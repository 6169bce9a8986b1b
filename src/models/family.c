#include "models/family.h"

#include <string.h>

/* The most particular first; generic takes anything. */
static const struct family *const families[] = {&family_yolov8, &family_pipeline, &family_generic};

#define FAMILIES (sizeof(families) / sizeof(families[0]))

const struct family *family_find(const struct family_graph *graph)
{
    for (size_t i = 0; i + 1 < FAMILIES; i++)
        if (families[i]->matches(graph))
            return families[i];
    return &family_generic;
}

const struct family *family_by_name(const char *name)
{
    for (size_t i = 0; i < FAMILIES; i++)
        if (strcmp(families[i]->name, name) == 0)
            return families[i];
    return NULL;
}

void family_input_shape(const struct tare_tensor_info *info, int32_t batch, int32_t size,
                        int64_t *shape)
{
    bool picture = info->rank == 4 && (info->shape[1] == 1 || info->shape[1] == 3);

    for (int32_t i = 0; i < info->rank && i < TARE_MAX_RANK; i++) {
        int64_t open = i == 0 ? batch : picture ? (size ? size : FAMILY_SIZE) : 1;

        shape[i] = info->shape[i] >= 0 ? info->shape[i] : open;
    }
}

struct family_options family_defaults(const struct family_options *options)
{
    struct family_options full = *options;

    if (full.min_score == 0)
        full.min_score = 0.25F;
    if (full.iou == 0)
        full.iou = 0.7F;
    if (full.max_boxes == 0)
        full.max_boxes = 300;
    return full;
}
