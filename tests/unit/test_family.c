/* Which graph is whose, and that a picture goes in and boxes come out in its own pixels. */
#include "check.h"
#include "models/family.h"

#include <stdlib.h>

#include "base/buf.h"
#include "models/coco_names.h"
#include "vision/half.h"
#include "vision/jpeg.h"

enum {
    SIZE = 64,
    CLASSES = 2,
    ANCHORS = 84
};

static struct tare_tensor tensor(const char *name, enum tare_dtype dtype, int32_t rank,
                                 const int64_t *shape)
{
    struct tare_tensor t = {.dtype = dtype, .rank = rank};

    (void)snprintf(t.name, sizeof(t.name), "%s", name);
    memcpy(t.shape, shape, (size_t)rank * sizeof(*shape));
    t.capacity_bytes = (size_t)tare_shape_count(rank, shape) * tare_dtype_bytes(dtype);
    t.data = calloc(1, t.capacity_bytes);
    return t;
}

struct model {
    struct tare_tensor inputs[2], outputs[6];
    struct family_graph graph;
};

static void model_full(struct model *model, enum tare_dtype dtype, int64_t batch)
{
    model->inputs[0] = tensor("images", dtype, 4, (int64_t[]){batch, 3, SIZE, SIZE});
    model->outputs[0] = tensor("output0", dtype, 3, (int64_t[]){batch, 4 + CLASSES, ANCHORS});
    model->graph = (struct family_graph){model->inputs, 1, model->outputs, 1};
}

/* The outputs in an order of their own: names count. */
static void model_raw(struct model *model, enum tare_dtype dtype, int64_t batch)
{
    model->inputs[0] = tensor("images", dtype, 4, (int64_t[]){batch, 3, SIZE, SIZE});
    for (int i = 0; i < 6; i++) {
        int level = (i + 1) % 3;
        int64_t side = SIZE / (8 << level);
        char name[16];

        (void)snprintf(name, sizeof(name), "%s%d", i < 3 ? "cls" : "box", 8 << level);
        model->outputs[i] =
            tensor(name, dtype, 4, (int64_t[]){batch, i < 3 ? CLASSES : 64, side, side});
    }
    model->graph = (struct family_graph){model->inputs, 1, model->outputs, 6};
}

static void model_release(struct model *model)
{
    for (size_t i = 0; i < model->graph.input_count; i++)
        free(model->inputs[i].data);
    for (size_t i = 0; i < model->graph.output_count; i++)
        free(model->outputs[i].data);
}

static void put(struct tare_tensor *t, size_t index, float value)
{
    if (t->dtype == TARE_FP16)
        ((uint16_t *)t->data)[index] = half_from_float(value);
    else
        ((float *)t->data)[index] = value;
}

static float get(const struct tare_tensor *t, size_t index)
{
    return t->dtype == TARE_FP16 ? half_to_float(((const uint16_t *)t->data)[index])
                                 : ((const float *)t->data)[index];
}

static void knows_its_own(void)
{
    struct model model;

    model_full(&model, TARE_FP32, 2);
    CHECK(family_find(&model.graph) == &family_yolov8);
    model.outputs[0].shape[2] = ANCHORS + 1;
    CHECK(family_find(&model.graph) == &family_generic);
    model.outputs[0].shape[2] = ANCHORS;
    model.inputs[0].shape[3] = 2 * SIZE;
    CHECK(family_find(&model.graph) == &family_generic);
    model_release(&model);
    model_raw(&model, TARE_FP16, 1);
    CHECK(family_find(&model.graph) == &family_yolov8);
    model.outputs[0].shape[1] = CLASSES + 1; /* three class outputs that disagree */
    CHECK(family_find(&model.graph) == &family_generic);
    model.outputs[0].shape[1] = INT64_MAX;
    CHECK(family_find(&model.graph) == &family_generic);
    model_release(&model);
    CHECK(family_find(&(struct family_graph){0}) == &family_generic);
    CHECK(family_by_name("yolov8") == &family_yolov8);
    CHECK(family_by_name("generic") == &family_generic);
    CHECK(family_by_name("yolov9") == NULL);
}

/* A flat picture of one colour, twice as wide as high. */
static struct buf flat_picture(void)
{
    struct picture picture = {200, 100, malloc(200 * 100 * PICTURE_PIXEL_BYTES)};
    struct buf file = BUF_INIT;

    for (size_t i = 0; i < 200 * 100; i++)
        memcpy(picture.pixels + i * PICTURE_PIXEL_BYTES, "\xc8\x64\x32", 4);
    CHECK_OK(jpeg_write(&picture, 100, &file, err));
    free(picture.pixels);
    return file;
}

/* Anchor 0 of the last slot finds a box of 32 x 16 input pixels in the middle. */
static void check_round_trip(struct model *model, const struct buf *file)
{
    const struct family_options options = {0};
    int32_t slot = (int32_t)model->inputs[0].shape[0] - 1;
    size_t plane = SIZE * SIZE, start = (size_t)slot * 3 * plane, count = 9;
    struct family_stages stages = {-1, -1, -1};
    struct family_state *state;
    const struct box *boxes;

    CHECK_OK(family_yolov8.open(&model->graph, &options, &state, err));
    CHECK(family_yolov8.slots(state) == slot + 1);
    CHECK_OK(family_yolov8.load(state, file->data, file->size, slot, &stages, err));
    CHECK_NEAR(get(&model->inputs[0], start + 32 * SIZE + 5), 200 / 255.0, 0.01);
    CHECK_NEAR(get(&model->inputs[0], start + plane + 32 * SIZE + 5), 100 / 255.0, 0.01);
    CHECK_NEAR(get(&model->inputs[0], start + 2 * plane + 32 * SIZE + 5), 50 / 255.0, 0.01);
    CHECK_NEAR(get(&model->inputs[0], start + 5 * SIZE), 114 / 255.0, 1e-3);
    CHECK_OK(family_yolov8.boxes(state, slot, &boxes, &count, &stages, err));
    CHECK(count == 1);
    if (count == 1) { /* 200 x 100 at scale 0.32, 16 above */
        CHECK_NEAR(boxes[0].x1, (32 - 16) / 0.32, 0.1);
        CHECK_NEAR(boxes[0].y1, (32 - 8 - 16) / 0.32, 0.1);
        CHECK_NEAR(boxes[0].x2, (32 + 16) / 0.32, 0.1);
        CHECK_NEAR(boxes[0].y2, (32 + 8 - 16) / 0.32, 0.1);
        CHECK_NEAR(boxes[0].score, 1 / (1 + exp(-2)), 1e-3);
        CHECK(boxes[0].class_id == 1);
    }
    CHECK(stages.decode_ns > 0 && stages.letterbox_ns > 0 && stages.boxes_ns > 0);
    CHECK(family_yolov8.load(state, file->data, file->size, slot + 1, NULL, NULL) == TARE_INVALID);
    CHECK(family_yolov8.load(state, file->data, 100, slot, NULL, NULL) == TARE_BADDATA);
    CHECK(family_yolov8.boxes(state, -1, &boxes, &count, NULL, NULL) == TARE_INVALID);
    family_yolov8.close(state);
}

static void predicts_from_a_full_head(void)
{
    struct buf file = flat_picture();

    for (int half = 0; half < 2; half++)
        for (int64_t batch = 1; batch < 4; batch += 2) {
            struct model model;
            size_t start = (size_t)(batch - 1) * (4 + CLASSES) * ANCHORS;
            static const float values[6] = {32, 32, 32, 16, 0.1F, 0.880797F};

            model_full(&model, half ? TARE_FP16 : TARE_FP32, batch);
            for (size_t row = 0; row < 6; row++)
                put(&model.outputs[0], start + row * ANCHORS, values[row]);
            check_round_trip(&model, &file);
            model_release(&model);
        }
    buf_release(&file);
}

static void predicts_from_a_raw_head(void)
{
    struct buf file = flat_picture();

    for (int half = 0; half < 2; half++)
        for (int64_t batch = 1; batch < 4; batch += 2) {
            struct model model;
            struct tare_tensor *cls, *box;

            model_raw(&model, half ? TARE_FP16 : TARE_FP32, batch);
            for (size_t i = 0; i < 3; i++)
                for (size_t k = 0; k < model.outputs[i].capacity_bytes / (half ? 2 : 4); k++)
                    put(&model.outputs[i], k, -9);
            cls = &model.outputs[0]; /* cls16: cell (1, 1) is centred on (24, 24) */
            box = &model.outputs[3];
            put(cls, (size_t)(batch - 1) * CLASSES * 16 + 16 + 5, 2);
            for (size_t k = 0; k < 4; k++) { /* sides 0.5 0 1.5 1 in cells: two bins share one */
                static const int bins[4][2] = {{0, 1}, {0, 0}, {1, 2}, {1, 1}};

                for (int b = 0; b < 2; b++)
                    put(box, ((size_t)(batch - 1) * 64 + k * 16 + (size_t)bins[k][b]) * 16 + 5, 30);
            }
            check_round_trip(&model, &file);
            model_release(&model);
        }
    buf_release(&file);
}

static void refuses_what_does_not_fit(void)
{
    const struct family_options options = {0}, bad = {.iou = 7};
    struct family_state *state;
    struct model model;

    model_full(&model, TARE_FP32, 1);
    CHECK(family_yolov8.open(&model.graph, &bad, &state, NULL) == TARE_INVALID && !state);
    model.outputs[0].capacity_bytes--;
    CHECK(family_yolov8.open(&model.graph, &options, &state, NULL) == TARE_INVALID && !state);
    model.inputs[0].memory = TARE_MEM_DEVICE;
    CHECK(family_yolov8.open(&model.graph, &options, &state, NULL) == TARE_UNSUPPORTED);
    CHECK(family_generic.open(&model.graph, &options, &state, NULL) == TARE_UNSUPPORTED);
    model.inputs[0].rank = 3;
    CHECK(family_yolov8.open(&model.graph, &options, &state, NULL) == TARE_UNSUPPORTED);
    family_yolov8.close(NULL);
    family_generic.close(NULL);
    model_release(&model);
}

/* A pipeline behind one graph: a file goes in as it is, rows that say what they are come out. */
static void reads_a_pipeline(void)
{
    const struct family_options options = {.min_score = 0.5F};
    struct tare_tensor input = {.name = "jpeg", .dtype = TARE_BYTES, .rank = 2, .shape = {2, 1}};
    struct tare_tensor outputs[2] = {tensor("count", TARE_INT32, 2, (int64_t[]){2, 1}),
                                     tensor("boxes", TARE_FP32, 3, (int64_t[]){2, 3, 6})};
    static const float rows[12] = {1, 2, 3, 4, 0.9F, 7, 5, 6, 7, 8, 0.4F, 1};
    struct family_graph graph = {&input, 1, outputs, 2};
    int32_t *counts = outputs[0].data;
    float *values = outputs[1].data;
    struct family_state *state;
    const struct box *boxes;
    size_t count;

    input.capacity_bytes = 24;
    input.data = calloc(1, input.capacity_bytes);
    CHECK(family_find(&graph) == &family_pipeline);
    CHECK_OK(family_pipeline.open(&graph, &options, &state, err));
    CHECK(family_pipeline.slots(state) == 2);
    CHECK_OK(family_pipeline.load(state, "xyz", 3, 1, NULL, err));
    CHECK_OK(family_pipeline.load(state, "ab", 2, 0, NULL, err));
    CHECK(memcmp(input.data, "\2\0\0\0ab\3\0\0\0xyz", 13) == 0);
    CHECK(family_pipeline.load(state, "0123456789abcdef", 16, 0, NULL, NULL) == TARE_LIMIT);
    CHECK(family_pipeline.load(state, "ab", 2, 2, NULL, NULL) == TARE_INVALID);
    memcpy(values + 18, rows, sizeof(rows));
    counts[1] = 2;
    CHECK_OK(family_pipeline.boxes(state, 0, &boxes, &count, NULL, err));
    CHECK(count == 0);
    CHECK_OK(family_pipeline.boxes(state, 1, &boxes, &count, NULL, err));
    CHECK(count == 1 && boxes[0].x1 == 1 && boxes[0].y2 == 4 && boxes[0].class_id == 7);
    counts[1] = 4;
    CHECK(family_pipeline.boxes(state, 1, &boxes, &count, NULL, NULL) == TARE_BADDATA);
    counts[1] = 1;
    values[18 + 5] = 1e9F;
    CHECK(family_pipeline.boxes(state, 1, &boxes, &count, NULL, NULL) == TARE_BADDATA);
    values[18 + 5] = NAN;
    CHECK(family_pipeline.boxes(state, 1, &boxes, &count, NULL, NULL) == TARE_BADDATA);
    family_pipeline.close(state);
    outputs[1].shape[2] = 7;
    CHECK(family_find(&graph) == &family_generic);
    CHECK(family_generic.open(&graph, &options, &state, NULL) == TARE_UNSUPPORTED);
    CHECK(family_pipeline.open(&graph, &options, &state, NULL) == TARE_UNSUPPORTED && !state);
    family_pipeline.close(NULL);
    free(input.data);
    free(outputs[0].data);
    free(outputs[1].data);
}

/* Every type: the seed and the slot decide, other slots stay untouched, values are in range. */
static void makes_random_inputs(void)
{
    for (int dtype = TARE_FP64; dtype <= TARE_BOOL; dtype++) {
        struct tare_tensor inputs[2] = {tensor("a", (enum tare_dtype)dtype, 2, (int64_t[]){3, 50}),
                                        tensor("b", TARE_INT64, 1, (int64_t[]){3})};
        struct family_graph graph = {inputs, 2, NULL, 0};
        const struct family_options options = {.seed = 5};
        size_t slot_bytes = inputs[0].capacity_bytes / 3;
        uint8_t *data = inputs[0].data, *again = malloc(slot_bytes);
        struct family_state *state;

        CHECK_OK(family_generic.open(&graph, &options, &state, err));
        CHECK(family_generic.slots(state) == 3);
        CHECK_OK(family_generic.load(state, NULL, 0, 1, NULL, err));
        CHECK(data[0] == 0 && memcmp(data, data + 1, slot_bytes - 1) == 0);
        CHECK(memcmp(data, data + slot_bytes, slot_bytes) != 0);
        CHECK(memcmp(data, data + 2 * slot_bytes, slot_bytes) == 0);
        memcpy(again, data + slot_bytes, slot_bytes);
        CHECK_OK(family_generic.load(state, NULL, 0, 2, NULL, err));
        CHECK(memcmp(again, data + 2 * slot_bytes, slot_bytes) != 0);
        CHECK_OK(family_generic.load(state, NULL, 0, 1, NULL, err));
        CHECK(memcmp(again, data + slot_bytes, slot_bytes) == 0);
        for (size_t i = 0; i < 3; i++)
            CHECK(((const int64_t *)inputs[1].data)[i] >= 0 &&
                  ((const int64_t *)inputs[1].data)[i] < 8);
        for (size_t i = 0; dtype == TARE_FP32 && i < 150; i++)
            CHECK(get(&inputs[0], i) >= 0 && get(&inputs[0], i) < 1);
        CHECK(family_generic.load(state, NULL, 0, 3, NULL, NULL) == TARE_INVALID);
        family_generic.close(state);
        free(again);
        free(inputs[0].data);
        free(inputs[1].data);
    }
}

static void gives_open_dimensions_a_size(void)
{
    const struct tare_tensor_info picture = {"images", TARE_FP32, 4, {-1, 3, -1, -1}};
    const struct tare_tensor_info fixed = {"images", TARE_FP32, 4, {2, 3, 320, -1}};
    const struct tare_tensor_info tokens = {"ids", TARE_INT64, 2, {-1, -1}};
    int64_t shape[TARE_MAX_RANK];

    family_input_shape(&picture, 4, 0, shape);
    CHECK(shape[0] == 4 && shape[1] == 3 && shape[2] == 640 && shape[3] == 640);
    family_input_shape(&fixed, 4, 416, shape);
    CHECK(shape[0] == 2 && shape[1] == 3 && shape[2] == 320 && shape[3] == 416);
    family_input_shape(&tokens, 4, 416, shape);
    CHECK(shape[0] == 4 && shape[1] == 1);
}

static void names_coco_classes(void)
{
    CHECK_TEXT(coco_name(0), "person");
    CHECK_TEXT(coco_name(79), "toothbrush");
    CHECK(coco_name_category(0) == 1 && coco_name_category(79) == 90);
    CHECK_TEXT(coco_name(16), "dog");
    CHECK(coco_name_category(16) == 18);
    CHECK(coco_name(80) == NULL && coco_name(-1) == NULL && coco_name_category(80) == -1);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"knows_its_own", knows_its_own},
        {"predicts_from_a_full_head", predicts_from_a_full_head},
        {"predicts_from_a_raw_head", predicts_from_a_raw_head},
        {"refuses_what_does_not_fit", refuses_what_does_not_fit},
        {"reads_a_pipeline", reads_a_pipeline},
        {"makes_random_inputs", makes_random_inputs},
        {"gives_open_dimensions_a_size", gives_open_dimensions_a_size},
        {"names_coco_classes", names_coco_classes},
        {0},
    };

    return check_main("family", cases, argc, argv);
}
