/*
 * Against OpenCV 5.0 (cv2.resize INTER_LINEAR and copyMakeBorder), whose results are kept here as
 * hashes of the 8-bit planes; tests/python/test_letterbox.py compares whole photographs.
 */
#include "check.h"
#include "vision/letterbox.h"

#include <stdlib.h>

#include "vision/half.h"

struct golden {
    int32_t width, height, size, left, top, resized_width, resized_height;
    uint64_t hash; /* FNV-1a of the planes R, G, B */
};

static const struct golden goldens[] = {
    {37, 23, 64, 0, 12, 64, 40, 0x3d06a1de122f6b9cULL},
    {64, 48, 64, 0, 8, 64, 48, 0x8749535c3c3c9cd5ULL},
    {97, 131, 64, 8, 0, 47, 64, 0x3056ec15f2359e87ULL},
    {128, 128, 64, 0, 0, 64, 64, 0x5a9c9a305be0dee7ULL},
    {1, 9, 32, 14, 0, 4, 32, 0x98142fb8bcfaef29ULL},
    {9, 1, 32, 0, 14, 32, 4, 0x56b0fb8c0aa07691ULL},
    {2, 2, 33, 0, 0, 33, 33, 0xde52108d04f4e8dcULL},
    {200, 11, 48, 0, 22, 48, 3, 0x659f6c507b63eb2aULL},
    {31, 61, 61, 15, 0, 31, 61, 0x44e2d4623a82e4b0ULL},
    {100, 100, 99, 0, 0, 99, 99, 0x0289f67735cf4c8cULL},
};

#define GOLDENS (sizeof(goldens) / sizeof(goldens[0]))

/* Noise from the generator that made the golden hashes. Exactly as long as it says, so that a
 * sanitizer sees a read beyond it. */
static struct picture noise(int32_t width, int32_t height)
{
    size_t bytes = (size_t)width * (size_t)height * PICTURE_PIXEL_BYTES;
    struct picture picture = {width, height, malloc(bytes)};
    uint32_t state = (uint32_t)(width * 1000 + height);

    for (size_t i = 0; i < bytes; i++) {
        state = state * 1664525u + 1013904223u;
        picture.pixels[i] = (uint8_t)(state >> 24);
    }
    return picture;
}

/* The tensor of a picture, in new memory of exactly its size. */
static void *apply(const struct picture *picture, int32_t size, enum tare_dtype dtype,
                   bool portable, struct boxes_frame *frame)
{
    const struct letterbox_options options = {size, dtype, portable};
    void *out = malloc((size_t)size * (size_t)size * 3 * tare_dtype_bytes(dtype));
    struct letterbox *letterbox;

    CHECK_OK(letterbox_new(&options, &letterbox, err));
    CHECK_OK(letterbox_apply(letterbox, picture, out, frame, err));
    letterbox_free(letterbox);
    return out;
}

static uint64_t hash_levels(const float *values, size_t count)
{
    uint64_t hash = 0xcbf29ce484222325ULL;

    for (size_t i = 0; i < count; i++)
        hash = (hash ^ (uint64_t)lrintf(values[i] * 255)) * 0x100000001b3ULL;
    return hash;
}

static void check_goldens(bool portable)
{
    for (size_t i = 0; i < GOLDENS; i++) {
        const struct golden *g = &goldens[i];
        struct picture picture = noise(g->width, g->height);
        struct boxes_frame frame;
        float *out = apply(&picture, g->size, TARE_FP32, portable, &frame);

        CHECK(hash_levels(out, 3 * (size_t)g->size * (size_t)g->size) == g->hash);
        CHECK(frame.left == (float)g->left && frame.top == (float)g->top);
        CHECK(frame.width == g->width && frame.height == g->height);
        free(out);
        free(picture.pixels);
    }
}

static void equals_opencv(void)
{
    check_goldens(false);
}

static void equals_opencv_portable(void)
{
    check_goldens(true);
}

static void plans_like_ultralytics(void)
{
    struct letterbox_plan plan;
    struct boxes_frame frame;

    for (size_t i = 0; i < GOLDENS; i++) {
        const struct golden *g = &goldens[i];

        letterbox_plan(g->width, g->height, g->size, &plan, &frame);
        CHECK(plan.left == g->left && plan.top == g->top);
        CHECK(plan.width == g->resized_width && plan.height == g->resized_height);
    }
}

/* value / 255 must be what a division gives, for each level, on every path. */
static void divides_exactly(void)
{
    for (int portable = 0; portable < 2; portable++) {
        uint8_t pixels[256 * PICTURE_PIXEL_BYTES];
        struct picture picture = {256, 1, pixels};
        struct boxes_frame frame;
        float *out;

        for (int i = 0; i < 256; i++)
            memset(pixels + (size_t)i * PICTURE_PIXEL_BYTES, i, PICTURE_PIXEL_BYTES);
        out = apply(&picture, 256, TARE_FP32, portable != 0, &frame);
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < 256; i++)
                CHECK(out[(c * 256 + (int)frame.top) * 256 + i] == (float)i / 255.0F);
        CHECK(out[0] == 114.0F / 255.0F);
        free(out);
    }
}

static void paths_agree_bit_for_bit(void)
{
    for (int32_t i = 0; i < 300; i++) {
        struct picture picture = noise(1 + i * 7 % 131, 1 + i * 11 % 97);
        int32_t size = 1 + i * 13 % 90;
        size_t bytes = 3 * (size_t)size * (size_t)size * sizeof(float);
        struct boxes_frame frame;
        float *vector = apply(&picture, size, TARE_FP32, false, &frame);
        float *portable = apply(&picture, size, TARE_FP32, true, &frame);

        CHECK(memcmp(vector, portable, bytes) == 0);
        free(vector);
        free(portable);
        free(picture.pixels);
    }
}

static void half_is_the_rounded_float(void)
{
    for (size_t i = 0; i < GOLDENS; i++) {
        const struct golden *g = &goldens[i];
        struct picture picture = noise(g->width, g->height);
        struct boxes_frame frame;
        float *floats = apply(&picture, g->size, TARE_FP32, false, &frame);
        uint16_t *halves = apply(&picture, g->size, TARE_FP16, false, &frame);
        size_t differ = 0;

        for (size_t k = 0; k < 3 * (size_t)g->size * (size_t)g->size; k++)
            differ += halves[k] != half_from_float(floats[k]);
        CHECK(differ == 0);
        free(floats);
        free(halves);
        free(picture.pixels);
    }
}

/* One letterbox for pictures of changing sizes gives what a fresh one gives. */
static void keeps_nothing_of_the_last_picture(void)
{
    const struct letterbox_options options = {64, TARE_FP32, false};
    float *out = malloc(3 * 64 * 64 * sizeof(float));
    struct letterbox *letterbox;

    CHECK_OK(letterbox_new(&options, &letterbox, err));
    for (int32_t i = 0; i < 12; i++) {
        struct picture picture = noise(20 + i % 3 * 30, 33 + i % 4 * 20);
        struct boxes_frame frame, fresh_frame;
        float *fresh = apply(&picture, 64, TARE_FP32, false, &fresh_frame);

        CHECK_OK(letterbox_apply(letterbox, &picture, out, &frame, err));
        CHECK(memcmp(out, fresh, 3 * 64 * 64 * sizeof(float)) == 0);
        CHECK(memcmp(&frame, &fresh_frame, sizeof(frame)) == 0);
        free(fresh);
        free(picture.pixels);
    }
    letterbox_free(letterbox);
    free(out);
}

static void refuses_what_it_cannot_do(void)
{
    const struct letterbox_options bad[] = {
        {0, TARE_FP32, false}, {LETTERBOX_MAX_SIZE + 1, TARE_FP32, false}, {64, TARE_INT8, false}};
    const struct letterbox_options good = {64, TARE_FP32, false};
    struct picture empty = {0, 0, NULL};
    struct boxes_frame frame;
    struct letterbox *letterbox;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(letterbox_new(&bad[i], &letterbox, NULL) == TARE_INVALID);
        CHECK(letterbox == NULL);
    }
    CHECK_OK(letterbox_new(&good, &letterbox, err));
    CHECK(letterbox_apply(letterbox, &empty, NULL, &frame, NULL) == TARE_INVALID);
    letterbox_free(letterbox);
    letterbox_free(NULL);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"equals_opencv", equals_opencv},
        {"equals_opencv_portable", equals_opencv_portable},
        {"plans_like_ultralytics", plans_like_ultralytics},
        {"divides_exactly", divides_exactly},
        {"paths_agree_bit_for_bit", paths_agree_bit_for_bit},
        {"half_is_the_rounded_float", half_is_the_rounded_float},
        {"keeps_nothing_of_the_last_picture", keeps_nothing_of_the_last_picture},
        {"refuses_what_it_cannot_do", refuses_what_it_cannot_do},
        {0},
    };

    return check_main("letterbox", cases, argc, argv);
}
