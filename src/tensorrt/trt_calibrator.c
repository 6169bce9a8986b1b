/* A calibrator that has nothing but a cache: scales for TensorRT 8.6 and 10, and the DLA. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensorrt/trt_build_inner.h"
#include "tensorrt/trt_interface.h"

#define MAX_CACHE       ((size_t)16 << 20)
#define ENTROPY_2       2 /* CalibrationAlgoType::kENTROPY_CALIBRATION_2, by the cache's header */
#define CACHE_BEGINNING "TRT-"
#define CACHE_KIND      "-EntropyCalibration2"

struct trt_calibrator {
    const trt_function *table; /* first: this is an IInt8Calibrator */
    char *cache;
    size_t cache_bytes;
};

static int32_t batch_size(void *self)
{
    (void)self;
    return 1;
}

/* Asked only if TensorRT does not take the cache: there is nothing to calibrate on. */
static bool no_batch(void *self, void **bindings, const char *const *names, int32_t count)
{
    (void)self;
    (void)bindings;
    (void)names;
    (void)count;
    return false;
}

static const void *read_cache(void *self, size_t *length)
{
    const struct trt_calibrator *calibrator = self;

    *length = calibrator->cache_bytes;
    return calibrator->cache;
}

static void write_cache(void *self, const void *cache, size_t length)
{
    (void)self;
    (void)cache;
    (void)length;
}

static int32_t algorithm(void *self)
{
    (void)self;
    return ENTROPY_2;
}

static struct trt_interface_info interface_info(void *self)
{
    const struct trt_interface_info info = {"IInt8EntropyCalibrator2", 1, 0};

    (void)self;
    return info;
}

static const trt_function table_8[] = {
    (trt_function)batch_size,         (trt_function)no_batch,  (trt_function)read_cache,
    (trt_function)write_cache,        (trt_function)algorithm, (trt_function)trt_interface_drop,
    (trt_function)trt_interface_drop,
};
static const trt_function table_10[] = {
    (trt_function)trt_interface_language,
    (trt_function)interface_info,
    (trt_function)trt_interface_drop,
    (trt_function)trt_interface_drop,
    (trt_function)batch_size,
    (trt_function)no_batch,
    (trt_function)read_cache,
    (trt_function)write_cache,
    (trt_function)algorithm,
};

/* "TRT-8601-EntropyCalibration2": one for another version or calibrator is not taken, and nothing
 * says so. */
static enum tare_status check_header(const char *cache, const char *path, int32_t wanted,
                                     const char **end, struct tare_err *err)
{
    char *tail = NULL;
    long version = 0;
    size_t length = strlen(CACHE_KIND);

    if (strncmp(cache, CACHE_BEGINNING, strlen(CACHE_BEGINNING)) == 0)
        version = strtol(cache + strlen(CACHE_BEGINNING), &tail, 10);
    if (!tail || strncmp(tail, CACHE_KIND, length) != 0 ||
        (tail[length] != '\n' && tail[length] != '\0'))
        return tare_fail(err, TARE_BADDATA,
                         "'%s' is no calibration cache of kind 'EntropyCalibration2': 'tare "
                         "quantize --cache' makes one",
                         path);
    *end = tail + length;
    if (version == wanted)
        return TARE_OK;
    return tare_fail(err, TARE_UNSUPPORTED,
                     "'%s' is for TensorRT %ld, the library is %d: 'tare quantize --cache "
                     "--trt-version %d' makes one for it",
                     path, version, (int)wanted, (int)wanted);
}

/* "NAME: HEX": the bits of a scale, which multiplies: a number above 0. */
static bool is_entry(const char *line, size_t length)
{
    size_t digits = 0;
    uint32_t bits = 0;
    float scale;

    while (digits < length && isxdigit((unsigned char)line[length - digits - 1]))
        digits++;
    if (digits < 1 || digits > 8 || length < digits + 3 ||
        strncmp(line + length - digits - 2, ": ", 2) != 0)
        return false;
    for (size_t i = length - digits; i < length; i++)
        bits = bits << 4 | (uint32_t)(line[i] <= '9' ? line[i] - '0' : (line[i] | 0x20) - 'a' + 10);
    memcpy(&scale, &bits, sizeof(scale));
    return isfinite(scale) && scale >= 0;
}

enum tare_status trt_calibration_check(const char *cache, size_t size, const char *path,
                                       int32_t version, struct tare_err *err)
{
    const char *at = cache;
    enum tare_status status = check_header(cache, path, version, &at, err);

    if (status != TARE_OK)
        return status;
    for (size_t line = 2; *at; line++) {
        size_t length;

        at++;
        length = strcspn(at, "\n");
        if (length > 0 && !is_entry(at, length))
            return tare_fail(err, TARE_BADDATA,
                             "'%s' is damaged: line %zu is not 'NAME: HEX' with a scale", path,
                             line);
        at += length;
    }
    return at == cache + size
               ? TARE_OK
               : tare_fail(err, TARE_BADDATA, "'%s' is damaged: it has a byte 0", path);
}

enum tare_status trt_calibrator_new(const struct trt_library *library, const char *path,
                                    struct trt_calibrator **calibrator, struct tare_err *err)
{
    struct trt_calibrator *made = calloc(1, sizeof(*made));
    enum tare_status status;

    *calibrator = NULL;
    if (!made)
        return tare_fail(err, TARE_NOMEM, "out of memory for a calibrator");
    made->table = library->flavour == TRT_8_6 ? table_8 : table_10;
    status = file_read(path, MAX_CACHE, &made->cache, &made->cache_bytes, err);
    if (status == TARE_OK)
        status = trt_calibration_check(made->cache, made->cache_bytes, path, library->version, err);
    if (status == TARE_OK)
        *calibrator = made;
    else
        trt_calibrator_free(made);
    return status;
}

void trt_calibrator_free(struct trt_calibrator *calibrator)
{
    if (!calibrator)
        return;
    free(calibrator->cache);
    free(calibrator);
}
