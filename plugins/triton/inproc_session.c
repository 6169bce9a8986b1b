#include "inproc_session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"

/* The repository's models, for a message: "a, b, c". */
static void list_models(const char *repository, char *text, size_t bytes)
{
    char **names = NULL;
    size_t count = 0, used = 0;

    text[0] = '\0';
    if (file_list(repository, NULL, &names, &count, NULL) != TARE_OK)
        return;
    for (size_t i = 0; i < count && used < bytes; i++) {
        char path[FILE_MAX_PATH];

        if (file_join(path, sizeof(path), repository, names[i], NULL) == TARE_OK &&
            file_is_dir(path))
            used += (size_t)snprintf(text + used, bytes - used, "%s%s", used ? ", " : "", names[i]);
    }
    file_free_names(names, count);
}

/* Whether a model of that name is there: the server's own words for it are about polling. */
static enum tare_status check_model(struct tare_session *session, const char *repository,
                                    const char *model, struct tare_err *err)
{
    char path[FILE_MAX_PATH], models[200];

    if (!file_is_dir(repository))
        return tare_fail(err, TARE_ABSENT, "no model repository '%s': need a folder of models",
                         repository);
    if (model[0] && model[0] != '.' && !strchr(model, '/') &&
        strlen(model) < sizeof(session->model) &&
        file_join(path, sizeof(path), repository, model, NULL) == TARE_OK && file_is_dir(path)) {
        (void)snprintf(session->model, sizeof(session->model), "%s", model);
        return TARE_OK;
    }
    list_models(repository, models, sizeof(models));
    if (!models[0])
        return tare_fail(err, TARE_ABSENT, "'%s' is no model repository: it has no folders",
                         repository);
    if (!model[0])
        return tare_fail(err, TARE_INVALID, "which model of '%.200s'? set option model: %s",
                         repository, models);
    return tare_fail(err, TARE_ABSENT, "no model '%.60s' in '%.150s', which has %s", model,
                     repository, models);
}

/*
 * The configuration says where and how the model runs, not the cell: a row that claims anything
 * else must not show the time of that. What the configuration leaves open is not checked.
 */
static enum tare_status check_claims(const struct tare_session *session,
                                     const struct tare_open_options *options, struct tare_err *err)
{
    bool gpu = strcmp(options->device, "cpu") != 0;

    if (gpu ? session->on_cpu : session->on_gpu)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "model '%s' runs on %s by its configuration, not on '%s'", session->model,
                         session->on_cpu ? "the processor" : "a GPU", options->device);
    if (session->precision[0] && strcmp(session->precision, options->precision) != 0)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "model '%s' runs in %s by its configuration, not in %s", session->model,
                         session->precision, options->precision);
    if (session->threads && options->threads && session->threads != options->threads)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "model '%s' runs on %d threads by its configuration, not on %d",
                         session->model, session->threads, options->threads);
    if (session->max_batch && options->batch > session->max_batch)
        return tare_fail(err, TARE_INVALID, "model '%s' takes batches of up to %lld, not %d",
                         session->model, (long long)session->max_batch, options->batch);
    return TARE_OK;
}

static void fill_report(const struct tare_session *session, struct tare_open_report *report)
{
    (void)snprintf(report->runtime_version, sizeof(report->runtime_version), "tritonserver %s",
                   session->release);
    (void)snprintf(report->provider, sizeof(report->provider), "%s", session->backend);
    report->executed_precision[0] = '\0'; /* no backend can be asked */
    report->threads = session->threads;
}

static enum tare_status open_session(struct tare_session *session,
                                     const struct tare_open_options *options, struct tare_err *err)
{
    const struct tare_option_info *table = inproc_options;
    int64_t version = tare_option_int(options, table, "version");
    enum tare_status status =
        check_model(session, options->model_path, tare_option_text(options, table, "model"), err);

    session->version = version ? version : -1;
    session->spin_ns = 1000 * tare_option_int(options, table, "spin_us");
    if (status == TARE_OK)
        status = inproc_api_load(tare_option_text(options, table, "server"), &session->api, err);
    if (status == TARE_OK)
        status = inproc_serve(session, options, err);
    if (status == TARE_OK)
        status = inproc_read_model(session, err);
    return status == TARE_OK ? check_claims(session, options, err) : status;
}

enum tare_status inproc_open(const struct tare_open_options *options, struct tare_session **session,
                             struct tare_open_report *report, struct tare_err *err)
{
    int64_t start_ns = clock_now_ns(), rss_bytes = process_rss_bytes(getpid()), peak;
    struct tare_session *opened = calloc(1, sizeof(*opened));
    enum tare_status status;

    *session = NULL;
    if (!opened)
        return tare_fail(err, TARE_NOMEM, "out of memory for a session");
    status = open_session(opened, options, err);
    if (status != TARE_OK) {
        inproc_close(opened);
        return status;
    }
    fill_report(opened, report);
    peak = process_peak_rss_bytes(getpid());
    report->load_ns = clock_now_ns() - start_ns;
    report->peak_memory_bytes =
        peak >= 0 && rss_bytes >= 0 && peak >= rss_bytes ? peak - rss_bytes : -1;
    *session = opened;
    return TARE_OK;
}

void inproc_close(struct tare_session *session)
{
    if (!session)
        return;
    inproc_unbind(session);
    inproc_end_server(session);
    if (session->allocator)
        inproc_drop(&session->api, session->api.allocator_delete(session->allocator));
    free(session->inputs.infos);
    free(session->outputs.infos);
    free(session->in);
    free(session->out);
    free(session);
}
