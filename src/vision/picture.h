/*
 * picture.h - a picture in memory: rows of 4-byte pixels, R G B and one byte that means nothing.
 *
 * Four bytes and not three, so that a pixel is one aligned word to vector code; the JPEG codec
 * reads and writes that layout at the same speed. Plain data; says nothing of who owns the memory.
 */
#ifndef TARE_VISION_PICTURE_H
#define TARE_VISION_PICTURE_H

#include <stdint.h>

#define PICTURE_PIXEL_BYTES 4
#define PICTURE_MAX_SIDE    32768              /* pixels */
#define PICTURE_MAX_PIXELS  ((int64_t)1 << 26) /* 256 MiB */

struct picture {
    int32_t width, height;
    uint8_t *pixels; // (height, width, PICTURE_PIXEL_BYTES)
};

#endif
