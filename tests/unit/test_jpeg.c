/*
 * Pixels are compared with OpenCV's in tests/python/test_letterbox.py; here: what is refused, what
 * is turned, and colours that the standards define.
 */
#include "check.h"
#include "vision/jpeg.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include "vision/exif.h"

/* Four flat quarters: red, green over blue, gray. */
static struct picture quarters(int32_t width, int32_t height)
{
    static const uint8_t colours[4][4] = {
        {250, 10, 10, 0}, {10, 250, 10, 0}, {10, 10, 250, 0}, {120, 120, 120, 0}};
    struct picture picture = {width, height,
                              malloc((size_t)width * (size_t)height * PICTURE_PIXEL_BYTES)};

    for (int32_t y = 0; y < height; y++)
        for (int32_t x = 0; x < width; x++)
            memcpy(picture.pixels + ((size_t)y * (size_t)width + (size_t)x) * 4,
                   colours[(y >= height / 2) * 2 + (x >= width / 2)], 4);
    return picture;
}

static struct buf encoded(int32_t width, int32_t height)
{
    struct picture picture = quarters(width, height);
    struct buf file = BUF_INIT;

    CHECK_OK(jpeg_write(&picture, 95, &file, err));
    free(picture.pixels);
    return file;
}

/* 'r', 'g', 'b' or '.': the nearest of the four colours. */
static char colour_at(const struct picture *picture, int32_t x, int32_t y)
{
    const uint8_t *p = picture->pixels + ((size_t)y * (size_t)picture->width + (size_t)x) * 4;

    return p[0] > 200 ? 'r' : p[1] > 200 ? 'g' : p[2] > 200 ? 'b' : '.';
}

static struct jpeg_decoder *new_decoder(void)
{
    struct jpeg_decoder *decoder = NULL;

    CHECK_OK(jpeg_decoder_new(&decoder, err));
    return decoder;
}

static void reads_what_it_wrote(void)
{
    struct jpeg_decoder *decoder = new_decoder();
    struct buf file = encoded(64, 48);
    struct picture picture;

    CHECK_OK(jpeg_decoder_read(decoder, file.data, file.size, &picture, err));
    CHECK(picture.width == 64 && picture.height == 48);
    CHECK(colour_at(&picture, 5, 5) == 'r' && colour_at(&picture, 60, 5) == 'g');
    CHECK(colour_at(&picture, 5, 40) == 'b' && colour_at(&picture, 60, 40) == '.');
    buf_release(&file);
    jpeg_decoder_free(decoder);
}

/* Whatever is cut off: one message, and the decoder goes on working. */
static void refuses_every_truncation(void)
{
    struct jpeg_decoder *decoder = new_decoder();
    struct buf file = encoded(64, 48);
    struct picture picture;

    for (size_t size = 0; size < file.size; size++) {
        struct tare_err err = TARE_ERR_INIT;

        if (jpeg_decoder_read(decoder, file.data, size, &picture, &err) != TARE_BADDATA)
            CHECK(!"truncated");
        if (strncmp(err.text, "broken JPEG picture: ", 21) != 0 || picture.pixels)
            CHECK(!"message");
    }
    CHECK_OK(jpeg_decoder_read(decoder, file.data, file.size, &picture, err));
    buf_release(&file);
    jpeg_decoder_free(decoder);
}

static void refuses_other_files(void)
{
    struct jpeg_decoder *decoder = new_decoder();
    static const char png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    struct tare_err err = TARE_ERR_INIT;
    struct picture picture;

    CHECK(jpeg_decoder_read(decoder, png, sizeof(png), &picture, &err) == TARE_BADDATA);
    CHECK_TEXT(err.text, "broken JPEG picture: not a JPEG file: starts with 0x89 0x50");
    jpeg_decoder_free(decoder);
    jpeg_decoder_free(NULL);
}

/* The size stands in the frame header (SOF0: FF C0, length, precision, height, width). */
static void refuses_a_huge_size_before_memory(void)
{
    struct jpeg_decoder *decoder = new_decoder();
    struct buf file = encoded(64, 48);
    struct tare_err err = TARE_ERR_INIT;
    struct picture picture;

    for (size_t i = 0; i + 9 < file.size; i++)
        if ((uint8_t)file.data[i] == 0xff && (uint8_t)file.data[i + 1] == 0xc0) {
            memcpy(file.data + i + 5, "\x7d\x00\x7d\x00", 4); /* 32000 x 32000 */
            break;
        }
    CHECK(jpeg_decoder_read(decoder, file.data, file.size, &picture, &err) == TARE_LIMIT);
    CHECK_TEXT(err.text,
               "picture of 32000 x 32000 pixels, at most 67108864 and 32768 a side are read");
    buf_release(&file);
    jpeg_decoder_free(decoder);
}

/* The file with an EXIF block of this orientation in front, in one of the two byte orders. */
static struct buf with_orientation(const struct buf *file, int orientation, bool big)
{
    char little_block[36] = "\xff\xe1\0\x22"
                            "Exif\0\0"
                            "II*\0\x08\0\0\0"
                            "\x01\0"
                            "\x12\x01\x03\0\x01\0\0\0.\0\0\0";
    char big_block[36] = "\xff\xe1\0\x22"
                         "Exif\0\0"
                         "MM\0*\0\0\0\x08"
                         "\0\x01"
                         "\x01\x12\0\x03\0\0\0\x01\0.\0\0";
    struct buf out = BUF_INIT;

    little_block[28] = (char)orientation;
    big_block[29] = (char)orientation;
    buf_append(&out, file->data, 2);
    buf_append(&out, big ? big_block : little_block, 36);
    buf_append(&out, file->data + 2, file->size - 2);
    return out;
}

/* Corners of the upright picture, by the table of Exif 2.3, section 4.6.4. */
static void turns_by_orientation(void)
{
    static const char corners[9][5] = {"",     "rgb.", "gr.b", ".bgr", "b.rg",
                                       "rbg.", "br.g", ".gbr", "g.rb"};
    struct jpeg_decoder *decoder = new_decoder();
    struct buf file = encoded(64, 48);

    for (int orientation = 1; orientation <= 8; orientation++) {
        struct buf turned = with_orientation(&file, orientation, orientation % 2 == 0);
        struct picture p = {0};
        char seen[5] = "";

        CHECK(exif_orientation(turned.data, turned.size) == orientation);
        CHECK_OK(jpeg_decoder_read(decoder, turned.data, turned.size, &p, err));
        CHECK(p.width == (orientation >= 5 ? 48 : 64));
        CHECK(p.height == (orientation >= 5 ? 64 : 48));
        for (int k = 0; k < 4 && p.pixels; k++)
            seen[k] = colour_at(&p, k % 2 ? p.width - 3 : 2, k / 2 ? p.height - 3 : 2);
        CHECK_TEXT(seen, corners[orientation]);
        buf_release(&turned);
    }
    buf_release(&file);
    jpeg_decoder_free(decoder);
}

static void ignores_nonsense_in_exif(void)
{
    struct buf file = encoded(16, 16);
    struct buf nine = with_orientation(&file, 9, false), six = with_orientation(&file, 6, false);

    CHECK(exif_orientation(file.data, file.size) == 1);
    CHECK(exif_orientation(nine.data, nine.size) == 1);
    for (size_t size = 0; size < 40; size++)
        CHECK(exif_orientation(six.data, size) == (size < 38 ? 1 : 6));
    memset(six.data + 16, 0xff, 4); /* the directory lies far outside */
    CHECK(exif_orientation(six.data, six.size) == 1);
    buf_release(&file);
    buf_release(&nine);
    buf_release(&six);
}

/* A flat picture of one colour in any colour space, written by libjpeg itself. */
static void write_flat(J_COLOR_SPACE space, int components, const uint8_t *colour, struct buf *out)
{
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    unsigned char *file = NULL;
    unsigned long bytes = 0;
    uint8_t row[16 * 4];
    JSAMPROW rows[1] = {row};

    for (int i = 0; i < 16 * components; i++)
        row[i] = colour[i % components];
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &file, &bytes);
    info.image_width = info.image_height = 16;
    info.input_components = components;
    info.in_color_space = space;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, 100, TRUE);
    jpeg_start_compress(&info, TRUE);
    while (info.next_scanline < 16)
        (void)jpeg_write_scanlines(&info, rows, 1);
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    buf_append(out, file, bytes);
    free(file);
}

static void reads_gray_and_cmyk(void)
{
    static const uint8_t gray[1] = {77}, ink[4] = {200, 100, 50, 128};
    struct jpeg_decoder *decoder = new_decoder();
    struct buf file = BUF_INIT;
    struct picture picture;

    write_flat(JCS_GRAYSCALE, 1, gray, &file);
    CHECK_OK(jpeg_decoder_read(decoder, file.data, file.size, &picture, err));
    for (int c = 0; c < 3; c++)
        CHECK_NEAR(picture.pixels[c], 77, 1);
    buf_clear(&file);
    write_flat(JCS_CMYK, 4, ink, &file);
    CHECK_OK(jpeg_decoder_read(decoder, file.data, file.size, &picture, err));
    for (int c = 0; c < 3; c++)
        CHECK_NEAR(picture.pixels[c], ink[c] * ink[3] / 255.0, 2);
    buf_release(&file);
    jpeg_decoder_free(decoder);
}

/* Flips a byte in every place: no crash, and either a picture of a sane size or one message. */
static void survives_corruption(void)
{
    struct jpeg_decoder *decoder = new_decoder();
    struct buf file = encoded(40, 24);

    for (size_t i = 0; i < file.size; i++) {
        struct tare_err err = TARE_ERR_INIT;
        struct picture picture;
        enum tare_status status;

        file.data[i] ^= 0x5a;
        status = jpeg_decoder_read(decoder, file.data, file.size, &picture, &err);
        if (status == TARE_OK ? picture.width < 1 : err.text[0] == '\0')
            CHECK(!"corrupted");
        file.data[i] ^= 0x5a;
    }
    buf_release(&file);
    jpeg_decoder_free(decoder);
}

static void refuses_to_write_nonsense(void)
{
    struct picture empty = {0, 0, NULL}, some = quarters(8, 8);
    struct buf out = BUF_INIT;

    CHECK(jpeg_write(&empty, 90, &out, NULL) == TARE_INVALID);
    CHECK(jpeg_write(&some, 0, &out, NULL) == TARE_INVALID);
    CHECK(jpeg_write(&some, 101, &out, NULL) == TARE_INVALID);
    CHECK(out.size == 0);
    free(some.pixels);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"reads_what_it_wrote", reads_what_it_wrote},
        {"refuses_every_truncation", refuses_every_truncation},
        {"refuses_other_files", refuses_other_files},
        {"refuses_a_huge_size_before_memory", refuses_a_huge_size_before_memory},
        {"turns_by_orientation", turns_by_orientation},
        {"ignores_nonsense_in_exif", ignores_nonsense_in_exif},
        {"reads_gray_and_cmyk", reads_gray_and_cmyk},
        {"survives_corruption", survives_corruption},
        {"refuses_to_write_nonsense", refuses_to_write_nonsense},
        {0},
    };

    return check_main("jpeg", cases, argc, argv);
}
