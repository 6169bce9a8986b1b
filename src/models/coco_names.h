/*
 * coco_names.h - the 80 classes of COCO in the order that detectors are trained with, for models
 * that do not name their classes themselves. Threads: constant.
 */
#ifndef TARE_MODELS_COCO_NAMES_H
#define TARE_MODELS_COCO_NAMES_H

#include <stdint.h>

#define COCO_NAMES_COUNT 80

/* "person" for 0; NULL outside 0..79. */
const char *coco_name(int32_t class_id);

/* The id of the class in COCO's annotation files, which has gaps: 1..90; -1 outside 0..79. */
int32_t coco_name_category(int32_t class_id);

#endif
