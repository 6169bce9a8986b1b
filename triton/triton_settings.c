#include "triton_settings.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "backend/loader.h"
#include "base/json_tree.h"
#include "vision/letterbox.h"

static const char *const role_names[] = {"model", "preprocess", "boxes", "pipeline"};

#define ROLES (sizeof(role_names) / sizeof(role_names[0]))

const char *triton_role_name(enum triton_role role)
{
    return role_names[role];
}

/* --- parameters ---------------------------------------------------------------------------------
 */

struct parameter {
    const char *name, *value;
};

static enum tare_status wrong(const struct parameter *given, const char *need, struct tare_err *err)
{
    return tare_fail(err, TARE_INVALID, "parameter '%s' is '%.80s', need %s", given->name,
                     given->value, need);
}

static enum tare_status read_int(const struct parameter *given, int32_t least, int32_t most,
                                 int32_t *number, struct tare_err *err)
{
    char need[64], *end;
    long value;

    errno = 0;
    value = strtol(given->value, &end, 10);
    (void)snprintf(need, sizeof(need), "%d to %d", least, most);
    if (errno || end == given->value || *end || value < least || value > most)
        return wrong(given, need, err);
    *number = (int32_t)value;
    return TARE_OK;
}

static enum tare_status read_share(const struct parameter *given, float *share,
                                   struct tare_err *err)
{
    char *end;
    float value = strtof(given->value, &end);

    if (end == given->value || *end || !(value >= 0 && value <= 1))
        return wrong(given, "0 to 1", err);
    *share = value;
    return TARE_OK;
}

static enum tare_status read_truth(const struct parameter *given, bool *truth, struct tare_err *err)
{
    *truth = strcmp(given->value, "true") == 0 || strcmp(given->value, "1") == 0;
    if (!*truth && strcmp(given->value, "false") != 0 && strcmp(given->value, "0") != 0)
        return wrong(given, "true or false", err);
    return TARE_OK;
}

static enum tare_status read_role(const struct parameter *given, enum triton_role *role,
                                  struct tare_err *err)
{
    for (size_t i = 0; i < ROLES; i++)
        if (strcmp(role_names[i], given->value) == 0) {
            *role = (enum triton_role)i;
            return TARE_OK;
        }
    return wrong(given, "model, preprocess, boxes or pipeline", err);
}

static enum tare_status read_text(const struct parameter *given, const char **text,
                                  struct tare_err *err)
{
    if (!given->value[0])
        return wrong(given, "a name", err);
    *text = given->value;
    return TARE_OK;
}

/* One of tare's own, not a path: a config must not choose what the server's process loads. Whoever
 * may ask the server to load a model may give it a config. */
static enum tare_status read_plugin(const struct parameter *given, const char **text,
                                    struct tare_err *err)
{
    if (!backend_name_is_valid(given->value))
        return wrong(given, "the name of a plugin", err);
    return read_text(given, text, err);
}

/* A name inside the version's folder: whoever may write a config may not thereby read any file. */
static enum tare_status read_file_name(const struct parameter *given, const char **text,
                                       struct tare_err *err)
{
    if (strchr(given->value, '/') || strcmp(given->value, "..") == 0)
        return wrong(given, "the name of a file in the version's folder", err);
    return read_text(given, text, err);
}

/* Options of plugins that name libraries and programs are for who starts the server, by the
 * environment. */
static enum tare_status read_option(struct triton_settings *settings, const struct parameter *given,
                                    struct tare_err *err)
{
    if (settings->option_count == BACKEND_OPTIONS_MAX)
        return tare_fail(err, TARE_LIMIT, "more than %d parameters option.NAME",
                         BACKEND_OPTIONS_MAX);
    if (strchr(given->value, '/'))
        return wrong(given, "a value without '/'", err);
    settings->options[settings->option_count++] =
        (struct tare_option_value){given->name + strlen("option."), given->value};
    return TARE_OK;
}

static enum tare_status read_parameter(struct triton_settings *s, const struct parameter *given,
                                       struct tare_err *err)
{
    const char *name = given->name;

    if (strcmp(name, "role") == 0)
        return read_role(given, &s->role, err);
    if (strcmp(name, "plugin") == 0)
        return read_plugin(given, &s->plugin, err);
    if (strcmp(name, "model_file") == 0)
        return read_file_name(given, &s->model_file, err);
    if (strcmp(name, "precision") == 0)
        return read_text(given, &s->precision, err);
    if (strcmp(name, "threads") == 0)
        return read_int(given, 0, TRITON_MAX_POOL, &s->threads, err);
    if (strcmp(name, "pool_threads") == 0)
        return read_int(given, 0, TRITON_MAX_POOL, &s->pool_threads, err);
    if (strcmp(name, "size") == 0)
        return read_int(given, 1, LETTERBOX_MAX_SIZE, &s->size, err);
    if (strcmp(name, "min_score") == 0)
        return read_share(given, &s->boxes.min_score, err);
    if (strcmp(name, "iou") == 0)
        return read_share(given, &s->boxes.iou, err);
    if (strcmp(name, "max_boxes") == 0)
        return read_int(given, 1, BOXES_MAX_CANDIDATES, &s->boxes.max_boxes, err);
    if (strcmp(name, "multi_label") == 0)
        return read_truth(given, &s->boxes.multi_label, err);
    if (strncmp(name, "option.", strlen("option.")) == 0)
        return read_option(s, given, err);
    return tare_fail(err, TARE_INVALID,
                     "no parameter is called '%.80s'; there are role, plugin, model_file, "
                     "precision, threads, pool_threads, size, min_score, iou, max_boxes, "
                     "multi_label and option.NAME",
                     name);
}

static enum tare_status read_parameters(struct triton_settings *settings,
                                        const struct json_value *parameters, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < json_count(parameters) && status == TARE_OK; i++) {
        struct parameter given = {json_key(parameters, i), NULL};

        given.value = json_text(json_get(json_at(parameters, i), "string_value"), NULL);
        if (!given.name || !given.value)
            return tare_fail(err, TARE_INVALID, "parameter '%.80s' has no string_value",
                             given.name ? given.name : "");
        status = read_parameter(settings, &given, err);
    }
    return status;
}

/* --- tensors ------------------------------------------------------------------------------------
 */

static enum tare_dtype config_dtype(const char *name)
{
    if (strcmp(name, "TYPE_STRING") == 0)
        return TARE_BYTES;
    if (strncmp(name, "TYPE_", 5) == 0)
        for (int dtype = TARE_FP64; dtype <= TARE_BOOL; dtype++)
            if (strcmp(name + 5, tare_dtype_name((enum tare_dtype)dtype)) == 0)
                return (enum tare_dtype)dtype;
    return TARE_DTYPE_NONE;
}

/* The backend meets a tensor in the shape of its reshape, if it has one. */
static enum tare_status read_tensor(const struct json_value *tensor, struct tare_tensor_info *info,
                                    struct tare_err *err)
{
    const char *name = json_text(json_get(tensor, "name"), "");
    const char *dtype = json_text(json_get(tensor, "data_type"), "");
    const struct json_value *reshape = json_get(tensor, "reshape");
    const struct json_value *dims = reshape ? json_get(reshape, "shape") : json_get(tensor, "dims");

    if (!name[0] || strlen(name) >= sizeof(info->name))
        return tare_fail(err, TARE_INVALID, "a tensor's name is '%.40s', need 1 to %zu bytes", name,
                         sizeof(info->name) - 1);
    (void)snprintf(info->name, sizeof(info->name), "%s", name);
    info->dtype = config_dtype(dtype);
    if (info->dtype == TARE_DTYPE_NONE)
        return tare_fail(err, TARE_INVALID, "tensor '%s' has the data type '%.40s'", name, dtype);
    if (json_count(dims) >= TARE_MAX_RANK)
        return tare_fail(err, TARE_INVALID, "tensor '%s' has %zu dimensions, need at most %d", name,
                         json_count(dims), TARE_MAX_RANK - 1);
    info->rank = (int32_t)json_count(dims);
    for (int32_t i = 0; i < info->rank; i++)
        info->shape[i] = json_int(json_at(dims, (size_t)i), -2);
    for (int32_t i = 0; i < info->rank; i++)
        if (info->shape[i] < -1)
            return tare_fail(err, TARE_INVALID, "dimension %d of tensor '%s' is no size", i, name);
    return TARE_OK;
}

static enum tare_status read_tensors(const struct json_value *list, struct triton_tensors *tensors,
                                     struct tare_err *err)
{
    size_t count = json_count(list);
    enum tare_status status = TARE_OK;

    if (count > BACKEND_TENSORS_MAX)
        return tare_fail(err, TARE_LIMIT, "%zu tensors, need at most %d", count,
                         BACKEND_TENSORS_MAX);
    tensors->infos = calloc(count + 1, sizeof(*tensors->infos));
    if (!tensors->infos)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu tensors", count);
    for (size_t i = 0; i < count && status == TARE_OK; i++)
        status = read_tensor(json_at(list, i), &tensors->infos[i], err);
    tensors->count = count;
    return status;
}

/* Those that this process may run on. */
static int32_t processors(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

    return count < 1 ? 1 : count > TRITON_MAX_POOL ? TRITON_MAX_POOL : count;
}

enum tare_status triton_settings_read(struct triton_settings *settings, const char *json,
                                      size_t bytes, struct tare_err *err)
{
    const struct json_value *root;
    enum tare_status status;
    int64_t batch;

    *settings = (struct triton_settings){.plugin = "onnxruntime",
                                         .model_file = "model.onnx",
                                         .precision = "fp32",
                                         .size = 640,
                                         .boxes = {0.25F, 0.7F, 300, false}};
    status = json_parse(json, bytes, &settings->config, err);
    if (status != TARE_OK)
        return status;
    root = json_root(settings->config);
    batch = json_int(json_get(root, "max_batch_size"), 0);
    if (batch < 0 || batch > TRITON_MAX_BATCH)
        return tare_fail(err, TARE_INVALID, "max_batch_size is %lld, need 1 to %d",
                         (long long)batch, TRITON_MAX_BATCH);
    settings->max_batch = (int32_t)batch;
    status = read_parameters(settings, json_get(root, "parameters"), err);
    if (status == TARE_OK)
        status = read_tensors(json_get(root, "input"), &settings->inputs, err);
    if (status == TARE_OK)
        status = read_tensors(json_get(root, "output"), &settings->outputs, err);
    if (settings->pool_threads == 0)
        settings->pool_threads = processors();
    return status;
}

void triton_settings_release(struct triton_settings *settings)
{
    json_free(settings->config);
    free(settings->inputs.infos);
    free(settings->outputs.infos);
    *settings = (struct triton_settings){0};
}

/* --- against what there is ----------------------------------------------------------------------
 */

static const struct tare_tensor_info *find(const struct triton_tensors *tensors, const char *name)
{
    for (size_t i = 0; i < tensors->count; i++)
        if (strcmp(tensors->infos[i].name, name) == 0)
            return &tensors->infos[i];
    return NULL;
}

static void shape_text(const struct tare_tensor_info *info, char *text, size_t bytes)
{
    size_t used = 0;

    for (int32_t i = 0; i < info->rank && used + 1 < bytes; i++) {
        int length =
            snprintf(text + used, bytes - used, "%s%lld", i ? ", " : "", (long long)info->shape[i]);

        used += length > 0 ? (size_t)length : 0;
    }
    if (used == 0)
        text[0] = '\0';
}

static bool shape_fits(const struct tare_tensor_info *a, const struct tare_tensor_info *b)
{
    for (int32_t i = 0; i < a->rank && a->rank == b->rank; i++)
        if (a->shape[i] != b->shape[i] && a->shape[i] != -1 && b->shape[i] != -1)
            return false;
    return a->rank == b->rank;
}

static enum tare_status check_declared(const char *side, const struct tare_tensor_info *declared,
                                       const struct tare_tensor_info *there, struct tare_err *err)
{
    char have[128], need[128];

    if (declared->dtype != there->dtype)
        return tare_fail(err, TARE_INVALID, "%s '%s' is declared as %s, need %s", side,
                         declared->name, tare_dtype_name(declared->dtype),
                         tare_dtype_name(there->dtype));
    shape_text(declared, have, sizeof(have));
    shape_text(there, need, sizeof(need));
    if (!shape_fits(declared, there))
        return tare_fail(err, TARE_INVALID,
                         "%s '%s' is declared with dims [%s], need [%s] (without the batch)", side,
                         declared->name, have, need);
    return TARE_OK;
}

enum tare_status triton_settings_check(const struct triton_settings *settings, bool inputs,
                                       const struct triton_tensors *there, struct tare_err *err)
{
    const struct triton_tensors *declared = inputs ? &settings->inputs : &settings->outputs;
    const char *side = inputs ? "input" : "output";
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < declared->count && status == TARE_OK; i++) {
        const struct tare_tensor_info *info = find(there, declared->infos[i].name);

        status = info ? check_declared(side, &declared->infos[i], info, err)
                      : tare_fail(err, TARE_INVALID, "%s '%s' is declared, but there is none", side,
                                  declared->infos[i].name);
    }
    for (size_t i = 0; i < there->count && status == TARE_OK && inputs; i++)
        if (!find(declared, there->infos[i].name))
            status =
                tare_fail(err, TARE_INVALID, "input '%s' is not declared", there->infos[i].name);
    return status;
}
