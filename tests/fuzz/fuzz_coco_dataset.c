/*
 * Any bytes as an annotation file; what is accepted is evaluated against a few fixed detections.
 */
#include <stdint.h>
#include <stdlib.h>

#include "accuracy/coco.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct coco_dataset *dataset = NULL;
    struct coco_detections *detections = NULL;
    struct coco_options options = {.threads = 1};
    struct coco_result result = {0};

    if (coco_dataset_parse((const char *)data, size, "fuzz", &dataset, NULL) != TARE_OK)
        return 0;
    if (coco_detections_new(&detections, NULL) == TARE_OK && coco_category_count(dataset) < 100) {
        for (size_t i = 0; i < coco_image_count(dataset) && i < 8; i++) {
            const struct coco_category *category =
                coco_category(dataset, i % (coco_category_count(dataset) + 1));
            struct coco_detection detection = {
                .image_id = coco_image(dataset, i)->id,
                .category_id = category ? category->id : 1,
                .width = 40,
                .height = 40,
                .score = (double)i,
            };

            (void)coco_detections_add(detections, &detection, NULL);
        }
        if (coco_evaluate(dataset, detections, &options, &result, NULL) == TARE_OK)
            for (int f = 0; f < COCO_FIGURES; f++)
                if (!(result.figures[f] >= -1 && result.figures[f] <= 1))
                    abort();
    }
    coco_result_release(&result);
    coco_detections_free(detections);
    coco_dataset_free(dataset);
    return 0;
}
