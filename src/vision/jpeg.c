#include "vision/jpeg.h"

#include <assert.h>
#include <ctype.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "vision/exif.h"

#define ROWS_A_CALL 16 /* one row of the largest blocks, so that libjpeg never buffers for us */

/* What libjpeg calls back into: every error ends in one longjmp and one text. */
struct fault {
    struct jpeg_error_mgr manager;
    jmp_buf escape;
    enum tare_status status;
    char text[JMSG_LENGTH_MAX];
};

struct jpeg_decoder {
    struct jpeg_decompress_struct info;
    struct jpeg_progress_mgr progress;
    struct fault fault;
    uint8_t *pixels; /* as stored in the file */
    size_t pixels_bytes;
    uint8_t *upright; /* only for files that are not */
    size_t upright_bytes;
    bool created; /* info is to be destroyed */
};

/* --- libjpeg's callbacks ------------------------------------------------------------------------
 */

_Noreturn static void on_error(j_common_ptr info)
{
    struct fault *fault = (struct fault *)(void *)info->err;

    fault->manager.format_message(info, fault->text);
    fault->text[0] = (char)tolower((unsigned char)fault->text[0]);
    fault->status = fault->manager.msg_code == JERR_OUT_OF_MEMORY ? TARE_NOMEM : TARE_BADDATA;
    longjmp(fault->escape, 1);
}

/* Level -1 is damage to the picture. These few leave the pixels whole. */
static void on_message(j_common_ptr info, int level)
{
    if (level >= 0)
        return;
    switch (info->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
    case JWRN_TOO_MUCH_DATA:
        break;
    default:
        on_error(info);
    }
}

static void on_output(j_common_ptr info)
{
    (void)info;
}

static void on_progress(j_common_ptr info)
{
    j_decompress_ptr decompress = (j_decompress_ptr)info;

    struct fault *fault = (struct fault *)(void *)info->err;

    if (decompress->input_scan_number <= JPEG_MAX_SCANS)
        return;
    (void)snprintf(fault->text, sizeof(fault->text), "more than %d scans", JPEG_MAX_SCANS);
    fault->status = TARE_BADDATA;
    longjmp(fault->escape, 1);
}

static struct jpeg_error_mgr *fault_init(struct fault *fault)
{
    (void)jpeg_std_error(&fault->manager);
    fault->manager.error_exit = on_error;
    fault->manager.emit_message = on_message;
    fault->manager.output_message = on_output;
    fault->status = TARE_BADDATA;
    return &fault->manager;
}

/* --- decoder ------------------------------------------------------------------------------------
 */

enum tare_status jpeg_decoder_new(struct jpeg_decoder **decoder, struct tare_err *err)
{
    struct jpeg_decoder *d = calloc(1, sizeof(*d));

    *decoder = NULL;
    if (!d)
        return tare_fail(err, TARE_NOMEM, "out of memory for a JPEG decoder");
    d->info.err = fault_init(&d->fault);
    if (setjmp(d->fault.escape) != 0) {
        jpeg_decoder_free(d);
        return tare_fail(err, TARE_NOMEM, "out of memory for a JPEG decoder");
    }
    d->created = true;
    jpeg_create_decompress(&d->info);
    d->progress.progress_monitor = on_progress;
    *decoder = d;
    return TARE_OK;
}

void jpeg_decoder_free(struct jpeg_decoder *decoder)
{
    if (!decoder)
        return;
    if (decoder->created)
        jpeg_destroy_decompress(&decoder->info);
    free(decoder->pixels);
    free(decoder->upright);
    free(decoder);
}

/* Leaves the old memory in place if there is none for more. */
static enum tare_status grow(uint8_t **memory, size_t *have, size_t need, struct tare_err *err)
{
    uint8_t *more;

    if (need <= *have)
        return TARE_OK;
    more = malloc(need);
    if (!more)
        return tare_fail(err, TARE_NOMEM, "out of memory for a picture of %zu bytes", need);
    free(*memory);
    *memory = more;
    *have = need;
    return TARE_OK;
}

/* Reads the header and says what the pixels shall be. */
static enum tare_status start(struct jpeg_decoder *d, const void *jpeg, size_t bytes,
                              struct tare_err *err)
{
    struct jpeg_decompress_struct *info = &d->info;
    int64_t width, height;

    jpeg_mem_src(info, jpeg, bytes);
    info->progress = &d->progress;
    (void)jpeg_read_header(info, TRUE);
    width = info->image_width;
    height = info->image_height;
    if (width > PICTURE_MAX_SIDE || height > PICTURE_MAX_SIDE ||
        width * height > PICTURE_MAX_PIXELS)
        return tare_fail(
            err, TARE_LIMIT, "picture of %lld x %lld pixels, at most %lld and %d a side are read",
            (long long)width, (long long)height, (long long)PICTURE_MAX_PIXELS, PICTURE_MAX_SIDE);
    switch (info->jpeg_color_space) {
    case JCS_GRAYSCALE:
    case JCS_RGB:
    case JCS_YCbCr:
        info->out_color_space = JCS_EXT_RGBX;
        break;
    case JCS_CMYK:
    case JCS_YCCK:
        info->out_color_space = JCS_CMYK;
        break;
    default:
        return tare_fail(err, TARE_UNSUPPORTED,
                         "JPEG picture with %d colour components, need gray, colour or CMYK",
                         info->num_components);
    }
    return grow(&d->pixels, &d->pixels_bytes, (size_t)(width * height) * PICTURE_PIXEL_BYTES, err);
}

static void read_rows(struct jpeg_decoder *d)
{
    struct jpeg_decompress_struct *info = &d->info;
    size_t row_bytes;

    (void)jpeg_start_decompress(info);
    row_bytes = (size_t)info->output_width * PICTURE_PIXEL_BYTES;
    assert(row_bytes * info->output_height <= d->pixels_bytes);
    while (info->output_scanline < info->output_height) {
        JSAMPROW rows[ROWS_A_CALL];
        JDIMENSION left = info->output_height - info->output_scanline;

        for (JDIMENSION i = 0; i < ROWS_A_CALL && i < left; i++)
            rows[i] = d->pixels + (info->output_scanline + i) * row_bytes;
        (void)jpeg_read_scanlines(info, rows, left < ROWS_A_CALL ? left : ROWS_A_CALL);
    }
    (void)jpeg_finish_decompress(info);
}

/* In place. Adobe stores 255 - ink, so that colour = cyan * black / 255; rounded as OpenCV does. */
static void cmyk_to_rgb(uint8_t *pixels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t *pixel = pixels + i * PICTURE_PIXEL_BYTES;
        unsigned black = pixel[3];

        for (int c = 0; c < 3; c++)
            pixel[c] = (uint8_t)((black * (pixel[c] + 1u) + 255) >> 8);
    }
}

/* Copies each stored pixel to where exif.h says it belongs. */
static void turn(const struct picture *from, int orientation, struct picture *to)
{
    bool swap = orientation >= 5;
    bool flip_x = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
    bool flip_y = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;

    to->width = swap ? from->height : from->width;
    to->height = swap ? from->width : from->height;
    for (int32_t y = 0; y < to->height; y++) {
        int32_t v = flip_y ? to->height - 1 - y : y;
        uint8_t *row = to->pixels + (size_t)y * (size_t)to->width * PICTURE_PIXEL_BYTES;

        for (int32_t x = 0; x < to->width; x++) {
            int32_t u = flip_x ? to->width - 1 - x : x;
            size_t index = swap ? (size_t)u * (size_t)from->width + (size_t)v
                                : (size_t)v * (size_t)from->width + (size_t)u;

            memcpy(row + (size_t)x * PICTURE_PIXEL_BYTES,
                   from->pixels + index * PICTURE_PIXEL_BYTES, PICTURE_PIXEL_BYTES);
        }
    }
}

static enum tare_status decode(struct jpeg_decoder *d, const void *jpeg, size_t bytes,
                               struct tare_err *err)
{
    enum tare_status status;

    if (setjmp(d->fault.escape) != 0) {
        jpeg_abort_decompress(&d->info);
        return tare_fail(err, d->fault.status, "broken JPEG picture: %s", d->fault.text);
    }
    status = start(d, jpeg, bytes, err);
    if (status == TARE_OK)
        read_rows(d);
    else
        jpeg_abort_decompress(&d->info);
    return status;
}

enum tare_status jpeg_decoder_read(struct jpeg_decoder *decoder, const void *jpeg, size_t bytes,
                                   struct picture *picture, struct tare_err *err)
{
    struct picture stored = {0};
    enum tare_status status;
    size_t pixels;
    int orientation;

    memset(picture, 0, sizeof(*picture));
    if (bytes > JPEG_MAX_FILE_BYTES)
        return tare_fail(err, TARE_LIMIT, "JPEG file of %zu bytes, at most %zu are read", bytes,
                         JPEG_MAX_FILE_BYTES);
    if (bytes == 0)
        return tare_fail(err, TARE_BADDATA, "broken JPEG picture: the file is empty");
    status = decode(decoder, jpeg, bytes, err);
    if (status != TARE_OK)
        return status;
    stored.width = (int32_t)decoder->info.output_width;
    stored.height = (int32_t)decoder->info.output_height;
    stored.pixels = decoder->pixels;
    pixels = (size_t)stored.width * (size_t)stored.height;
    if (decoder->info.out_color_space == JCS_CMYK)
        cmyk_to_rgb(stored.pixels, pixels);
    orientation = exif_orientation(jpeg, bytes);
    if (orientation == 1) {
        *picture = stored;
        return TARE_OK;
    }
    status = grow(&decoder->upright, &decoder->upright_bytes, pixels * PICTURE_PIXEL_BYTES, err);
    if (status != TARE_OK)
        return status;
    picture->pixels = decoder->upright;
    turn(&stored, orientation, picture);
    return TARE_OK;
}

/* --- writing ------------------------------------------------------------------------------------
 */

struct encoder {
    struct jpeg_compress_struct info;
    struct fault fault;
    unsigned char *file; /* malloc'ed by libjpeg */
    unsigned long file_bytes;
};

static enum tare_status encode(struct encoder *e, const struct picture *picture, int quality,
                               struct tare_err *err)
{
    struct jpeg_compress_struct *info = &e->info;
    size_t row_bytes = (size_t)picture->width * PICTURE_PIXEL_BYTES;

    if (setjmp(e->fault.escape) != 0)
        return tare_fail(err, e->fault.status, "cannot write JPEG: %s", e->fault.text);
    jpeg_create_compress(info);
    jpeg_mem_dest(info, &e->file, &e->file_bytes);
    info->image_width = (JDIMENSION)picture->width;
    info->image_height = (JDIMENSION)picture->height;
    info->input_components = PICTURE_PIXEL_BYTES;
    info->in_color_space = JCS_EXT_RGBX;
    jpeg_set_defaults(info);
    jpeg_set_quality(info, quality, TRUE);
    jpeg_start_compress(info, TRUE);
    while (info->next_scanline < info->image_height) {
        JSAMPROW row = picture->pixels + info->next_scanline * row_bytes;

        (void)jpeg_write_scanlines(info, &row, 1);
    }
    jpeg_finish_compress(info);
    return TARE_OK;
}

enum tare_status jpeg_write(const struct picture *picture, int quality, struct buf *out,
                            struct tare_err *err)
{
    struct encoder encoder = {0};
    enum tare_status status;

    if (quality < 1 || quality > 100)
        return tare_fail(err, TARE_INVALID, "JPEG quality %d, need 1..100", quality);
    if (picture->width < 1 || picture->height < 1 || picture->width > PICTURE_MAX_SIDE ||
        picture->height > PICTURE_MAX_SIDE)
        return tare_fail(err, TARE_INVALID, "picture of %d x %d pixels, need 1..%d a side",
                         picture->width, picture->height, PICTURE_MAX_SIDE);
    encoder.info.err = fault_init(&encoder.fault);
    status = encode(&encoder, picture, quality, err);
    jpeg_destroy_compress(&encoder.info);
    if (status == TARE_OK) {
        buf_append(out, encoder.file, encoder.file_bytes);
        status = buf_status(out, "JPEG picture", err);
    }
    free(encoder.file);
    return status;
}
