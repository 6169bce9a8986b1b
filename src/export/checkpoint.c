#include "export/checkpoint.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/printable.h"
#include "export/archive.h"

#define CHECKPOINT_MAX_BYTES  ((size_t)4 << 30)
#define CHECKPOINT_MAX_PREFIX 256

struct checkpoint {
    struct file_map map;
    struct archive *archive;
    struct pickle *pickle;
    char prefix[CHECKPOINT_MAX_PREFIX]; /* "yolov8n/": all entries lie in one folder */
};

/* Says what a file that is no zip archive is instead, where that helps. */
static enum tare_status check_kind(const uint8_t *data, size_t size, struct tare_err *err)
{
    static const char tar_magic[] = "ustar";

    if (size == 0)
        return tare_fail(err, TARE_BADDATA, "the file is empty");
    if (size >= 2 && data[0] == 'P' && data[1] == 'K')
        return TARE_OK;
    if ((size >= 2 && data[0] == 0x80 && data[1] <= 5) ||
        (size >= 262 && memcmp(data + 257, tar_magic, 5) == 0))
        return tare_fail(err, TARE_UNSUPPORTED,
                         "an old checkpoint (PyTorch before 1.6, no zip archive); load it and "
                         "torch.save() it again with a newer PyTorch");
    return tare_fail(err, TARE_BADDATA, "not a PyTorch checkpoint: no zip archive");
}

/* Finds FOLDER/data.pkl, and so the folder that all entries lie in. */
static enum tare_status find_prefix(struct checkpoint *self, struct tare_err *err)
{
    static const char wanted[] = "/data.pkl";
    const size_t wanted_size = sizeof(wanted) - 1;
    size_t found = 0;

    for (size_t i = 0; i < archive_count(self->archive); i++) {
        size_t size;
        const char *name = archive_name(self->archive, i, &size);
        size_t folder = size > wanted_size ? size - wanted_size : 0;

        if (!folder || memcmp(name + folder, wanted, wanted_size) != 0 ||
            memchr(name, '/', folder) || memchr(name, '\0', size))
            continue;
        if (folder + 1 >= sizeof(self->prefix))
            return tare_fail(err, TARE_LIMIT, "the archive's folder has a name of %zu bytes",
                             folder);
        found++;
        memcpy(self->prefix, name, folder + 1);
        self->prefix[folder + 1] = '\0';
    }
    if (found != 1)
        return tare_fail(err, TARE_BADDATA, "not a PyTorch checkpoint: the archive has %s data.pkl",
                         found ? "more than one" : "no");
    return TARE_OK;
}

static enum tare_status find_entry(const struct checkpoint *self, const char *folder,
                                   const char *key, size_t key_size, const uint8_t **bytes,
                                   size_t *size, struct tare_err *err)
{
    char name[CHECKPOINT_MAX_PREFIX + 64];

    if (memchr(key, '\0', key_size))
        return tare_fail(err, TARE_BADDATA, "a storage's key holds a NUL");
    (void)snprintf(name, sizeof(name), "%s%s%.*s", self->prefix, folder, (int)key_size, key);
    return archive_find(self->archive, name, bytes, size, err);
}

static enum tare_status check_archive(const struct checkpoint *self, struct tare_err *err)
{
    struct tare_err quiet = TARE_ERR_INIT;
    const uint8_t *bytes;
    size_t size;

    if (find_entry(self, "", "constants.pkl", 13, &bytes, &size, &quiet) != TARE_ABSENT)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "a TorchScript archive; need the checkpoint that it was made from");
    tare_err_clear(&quiet);
    if (find_entry(self, "", "byteorder", 9, &bytes, &size, &quiet) == TARE_OK &&
        (size != 6 || memcmp(bytes, "little", 6) != 0))
        return tare_fail(err, TARE_UNSUPPORTED, "a checkpoint of a big-endian machine");
    return TARE_OK;
}

enum tare_status checkpoint_parse(const uint8_t *data, size_t size, struct checkpoint **checkpoint,
                                  struct tare_err *err)
{
    struct checkpoint *self = calloc(1, sizeof(*self));
    const uint8_t *bytes = NULL;
    size_t count = 0;
    enum tare_status status;

    *checkpoint = NULL;
    if (!self)
        return tare_fail(err, TARE_NOMEM, "out of memory for the checkpoint");
    status = check_kind(data, size, err);
    if (status == TARE_OK)
        status = archive_open(data, size, &self->archive, err);
    if (status == TARE_OK)
        status = find_prefix(self, err);
    if (status == TARE_OK)
        status = check_archive(self, err);
    if (status == TARE_OK)
        status = find_entry(self, "", "data.pkl", 8, &bytes, &count, err);
    if (status == TARE_OK)
        status = pickle_load(bytes, count, &self->pickle, err);
    if (status == TARE_OK)
        *checkpoint = self;
    else
        checkpoint_close(self);
    return status;
}

enum tare_status checkpoint_open(const char *path, struct checkpoint **checkpoint,
                                 struct tare_err *err)
{
    struct file_map map = {NULL, 0};
    struct tare_err cause = TARE_ERR_INIT;
    enum tare_status status = file_map(path, CHECKPOINT_MAX_BYTES, &map, err);

    *checkpoint = NULL;
    if (status != TARE_OK)
        return status;
    status = checkpoint_parse(map.data, map.size, checkpoint, &cause);
    if (status != TARE_OK) {
        file_unmap(&map);
        printable(cause.text);
        return tare_fail(err, status, "cannot read '%s': %s", path, cause.text);
    }
    (*checkpoint)->map = map;
    return TARE_OK;
}

void checkpoint_close(struct checkpoint *checkpoint)
{
    if (!checkpoint)
        return;
    pickle_free(checkpoint->pickle);
    archive_close(checkpoint->archive);
    file_unmap(&checkpoint->map);
    free(checkpoint);
}

const struct pickle_value *checkpoint_root(const struct checkpoint *checkpoint)
{
    return pickle_root(checkpoint->pickle);
}

/* Whether strides are those of a dense row-major tensor. Dimensions of one may have any stride. */
static bool is_contiguous(const struct pickle_tensor *tensor)
{
    int64_t expected = 1;

    for (int32_t i = tensor->rank - 1; i >= 0; i--) {
        if (tensor->shape[i] != 1 && tensor->strides[i] != expected)
            return false;
        if (__builtin_mul_overflow(expected, tensor->shape[i], &expected))
            return false;
    }
    return true;
}

enum tare_status checkpoint_tensor(const struct checkpoint *checkpoint,
                                   const struct pickle_value *value, const char *path,
                                   struct checkpoint_view *view, struct tare_err *err)
{
    char found[160];
    struct tare_err cause = TARE_ERR_INIT;
    const struct pickle_tensor *tensor;
    const struct pickle_storage *storage;
    size_t item, bytes = 0;

    memset(view, 0, sizeof(*view));
    if (pickle_kind_of(value) != PICKLE_TENSOR)
        return tare_fail(err, TARE_BADDATA, "%s: need a tensor, found %s", path,
                         pickle_describe(value, found, sizeof(found)));
    tensor = value->as.tensor;
    storage = tensor->storage;
    item = tare_dtype_bytes(storage->dtype);
    view->dtype = storage->dtype;
    view->rank = tensor->rank;
    memcpy(view->shape, tensor->shape, sizeof(view->shape));
    view->count = tare_shape_count(tensor->rank, tensor->shape);
    if (view->count < 0)
        return tare_fail(err, TARE_BADDATA, "%s: the shape overflows", path);
    if (!is_contiguous(tensor))
        return tare_fail(err, TARE_BADDATA, "%s: the tensor is not contiguous", path);
    if (tensor->offset > storage->count || view->count > storage->count - tensor->offset)
        return tare_fail(err, TARE_BADDATA, "%s: the tensor reaches outside its storage", path);
    if (find_entry(checkpoint, "data/", storage->key, storage->key_size, &view->data, &bytes,
                   &cause) != TARE_OK)
        return tare_fail(err, cause.status, "%s: %s", path, cause.text);
    if ((uint64_t)storage->count > bytes / item)
        return tare_fail(err, TARE_BADDATA,
                         "%s: the storage has %zu bytes, need %lld elements of "
                         "%zu",
                         path, bytes, (long long)storage->count, item);
    view->data += (size_t)tensor->offset * item;
    return TARE_OK;
}

bool checkpoint_is_float(const struct checkpoint_view *view)
{
    return view->dtype == TARE_FP16 || view->dtype == TARE_BF16 || view->dtype == TARE_FP32 ||
           view->dtype == TARE_FP64;
}

/* How many elements are widened at a time. The loops below have this constant length and no way
 * out, so that compilers make vector code of them without being asked for more than -O2. */
#define BLOCK 16

/* IEEE 754 binary16 to binary32. The product puts subnormals right without a branch. */
static void widen_half(const uint8_t *data, float *out) // (BLOCK)
{
    uint16_t half[BLOCK];
    uint32_t bits[BLOCK];
    float value[BLOCK];

    memcpy(half, data, sizeof(half));
    for (int i = 0; i < BLOCK; i++)
        bits[i] = (uint32_t)(half[i] & 0x7fff) << 13;
    memcpy(value, bits, sizeof(value));
    for (int i = 0; i < BLOCK; i++)
        value[i] *= 0x1p112f;
    memcpy(bits, value, sizeof(bits));
    for (int i = 0; i < BLOCK; i++) {
        uint32_t special = (half[i] & 0x7c00) == 0x7c00 ? 0x7f800000u : 0; /* infinity, NaN */

        bits[i] |= special | (uint32_t)(half[i] & 0x8000) << 16;
    }
    memcpy(out, bits, sizeof(bits));
}

static void widen_bfloat(const uint8_t *data, float *out) // (BLOCK)
{
    uint16_t high[BLOCK];
    uint32_t bits[BLOCK];

    memcpy(high, data, sizeof(high));
    for (int i = 0; i < BLOCK; i++)
        bits[i] = (uint32_t)high[i] << 16;
    memcpy(out, bits, sizeof(bits));
}

static void narrow_double(const uint8_t *data, float *out) // (BLOCK)
{
    double wide[BLOCK];

    memcpy(wide, data, sizeof(wide));
    for (int i = 0; i < BLOCK; i++)
        out[i] = (float)wide[i];
}

void checkpoint_floats(const struct checkpoint_view *view, int64_t offset, int64_t count,
                       float *out)
{
    void (*convert)(const uint8_t *, float *) = view->dtype == TARE_FP16   ? widen_half
                                                : view->dtype == TARE_BF16 ? widen_bfloat
                                                                           : narrow_double;
    size_t item = tare_dtype_bytes(view->dtype);
    const uint8_t *data = view->data + (size_t)offset * item;
    uint8_t rest[BLOCK * sizeof(double)] = {0};
    float last[BLOCK];

    assert(checkpoint_is_float(view));
    if (count <= 0)
        return;
    if (view->dtype == TARE_FP32) {
        memcpy(out, data, (size_t)count * sizeof(*out));
        return;
    }
    for (; count >= BLOCK; count -= BLOCK, out += BLOCK, data += BLOCK * item)
        convert(data, out);
    memcpy(rest, data, (size_t)count * item);
    convert(rest, last);
    memcpy(out, last, (size_t)count * sizeof(*out));
}
