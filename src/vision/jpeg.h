/*
 * jpeg.h - JPEG files in memory to pictures and back, by libjpeg-turbo.
 *
 * Pixels are those of libjpeg's defaults (accurate integer DCT, smooth chroma upsampling), turned
 * upright by the EXIF orientation: what OpenCV's imread gives. Gray becomes R = G = B; CMYK is
 * taken as Adobe writes it (inverted).
 *
 * A picture that a viewer would show in part, because data is cut off or corrupt, is an error here:
 * a measurement on half a picture is worth nothing.
 *
 * Threads: one decoder belongs to one thread at a time.
 */
#ifndef TARE_VISION_JPEG_H
#define TARE_VISION_JPEG_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "tare/status.h"
#include "vision/picture.h"

#define JPEG_MAX_FILE_BYTES ((size_t)1 << 28)
#define JPEG_MAX_SCANS      200 /* of a progressive file; more is an attack on the decoder's time */

struct jpeg_decoder;

/* On success the caller passes *decoder to jpeg_decoder_free(). */
enum tare_status jpeg_decoder_new(struct jpeg_decoder **decoder, struct tare_err *err);

/* NULL is allowed. */
void jpeg_decoder_free(struct jpeg_decoder *decoder);

/*
 * Decodes one file. picture->pixels belongs to the decoder and is valid until its next call; the
 * decoder keeps that memory, so that only a larger picture than before needs more. (libjpeg's own
 * working memory comes and goes with every picture.) TARE_BADDATA for what is broken, truncated or
 * not a JPEG; TARE_LIMIT for a picture over PICTURE_MAX_SIDE or PICTURE_MAX_PIXELS, or a file over
 * JPEG_MAX_FILE_BYTES; TARE_UNSUPPORTED for colours other than gray, YCbCr, RGB, CMYK and YCCK. On
 * error *picture is all zero.
 */
enum tare_status jpeg_decoder_read(struct jpeg_decoder *decoder, const void *jpeg, size_t bytes,
                                   struct picture *picture, struct tare_err *err);

/* Appends a baseline JPEG file to out; quality is 1..100. */
enum tare_status jpeg_write(const struct picture *picture, int quality, struct buf *out,
                            struct tare_err *err);

#endif
