/*
 * Any bytes: either one message, or a whole picture of a sane size that goes through the letterbox.
 * Every byte of it is read, so that a sanitizer sees memory that was never written.
 */
#include <stdint.h>
#include <stdlib.h>

#include "vision/exif.h"
#include "vision/jpeg.h"
#include "vision/letterbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Larger pictures take the search too long. */
#define MAX_PIXELS ((int64_t)1 << 20)
#define SIZE       32

static void use(const struct picture *picture)
{
    const struct letterbox_options options = {SIZE, TARE_FP32, false};
    static float tensor[3 * SIZE * SIZE];
    struct letterbox *letterbox;
    struct boxes_frame frame;

    if (picture->width < 1 || picture->height < 1)
        abort();
    if (letterbox_new(&options, &letterbox, NULL) != TARE_OK)
        return;
    if (letterbox_apply(letterbox, picture, tensor, &frame, NULL) != TARE_OK)
        abort();
    for (size_t i = 0; i < 3 * SIZE * SIZE; i++)
        if (!(tensor[i] >= 0 && tensor[i] <= 1))
            abort();
    letterbox_free(letterbox);
}

/* The size of a frame header (FF C0..C2, length, precision, height, width) is over MAX_PIXELS. */
static int too_large(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 9 <= size; i++)
        if (data[i] == 0xff && data[i + 1] >= 0xc0 && data[i + 1] <= 0xcf &&
            (int64_t)(data[i + 5] << 8 | data[i + 6]) * (data[i + 7] << 8 | data[i + 8]) >
                MAX_PIXELS)
            return 1;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tare_err err = TARE_ERR_INIT;
    struct jpeg_decoder *decoder;
    struct picture picture;
    int orientation = exif_orientation(data, size);

    if (orientation < 1 || orientation > 8)
        abort();
    if (too_large(data, size) || jpeg_decoder_new(&decoder, NULL) != TARE_OK)
        return 0;
    if (jpeg_decoder_read(decoder, data, size, &picture, &err) == TARE_OK)
        use(&picture);
    else if (err.text[0] == '\0')
        abort();
    jpeg_decoder_free(decoder);
    return 0;
}
