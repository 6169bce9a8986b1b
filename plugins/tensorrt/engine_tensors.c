#include <stdlib.h>
#include <string.h>

#include "engine_session.h"

#define TENSORS_MAX 256

static enum tare_dtype dtype_of(int32_t type)
{
    static const enum tare_dtype dtypes[] = {
        [TRT_FLOAT] = TARE_FP32,     [TRT_HALF] = TARE_FP16, [TRT_INT8] = TARE_INT8,
        [TRT_INT32] = TARE_INT32,    [TRT_BOOL] = TARE_BOOL, [TRT_UINT8] = TARE_UINT8,
        [TRT_FP8] = TARE_DTYPE_NONE, [TRT_BF16] = TARE_BF16, [TRT_INT64] = TARE_INT64,
    };

    return type >= 0 && (size_t)type < sizeof(dtypes) / sizeof(dtypes[0]) ? dtypes[type]
                                                                          : TARE_DTYPE_NONE;
}

/* What this plugin cannot bind: it copies whole rows between host and device. */
static enum tare_status check_tensor(struct trt_object engine, const char *name,
                                     struct tare_err *err)
{
    int32_t type = trt_io_type(engine, name);

    if (strlen(name) >= TARE_MAX_NAME)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "tensor '%.40s...' has a name of %zu bytes, need at most %d", name,
                         strlen(name), TARE_MAX_NAME - 1);
    if (dtype_of(type) == TARE_DTYPE_NONE)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "tensor '%s' is of TensorRT's type %d (%s), need a type of 8 bits or more",
                         name, (int)type, trt_type_name(type));
    if (trt_io_on_host(engine, name))
        return tare_fail(err, TARE_UNSUPPORTED,
                         "tensor '%s' gives a shape and lies on the host, need one on the device",
                         name);
    if (!trt_io_is_linear(engine, name))
        return tare_fail(err, TARE_UNSUPPORTED,
                         "tensor '%s' is not laid out row after row, need an engine built with "
                         "linear inputs and outputs",
                         name);
    return TARE_OK;
}

static enum tare_status read_tensor(struct trt_object engine, const char *name,
                                    struct tare_tensor_info *info, struct tare_err *err)
{
    struct trt_shape shape;
    enum tare_status status = check_tensor(engine, name, err);

    if (status != TARE_OK)
        return status;
    shape = trt_io_shape(engine, name);
    if (shape.count < 0 || shape.count > TARE_MAX_RANK)
        return tare_fail(err, TARE_UNSUPPORTED, "tensor '%s' has no known rank", name);
    (void)snprintf(info->name, sizeof(info->name), "%s", name);
    info->dtype = dtype_of(trt_io_type(engine, name));
    info->rank = shape.count;
    for (int32_t i = 0; i < shape.count; i++)
        info->shape[i] = shape.d[i] < 0 ? -1 : shape.d[i];
    return TARE_OK;
}

static enum tare_status make_side(struct engine_side *side, size_t room, struct tare_err *err)
{
    side->infos = calloc(room + 1, sizeof(*side->infos));
    side->tensors = calloc(room + 1, sizeof(*side->tensors));
    return side->infos && side->tensors
               ? TARE_OK
               : tare_fail(err, TARE_NOMEM, "out of memory for %zu tensors", room);
}

/* Whether the profile takes this batch as the first dimension of each input that leaves it open. */
static bool profile_takes(const struct tare_session *session, int32_t profile, int32_t batch,
                          int64_t *least, int64_t *most)
{
    for (size_t i = 0; i < session->inputs.count; i++) {
        const struct tare_tensor_info *info = &session->inputs.infos[i];
        struct trt_shape min, max;

        if (info->rank < 1 || info->shape[0] >= 0)
            continue;
        min = trt_profile_shape(session->engine, info->name, profile, TRT_MIN);
        max = trt_profile_shape(session->engine, info->name, profile, TRT_MAX);
        if (min.count != info->rank || max.count != info->rank)
            return false;
        *least = min.d[0];
        *most = max.d[0];
        if (batch < min.d[0] || batch > max.d[0])
            return false;
    }
    return true;
}

static enum tare_status check_batch(const struct tare_session *session, int32_t batch,
                                    struct tare_err *err)
{
    int32_t profiles = trt_profiles(session->engine);
    int64_t least = 0, most = 0;

    for (int32_t i = 0; i < profiles; i++)
        if (profile_takes(session, i, batch, &least, &most))
            return TARE_OK;
    if (profiles < 1 && profile_takes(session, 0, batch, &least, &most))
        return TARE_OK;
    return tare_fail(err, TARE_UNSUPPORTED,
                     "the engine takes batches of %lld to %lld, need one built for %d",
                     (long long)least, (long long)most, (int)batch);
}

enum tare_status engine_read_sides(struct tare_session *session, int32_t batch,
                                   struct tare_err *err)
{
    int32_t count = trt_io_count(session->engine);
    enum tare_status status;

    if (count < 1 || count > TENSORS_MAX)
        return tare_fail(err, TARE_LIMIT, "the engine has %d inputs and outputs, need 1 to %d",
                         (int)count, TENSORS_MAX);
    status = make_side(&session->inputs, (size_t)count, err);
    if (status == TARE_OK)
        status = make_side(&session->outputs, (size_t)count, err);
    for (int32_t i = 0; i < count && status == TARE_OK; i++) {
        const char *name = trt_io_name(session->engine, i);
        enum trt_mode mode = name ? trt_io_mode(session->engine, name) : TRT_NO_IO;
        struct engine_side *side = mode == TRT_INPUT ? &session->inputs : &session->outputs;

        if (mode == TRT_NO_IO)
            return tare_fail(err, TARE_BROKEN, "tensor %d of the engine is no input or output",
                             (int)i);
        status = read_tensor(session->engine, name, &side->infos[side->count], err);
        if (status == TARE_OK)
            side->count++;
    }
    return status == TARE_OK ? check_batch(session, batch, err) : status;
}

/* Whether every dimension of the inputs lies within what a profile allows; *best: and is what it
 * was made for. */
static bool shapes_fit(const struct tare_session *session, int32_t profile, bool *best)
{
    *best = true;
    for (size_t i = 0; i < session->inputs.count; i++) {
        const struct tare_tensor_info *info = &session->inputs.infos[i];
        const struct trt_shape *shape = &session->inputs.tensors[i].shape;
        struct trt_shape min = trt_profile_shape(session->engine, info->name, profile, TRT_MIN);
        struct trt_shape opt = trt_profile_shape(session->engine, info->name, profile, TRT_OPT);
        struct trt_shape max = trt_profile_shape(session->engine, info->name, profile, TRT_MAX);

        for (int32_t k = 0; k < info->rank; k++) {
            if (info->shape[k] >= 0)
                continue;
            if (min.count != info->rank || max.count != info->rank || shape->d[k] < min.d[k] ||
                shape->d[k] > max.d[k])
                return false;
            *best = *best && opt.count == info->rank && opt.d[k] == shape->d[k];
        }
    }
    return true;
}

int32_t engine_find_profile(const struct tare_session *session)
{
    int32_t profiles = trt_profiles(session->engine), found = -1;
    bool best;

    if (profiles < 1)
        profiles = 1; /* nothing is dynamic */
    for (int32_t i = 0; i < profiles; i++) {
        if (!shapes_fit(session, i, &best))
            continue;
        if (best)
            return i;
        found = found < 0 ? i : found;
    }
    return found;
}
