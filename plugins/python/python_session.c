#include "python_session.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_write.h"
#include "link.h"

#define TENSORS_MAX 256
#define PROBE_NS    4000000000

struct tare_session {
    struct link link;
    struct tare_tensor_info *inputs, *outputs; // (input_count), (output_count)
    size_t input_count, output_count;
};

enum tare_status python_session_probe(const struct python_package *package, char *note,
                                      size_t note_bytes, struct tare_err *err)
{
    struct json_tree *answer = NULL;
    const struct json_value *found;
    const char *version;
    char python[PATH_MAX];
    struct link link;
    enum tare_status status;

    link_find_python("", python, sizeof(python));
    status = link_start(&link, python, PROBE_NS, true, err);
    if (status != TARE_OK)
        return status;
    status = link_call(&link, NULL, &answer, NULL);
    found = json_root(answer);
    version = json_text(json_get(found, package->name), NULL);
    if (!version && package->other_name)
        version = json_text(json_get(found, package->other_name), NULL);
    if (status == TARE_FAILED || status == TARE_TIMEOUT)
        status = tare_fail(err, status == TARE_FAILED ? TARE_ABSENT : TARE_BROKEN,
                           "'%s' does not run: install python3, or set TARE_PYTHON to an "
                           "interpreter that has %s",
                           python, package->name);
    else if (status != TARE_OK)
        status = tare_fail(err, TARE_BROKEN, "'%s' gives no sensible answer", python);
    else if (!version)
        status = tare_fail(err, TARE_ABSENT, "'%s' has no %s: %s'%s -m pip install %s'", python,
                           package->name, package->advice, python, package->name);
    else
        (void)snprintf(note, note_bytes, "python %s, %s %s",
                       json_text(json_get(found, "python"), "?"), package->name, version);
    json_free(answer);
    link_release(&link);
    return status;
}

static enum tare_dtype dtype_of(const char *name)
{
    for (int dtype = TARE_FP64; dtype < TARE_BYTES; dtype++)
        if (strcmp(name, tare_dtype_name((enum tare_dtype)dtype)) == 0)
            return (enum tare_dtype)dtype;
    return TARE_DTYPE_NONE;
}

static enum tare_status read_info(const struct json_value *value, struct tare_tensor_info *info,
                                  struct tare_err *err)
{
    const char *name = json_text(json_get(value, "name"), "");
    const struct json_value *shape = json_get(value, "shape");
    size_t length = strlen(name);

    if (length == 0 || length >= sizeof(info->name))
        return tare_fail(err, TARE_UNSUPPORTED, "tensor '%.40s' has a name of %zu bytes", name,
                         length);
    memcpy(info->name, name, length + 1);
    info->dtype = dtype_of(json_text(json_get(value, "dtype"), ""));
    if (info->dtype == TARE_DTYPE_NONE)
        return tare_fail(err, TARE_BROKEN, "the python worker gives '%s' no dtype", name);
    if (json_count(shape) > TARE_MAX_RANK)
        return tare_fail(err, TARE_UNSUPPORTED, "tensor '%s' has rank %zu, need at most %d", name,
                         json_count(shape), TARE_MAX_RANK);
    info->rank = (int32_t)json_count(shape);
    for (int32_t i = 0; i < info->rank; i++)
        info->shape[i] = json_int(json_at(shape, (size_t)i), -1);
    return TARE_OK;
}

static enum tare_status read_infos(const struct json_value *list, struct tare_tensor_info **infos,
                                   size_t *count, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    *count = json_count(list);
    if (*count > TENSORS_MAX)
        return tare_fail(err, TARE_LIMIT, "the model has %zu tensors on one side, need at most %d",
                         *count, TENSORS_MAX);
    *infos = calloc(*count + 1, sizeof(**infos));
    if (!*infos)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu tensors", *count);
    for (size_t i = 0; i < *count && status == TARE_OK; i++)
        status = read_info(json_at(list, i), &(*infos)[i], err);
    return status;
}

/* The options as the worker wants them: numbers and truth values as such. */
static void put_options(struct json_writer *writer, const struct tare_open_options *options,
                        const struct tare_option_info *table)
{
    for (const struct tare_option_info *row = table; row->name; row++) {
        if (row->kind == TARE_OPTION_BOOL)
            json_put_bool(writer, row->name, tare_option_int(options, table, row->name) != 0);
        else if (row->kind == TARE_OPTION_INT)
            json_put_int(writer, row->name, tare_option_int(options, table, row->name));
        else
            json_put_text(writer, row->name, tare_option_text(options, table, row->name));
    }
}

static enum tare_status send_open(struct tare_session *session,
                                  const struct tare_open_options *options,
                                  const struct tare_option_info *table, const char *runtime,
                                  struct json_tree **answer, struct tare_err *err)
{
    struct json_writer writer;
    struct buf request;
    enum tare_status status;

    buf_init(&request, 65536);
    json_start(&writer, &request, false);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "cmd", "open");
    json_put_text(&writer, "model", options->model_path);
    json_put_text(&writer, "device", options->device);
    json_put_text(&writer, "precision", options->precision);
    json_put_int(&writer, "threads", options->threads);
    json_put_int(&writer, "batch", options->batch);
    if (runtime)
        json_put_text(&writer, "runtime", runtime);
    put_options(&writer, options, table);
    json_close_object(&writer);
    status = buf_status(&request, "a request to the python worker", err);
    if (status == TARE_OK)
        status = link_call(&session->link, buf_text(&request), answer, err);
    buf_release(&request);
    return status;
}

void python_session_close(struct tare_session *session)
{
    if (!session)
        return;
    link_release(&session->link);
    free(session->inputs);
    free(session->outputs);
    free(session);
}

static void fill_report(const struct tare_session *session, const struct json_value *answer,
                        int32_t threads, int64_t start_ns, struct tare_open_report *report)
{
    report->load_ns = clock_now_ns() - start_ns;
    report->peak_memory_bytes = process_peak_rss_bytes(session->link.process.pid);
    (void)snprintf(report->runtime_version, sizeof(report->runtime_version), "%s (python %s)",
                   json_text(json_get(answer, "version"), "?"),
                   json_text(json_get(answer, "python"), "?"));
    (void)snprintf(report->provider, sizeof(report->provider), "%s",
                   json_text(json_get(answer, "provider"), "?"));
    (void)snprintf(report->executed_precision, sizeof(report->executed_precision), "%s",
                   json_text(json_get(answer, "precision"), ""));
    report->threads = (int32_t)json_int(json_get(answer, "threads"), threads);
}

enum tare_status python_session_open(const struct tare_open_options *options,
                                     const struct tare_option_info *table, const char *runtime,
                                     struct tare_session **session, struct tare_open_report *report,
                                     struct tare_err *err)
{
    int64_t start_ns = clock_now_ns();
    struct json_tree *answer = NULL;
    struct tare_session *opened;
    char python[PATH_MAX];
    enum tare_status status;

    *session = NULL;
    opened = calloc(1, sizeof(*opened));
    if (!opened)
        return tare_fail(err, TARE_NOMEM, "out of memory for a session");
    link_find_python(tare_option_text(options, table, "python"), python, sizeof(python));
    status = link_start(&opened->link, python,
                        tare_option_int(options, table, "timeout_s") * 1000000000, false, err);
    if (status == TARE_OK)
        status = send_open(opened, options, table, runtime, &answer, err);
    if (status == TARE_OK)
        status = read_infos(json_get(json_root(answer), "inputs"), &opened->inputs,
                            &opened->input_count, err);
    if (status == TARE_OK)
        status = read_infos(json_get(json_root(answer), "outputs"), &opened->outputs,
                            &opened->output_count, err);
    if (status == TARE_OK) {
        fill_report(opened, json_root(answer), options->threads, start_ns, report);
        *session = opened;
    } else {
        python_session_close(opened);
    }
    json_free(answer);
    return status;
}

enum tare_status python_session_describe(struct tare_session *session, bool inputs,
                                         const struct tare_tensor_info **infos, size_t *count,
                                         struct tare_err *err)
{
    (void)err;
    *infos = inputs ? session->inputs : session->outputs;
    *count = inputs ? session->input_count : session->output_count;
    return TARE_OK;
}

enum tare_status python_session_allocate(struct tare_session *session, size_t size_bytes,
                                         struct tare_tensor *tensor, struct tare_err *err)
{
    tensor->data = link_allocate(&session->link, size_bytes);
    if (!tensor->data)
        return tare_fail(err, TARE_LIMIT, "the python layer's tensors exceed %zu bytes",
                         LINK_MEMORY_BYTES);
    tensor->capacity_bytes = size_bytes;
    tensor->memory = TARE_MEM_HOST;
    tensor->device_id = 0;
    return TARE_OK;
}

/* Where a tensor's data lies in the shared memory; -1 if it lies elsewhere. */
static int64_t offset_of(const struct tare_session *session, const struct tare_tensor *tensor)
{
    uintptr_t base = (uintptr_t)session->link.memory, at = (uintptr_t)tensor->data;

    if (at < base + LINK_HEADER_BYTES || at >= base + session->link.used_bytes ||
        tensor->capacity_bytes > base + session->link.used_bytes - at)
        return -1;
    return (int64_t)(at - base);
}

static enum tare_status check_tensor(const struct tare_session *session,
                                     const struct tare_tensor_info *info,
                                     const struct tare_tensor *tensor, struct tare_err *err)
{
    int64_t count = tare_shape_count(tensor->rank, tensor->shape);

    if (tensor->dtype != info->dtype)
        return tare_fail(err, TARE_INVALID, "'%s' is bound as %s, need %s", info->name,
                         tare_dtype_name(tensor->dtype), tare_dtype_name(info->dtype));
    if (offset_of(session, tensor) < 0)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "'%s' is bound to memory that the python worker does not share",
                         info->name);
    if (count < 0 || (uint64_t)count > tensor->capacity_bytes / tare_dtype_bytes(tensor->dtype))
        return tare_fail(err, TARE_INVALID, "'%s' is bound to %zu bytes, too few for its shape",
                         info->name, tensor->capacity_bytes);
    return TARE_OK;
}

static enum tare_status put_tensors(const struct tare_session *session, struct json_writer *writer,
                                    bool inputs, const struct tare_tensor *tensors, size_t count,
                                    struct tare_err *err)
{
    const struct tare_tensor_info *infos = inputs ? session->inputs : session->outputs;

    json_open_array(writer, inputs ? "inputs" : "outputs");
    for (size_t i = 0; i < count; i++) {
        const struct tare_tensor *tensor = &tensors[i];
        bool known = inputs || tensor->data;

        if (known && check_tensor(session, &infos[i], tensor, err) != TARE_OK)
            return err->status;
        json_open_object(writer, NULL);
        json_put_text(writer, "name", infos[i].name);
        json_put_text(writer, "dtype", tare_dtype_name(infos[i].dtype));
        json_open_array(writer, "shape");
        for (int32_t d = 0; d < tensor->rank; d++)
            json_put_int(writer, NULL, tensor->shape[d]);
        json_close_array(writer);
        if (known)
            json_put_int(writer, "offset", offset_of(session, tensor));
        else
            json_put_null(writer, "offset");
        json_put_int(writer, "bytes", (int64_t)tensor->capacity_bytes);
        json_close_object(writer);
    }
    json_close_array(writer);
    return TARE_OK;
}

enum tare_status python_session_bind(struct tare_session *session, const struct tare_tensor *inputs,
                                     size_t input_count, const struct tare_tensor *outputs,
                                     size_t output_count, struct tare_err *err)
{
    struct json_tree *answer = NULL;
    struct json_writer writer;
    struct buf request;
    enum tare_status status;

    if (input_count != session->input_count || output_count != session->output_count)
        return tare_fail(err, TARE_INVALID, "bound %zu inputs and %zu outputs, need %zu and %zu",
                         input_count, output_count, session->input_count, session->output_count);
    buf_init(&request, 1 << 20);
    json_start(&writer, &request, false);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "cmd", "bind");
    status = put_tensors(session, &writer, true, inputs, input_count, err);
    if (status == TARE_OK)
        status = put_tensors(session, &writer, false, outputs, output_count, err);
    if (status == TARE_OK) {
        json_close_object(&writer);
        status = buf_status(&request, "a request to the python worker", err);
    }
    if (status == TARE_OK)
        status = link_call(&session->link, buf_text(&request), &answer, err);
    json_free(answer);
    buf_release(&request);
    return status;
}

enum tare_status python_session_run(struct tare_session *session,
                                    const struct tare_request *request, struct tare_timing *timing,
                                    struct tare_err *err)
{
    (void)request;
    return link_run(&session->link, timing, err);
}

enum tare_status python_session_bound_shape(struct tare_session *session, size_t index,
                                            int32_t *rank, int64_t *shape, struct tare_err *err)
{
    int64_t numbers[1 + TARE_MAX_RANK];

    if (index >= session->output_count)
        return tare_fail(err, TARE_INVALID, "output %zu is not bound", index);
    memcpy(numbers, session->link.memory + LINK_SHAPES_AT + index * LINK_SHAPE_BYTES,
           sizeof(numbers));
    if (numbers[0] < 0 || numbers[0] > TARE_MAX_RANK)
        return tare_fail(err, TARE_BROKEN, "the python worker gives output %zu rank %lld", index,
                         (long long)numbers[0]);
    *rank = (int32_t)numbers[0];
    memcpy(shape, numbers + 1, TARE_MAX_RANK * sizeof(*shape));
    return TARE_OK;
}
