/*
 * Any bytes as a results file; what is accepted is evaluated, and so survives hostile numbers.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "accuracy/coco.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char annotations[] =
        "{\"images\":[{\"id\":1},{\"id\":42}],\"categories\":[{\"id\":1},{\"id\":18}],"
        "\"annotations\":[{\"id\":1,\"image_id\":42,\"category_id\":18,\"bbox\":[258,41,348,243],"
        "\"area\":84564},{\"id\":2,\"image_id\":1,\"category_id\":1,\"bbox\":[0,0,9,9],"
        "\"area\":81,\"iscrowd\":1}]}";
    struct coco_dataset *dataset = NULL;
    struct coco_detections *detections = NULL;
    struct coco_options options = {.threads = 1};
    struct coco_result result = {0};

    if (coco_dataset_parse(annotations, sizeof(annotations) - 1, "fixed", &dataset, NULL) !=
        TARE_OK)
        abort();
    if (coco_detections_parse((const char *)data, size, "fuzz", 1, &detections, NULL) == TARE_OK &&
        coco_evaluate(dataset, detections, &options, &result, NULL) == TARE_OK &&
        result.detections + result.left_out != coco_detections_count(detections))
        abort();
    coco_result_release(&result);
    coco_detections_free(detections);
    coco_dataset_free(dataset);
    return 0;
}
