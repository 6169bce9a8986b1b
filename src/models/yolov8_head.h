/*
 * yolov8_head.h - the tensors of a YOLOv8 detector, and from them the boxes of one picture of a
 * batch: what the family yolov8 and a server that has the tensors alone have in common.
 *
 * One square picture input (N, 3, S, S), and either the raw head, six outputs named box8 cls8 box16
 * cls16 box32 cls32, or the full head (N, 4 + C, A), both as vision/boxes.h describes them. FP32 or
 * FP16.
 *
 * Threads: no shared state.
 */
#ifndef TARE_MODELS_YOLOV8_HEAD_H
#define TARE_MODELS_YOLOV8_HEAD_H

#include "models/family.h"

#define YOLOV8_RAW_OUTPUTS (2 * (size_t)BOXES_LEVELS)

/* How a graph's tensors serve. */
struct yolov8_layout {
    bool raw;
    int32_t slots, size, classes;
    size_t output_count;
    size_t outputs[YOLOV8_RAW_OUTPUTS]; /* box8 cls8 box16 cls16 box32 cls32, or the full head */
    size_t counts[YOLOV8_RAW_OUTPUTS];  /* elements of one slot */
};

/* "box8", "cls8", "box16" ...: which output of a raw head stands at that place. */
void yolov8_output_name(size_t place, char name[16]);

/* Whether the graph is such a detector; its data may be NULL. */
bool yolov8_match(const struct family_graph *graph, struct yolov8_layout *layout);

/* TARE_UNSUPPORTED, saying what a detector needs, if it is none. */
enum tare_status yolov8_must_match(const struct family_graph *graph, struct yolov8_layout *layout,
                                   struct tare_err *err);

/* Elements of one slot of all outputs. */
size_t yolov8_slot_count(const struct yolov8_layout *layout);

/* The head of one slot. */
struct yolov8_slot {
    const struct yolov8_layout *layout;
    const struct tare_tensor *outputs; // (output_count), with data
    int32_t slot;
    float *widened; // (yolov8_slot_count()): room for FP16 outputs as floats; NULL for FP32
};

/* Boxes in the pixels of the picture that lies in the square as frame says; as boxes_from_raw(). */
enum tare_status yolov8_slot_boxes(const struct yolov8_slot *slot, const struct boxes_frame *frame,
                                   struct boxes *boxes, const struct box **found, size_t *count,
                                   struct tare_err *err);

#endif
