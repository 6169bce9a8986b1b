#include "vision/letterbox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "vision/half.h"
#include "vision/letterbox_rows.h"

#define CHANNELS 3

struct letterbox {
    struct letterbox_options options;
    const struct letterbox_rows *rows;
    void *gray; // (S): a row of padding, of the tensor's dtype

    struct letterbox_tap *columns;    // (S)
    int16_t *shrunk;                  // (2, CHANNELS, S): the two source rows last shrunk
    float *scratch;                   // (CHANNELS, S): one output row, for TARE_FP16 only
    int32_t held[2];                  /* which source rows are in shrunk; -1: none */
    int32_t columns_from, columns_to; /* the widths that columns was made for */
};

/* --- geometry -----------------------------------------------------------------------------------
 */

void letterbox_plan(int32_t width, int32_t height, int32_t size, struct letterbox_plan *plan,
                    struct boxes_frame *frame)
{
    double scale = fmin((double)size / height, (double)size / width);

    plan->size = size;
    plan->width = (int32_t)fmax(1, nearbyint(width * scale));
    plan->height = (int32_t)fmax(1, nearbyint(height * scale));
    plan->left = (int32_t)nearbyint((size - plan->width) / 2.0 - 0.1);
    plan->top = (int32_t)nearbyint((size - plan->height) / 2.0 - 0.1);
    frame->width = width;
    frame->height = height;
    frame->scale = (float)scale;
    frame->left = (float)plan->left;
    frame->top = (float)plan->top;
}

/* Source position of output index i, as its whole part and the weights of it and the next. */
static int32_t position(int32_t i, double step, int16_t weight[2])
{
    double scaled = (i + 0.5) * step; /* a statement of its own, so that no compiler fuses it */
    float exact = (float)(scaled - 0.5);
    float whole = floorf(exact);
    float part = exact - whole;

    weight[0] = (int16_t)lrintf((1.0F - part) * LETTERBOX_WEIGHT);
    weight[1] = (int16_t)lrintf(part * LETTERBOX_WEIGHT);
    return (int32_t)whole;
}

/* Where both taps would be beyond an edge, the edge pixel has all the weight. */
static void plan_columns(struct letterbox *l, int32_t from, int32_t to)
{
    double step = 1.0 / ((double)to / from);

    if (l->columns_from == from && l->columns_to == to)
        return;
    for (int32_t i = 0; i < to; i++) {
        struct letterbox_tap *tap = &l->columns[i];

        tap->at = position(i, step, tap->weight);
        if (tap->at < 0) {
            *tap = (struct letterbox_tap){0, {LETTERBOX_WEIGHT, 0}};
        } else if (tap->at > from - 2) {
            *tap = (struct letterbox_tap){from - 2, {0, LETTERBOX_WEIGHT}};
        }
    }
    l->columns_from = from;
    l->columns_to = to;
}

/* --- rows ---------------------------------------------------------------------------------------
 */

/* Where row y of each plane goes in the tensor, or in scratch if it must be narrowed first. */
static void row_planes(const struct letterbox *l, float *out, size_t y, size_t x,
                       float *planes[CHANNELS])
{
    size_t size = (size_t)l->options.size;

    for (size_t c = 0; c < CHANNELS; c++)
        planes[c] = l->scratch ? l->scratch + c * size + x : out + (c * size + y) * size + x;
}

/* At most a row. */
static void fill_gray(const struct letterbox *l, void *out, size_t first, size_t count)
{
    size_t element = tare_dtype_bytes(l->options.dtype);

    memcpy((uint8_t *)out + first * element, l->gray, count * element);
}

/* Puts gray left and right of row y, and narrows the row where the tensor is FP16. */
static void finish_row(const struct letterbox *l, const struct letterbox_plan *plan, size_t y,
                       void *out)
{
    size_t size = (size_t)plan->size, left = (size_t)plan->left, width = (size_t)plan->width;

    for (size_t c = 0; c < CHANNELS; c++) {
        size_t row = (c * size + y) * size;

        fill_gray(l, out, row, left);
        if (l->scratch)
            half_from_floats(l->scratch + c * size + left, width, (uint16_t *)out + row + left);
        fill_gray(l, out, row + left + width, size - left - width);
    }
}

/* The planes of source row y, shrunk now unless they still lie there. */
static void shrunk_row(struct letterbox *l, const struct picture *picture, int32_t y, int32_t keep,
                       size_t width, int16_t *planes[CHANNELS])
{
    size_t size = (size_t)l->options.size;
    int slot = l->held[0] == y ? 0 : l->held[1] == y ? 1 : l->held[0] == keep ? 1 : 0;
    const uint8_t *row = picture->pixels + (size_t)y * (size_t)picture->width * PICTURE_PIXEL_BYTES;
    uint8_t twice[2 * PICTURE_PIXEL_BYTES];

    for (size_t c = 0; c < CHANNELS; c++)
        planes[c] = l->shrunk + ((size_t)slot * CHANNELS + c) * size;
    if (l->held[slot] == y)
        return;
    if (picture->width == 1) { /* the kernels read a pixel and its neighbour */
        memcpy(twice, row, PICTURE_PIXEL_BYTES);
        memcpy(twice + PICTURE_PIXEL_BYTES, row, PICTURE_PIXEL_BYTES);
        row = twice;
    }
    l->rows->shrink(row, l->columns, width, planes);
    l->held[slot] = y;
}

static int32_t clamp_row(int32_t y, int32_t height)
{
    return y < 0 ? 0 : y >= height ? height - 1 : y;
}

static void resize_into(struct letterbox *l, const struct picture *picture,
                        const struct letterbox_plan *plan, void *out)
{
    double step = 1.0 / ((double)plan->height / picture->height);
    size_t width = (size_t)plan->width;

    plan_columns(l, picture->width > 1 ? picture->width : 2, plan->width);
    l->held[0] = l->held[1] = -1;
    for (int32_t i = 0; i < plan->height; i++) {
        int16_t weight[2], *above[CHANNELS], *below[CHANNELS];
        int32_t y = position(i, step, weight);
        int32_t first = clamp_row(y, picture->height), second = clamp_row(y + 1, picture->height);
        size_t row = (size_t)(plan->top + i);
        float *planes[CHANNELS];

        shrunk_row(l, picture, first, second, width, above);
        shrunk_row(l, picture, second, first, width, below);
        row_planes(l, out, row, (size_t)plan->left, planes);
        for (size_t c = 0; c < CHANNELS; c++)
            l->rows->blend(above[c], below[c], weight, width, planes[c]);
        finish_row(l, plan, row, out);
    }
}

static void copy_into(struct letterbox *l, const struct picture *picture,
                      const struct letterbox_plan *plan, void *out)
{
    size_t width = (size_t)picture->width;

    for (size_t i = 0; i < (size_t)picture->height; i++) {
        size_t row = (size_t)plan->top + i;
        float *planes[CHANNELS];

        row_planes(l, out, row, (size_t)plan->left, planes);
        l->rows->split(picture->pixels + i * width * PICTURE_PIXEL_BYTES, width, planes);
        finish_row(l, plan, row, out);
    }
}

/* --- public -------------------------------------------------------------------------------------
 */

/* NULL if there is no memory. */
static void *make_gray(size_t size, enum tare_dtype dtype)
{
    const float gray = (float)LETTERBOX_GRAY / 255.0F;
    void *row = malloc(size * tare_dtype_bytes(dtype));

    for (size_t i = 0; row && i < size; i++) {
        if (dtype == TARE_FP16)
            ((uint16_t *)row)[i] = half_from_float(gray);
        else
            ((float *)row)[i] = gray;
    }
    return row;
}

enum tare_status letterbox_new(const struct letterbox_options *options,
                               struct letterbox **letterbox, struct tare_err *err)
{
    struct letterbox *l;
    size_t size = (size_t)options->size;

    *letterbox = NULL;
    if (options->size < 1 || options->size > LETTERBOX_MAX_SIZE)
        return tare_fail(err, TARE_INVALID, "input size %d, need 1..%d", options->size,
                         LETTERBOX_MAX_SIZE);
    if (options->dtype != TARE_FP32 && options->dtype != TARE_FP16)
        return tare_fail(err, TARE_INVALID, "picture input of type %s, need FP32 or FP16",
                         tare_dtype_name(options->dtype));
    l = calloc(1, sizeof(*l));
    if (l) {
        l->options = *options;
        l->rows = options->portable ? &letterbox_rows_portable : letterbox_rows_best();
        l->gray = make_gray(size, options->dtype);
        l->columns = malloc(size * sizeof(*l->columns));
        l->shrunk = malloc(size * 2 * CHANNELS * sizeof(*l->shrunk));
        l->scratch =
            options->dtype == TARE_FP16 ? malloc(size * CHANNELS * sizeof(*l->scratch)) : NULL;
    }
    if (!l || !l->gray || !l->columns || !l->shrunk ||
        (options->dtype == TARE_FP16 && !l->scratch)) {
        letterbox_free(l);
        return tare_fail(err, TARE_NOMEM, "out of memory for a letterbox of %d pixels",
                         options->size);
    }
    *letterbox = l;
    return TARE_OK;
}

void letterbox_free(struct letterbox *letterbox)
{
    if (!letterbox)
        return;
    free(letterbox->gray);
    free(letterbox->columns);
    free(letterbox->shrunk);
    free(letterbox->scratch);
    free(letterbox);
}

static bool inside(const struct letterbox_plan *plan, size_t row)
{
    return row >= (size_t)plan->top && row < (size_t)(plan->top + plan->height);
}

enum tare_status letterbox_apply(struct letterbox *letterbox, const struct picture *picture,
                                 void *out, struct boxes_frame *frame, struct tare_err *err)
{
    struct letterbox_plan plan;
    size_t size = (size_t)letterbox->options.size;

    if (picture->width < 1 || picture->height < 1 || !picture->pixels)
        return tare_fail(err, TARE_INVALID, "picture of %d x %d pixels has no pixels",
                         picture->width, picture->height);
    letterbox_plan(picture->width, picture->height, letterbox->options.size, &plan, frame);
    for (size_t row = 0; row < size; row++)
        for (size_t c = 0; c < CHANNELS && !inside(&plan, row); c++)
            fill_gray(letterbox, out, (c * size + row) * size, size);
    if (plan.width == picture->width && plan.height == picture->height)
        copy_into(letterbox, picture, &plan, out);
    else
        resize_into(letterbox, picture, &plan, out);
    return TARE_OK;
}
