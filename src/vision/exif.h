/*
 * exif.h - the one thing in a JPEG file's EXIF block that changes what its pixels mean: which way
 * up the camera was held.
 *
 * Layout (Exif 2.3, TIFF 6.0): marker segment APP1 (FF E1, 16-bit big-endian length), "Exif\0\0",
 * then a TIFF file: "II" or "MM" (byte order), 42, offset of the first directory; a directory is a
 * 16-bit count of 12-byte entries: tag, type, count, value. Orientation is tag 0x0112, type SHORT.
 */
#ifndef TARE_VISION_EXIF_H
#define TARE_VISION_EXIF_H

#include <stddef.h>

/*
 * The orientation of a JPEG file in memory, 1..8; 1 (upright) where it says nothing or nonsense.
 * Where row 0 and column 0 of the stored pixels belong in the upright picture:
 *     1 top, left      2 top, right      3 bottom, right   4 bottom, left
 *     5 left, top      6 right, top      7 right, bottom   8 left, bottom
 */
int exif_orientation(const void *jpeg, size_t bytes);

#endif
