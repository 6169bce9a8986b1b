/*
 * A model is packed into a list of pieces: weights stay where they are, everything else goes to one
 * small buffer. So a file is written without a second copy of the weights.
 */
#include "onnx/onnx_write.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"

#define ONNX_MAX_FILE_BYTES ((size_t)INT32_MAX)
#define ONNX_IN_PLACE_BYTES ((size_t)4096) /* from here on a piece is not copied */

struct piece {
    const uint8_t *data; /* NULL: in the small buffer, at offset */
    size_t offset;
    size_t size;
};

struct packer {
    ProtobufCBuffer base;
    struct buf small;
    struct buf pieces; /* struct piece after struct piece */
    size_t small_from; /* where the small bytes that no piece names yet begin */
};

static void add_piece(struct packer *packer, const uint8_t *data, size_t offset, size_t size)
{
    const struct piece piece = {data, offset, size};

    if (size)
        buf_append(&packer->pieces, &piece, sizeof(piece));
}

static void end_small(struct packer *packer)
{
    add_piece(packer, NULL, packer->small_from, packer->small.size - packer->small_from);
    packer->small_from = packer->small.size;
}

static void append_piece(ProtobufCBuffer *buffer, size_t size, const uint8_t *data)
{
    struct packer *packer = (struct packer *)(void *)buffer; /* base is its first member */

    if (size < ONNX_IN_PLACE_BYTES) {
        buf_append(&packer->small, data, size);
        return;
    }
    end_small(packer);
    add_piece(packer, data, 0, size);
}

/* Packs a model into parts that the caller frees; they point into the model and into the packer. */
static enum tare_status pack_parts(const struct onnx_model *model, struct packer *packer,
                                   struct file_part **parts, size_t *count, size_t *size,
                                   struct tare_err *err)
{
    const struct piece *pieces;
    enum tare_status status;

    *parts = NULL;
    *count = 0;
    *size = onnx__model_proto__get_packed_size(model->proto);
    if (*size > ONNX_MAX_FILE_BYTES)
        return tare_fail(err, TARE_LIMIT, "the model takes %zu bytes, an ONNX file at most %zu",
                         *size, ONNX_MAX_FILE_BYTES);
    (void)onnx__model_proto__pack_to_buffer(model->proto, &packer->base);
    end_small(packer);
    status = buf_status(&packer->small, "the ONNX file", err);
    if (status == TARE_OK)
        status = buf_status(&packer->pieces, "the ONNX file", err);
    if (status != TARE_OK)
        return status;
    *count = packer->pieces.size / sizeof(*pieces);
    *parts = calloc(*count + 1, sizeof(**parts));
    if (!*parts)
        return tare_fail(err, TARE_NOMEM, "out of memory for the ONNX file");
    pieces = (const struct piece *)(const void *)packer->pieces.data;
    for (size_t i = 0; i < *count; i++) {
        const uint8_t *small = (const uint8_t *)packer->small.data + pieces[i].offset;

        (*parts)[i].data = pieces[i].data ? pieces[i].data : small;
        (*parts)[i].size = pieces[i].size;
    }
    return TARE_OK;
}

static void packer_init(struct packer *packer)
{
    memset(packer, 0, sizeof(*packer));
    packer->base.append = append_piece;
    buf_init(&packer->small, ONNX_MAX_FILE_BYTES);
    buf_init(&packer->pieces, ONNX_MAX_FILE_BYTES);
}

static void packer_release(struct packer *packer)
{
    buf_release(&packer->small);
    buf_release(&packer->pieces);
}

enum tare_status onnx_pack(const struct onnx_model *model, uint8_t **bytes, size_t *size,
                           struct tare_err *err)
{
    struct packer packer;
    struct file_part *parts = NULL;
    size_t count = 0, at = 0;
    enum tare_status status;

    *bytes = NULL;
    packer_init(&packer);
    status = pack_parts(model, &packer, &parts, &count, size, err);
    if (status == TARE_OK) {
        *bytes = malloc(*size + 1);
        if (!*bytes)
            status = tare_fail(err, TARE_NOMEM, "out of memory for the ONNX file");
    }
    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        memcpy(*bytes + at, parts[i].data, parts[i].size);
        at += parts[i].size;
    }
    free(parts);
    packer_release(&packer);
    return status;
}

enum tare_status onnx_write(const struct onnx_model *model, const char *path, size_t *size,
                            struct tare_err *err)
{
    struct packer packer;
    struct file_part *parts = NULL;
    size_t count = 0, bytes = 0;
    enum tare_status status;

    packer_init(&packer);
    status = pack_parts(model, &packer, &parts, &count, &bytes, err);
    if (status == TARE_OK)
        status = file_write_parts(path, parts, count, err);
    free(parts);
    packer_release(&packer);
    if (size)
        *size = status == TARE_OK ? bytes : 0;
    return status;
}
