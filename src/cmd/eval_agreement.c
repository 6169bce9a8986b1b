#include "cmd/eval_agreement.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/registry.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json_write.h"
#include "cmd/progress.h"
#include "measure/agree.h"

static const char *const picture_suffixes[] = {".jpg", ".jpeg", NULL};

struct display {
    struct progress progress;
    char what[64];
};

static void show(double share, void *data)
{
    struct display *display = data;
    int64_t passed = clock_now_ns() - display->progress.start_ns;

    progress_show(&display->progress, display->what, share,
                  share > 0 ? (int64_t)((double)passed * (1 - share) / share) : -1);
}

/* --- output ----------------------------------------------------------------------------------- */

static void put_share(const char *name, const struct agreement_figure *figure, const char *detail)
{
    if (isnan(figure->value))
        (void)printf("%-16s %8s", name, "-");
    else
        (void)printf("%-16s %8.4f", name, figure->value);
    if (isnan(figure->low))
        (void)printf("  %18s", "");
    else
        (void)printf("  %8.4f .. %.4f", figure->low, figure->high);
    (void)printf("  %s\n", detail);
}

static void put_head(const struct agreement_head *head)
{
    const struct agreement_figure *sqnr = &head->sqnr_db;
    char name[AGREEMENT_NAME + 8];

    (void)snprintf(name, sizeof(name), "SQNR %s", head->name);
    if (isinf(sqnr->value))
        (void)printf("%-16s %8s\n", name, "equal");
    else if (isnan(sqnr->low))
        (void)printf("%-16s %8.2f  %18s  dB; largest difference %.3g\n", name, sqnr->value, "",
                     head->largest);
    else
        (void)printf("%-16s %8.2f  %8.2f .. %-6.2f  dB; largest difference %.3g\n", name,
                     sqnr->value, sqnr->low, sqnr->high, head->largest);
}

void eval_print_agreement(const struct eval_agreement *a, const struct agreement_result *r)
{
    char detail[120];

    (void)printf("%s against %s\n%zu pictures; boxes over %g, same class, IoU %g or more\n\n",
                 file_base_name(a->model->model), file_base_name(a->reference), r->pictures,
                 r->min_score, r->min_iou);
    (void)printf("%-16s %8s  95 %% interval\n", "", "");
    (void)snprintf(detail, sizeof(detail), "%zu of the reference's %zu boxes", r->found_boxes,
                   r->reference_boxes);
    put_share("found again", &r->found, detail);
    (void)snprintf(detail, sizeof(detail), "%zu more, with a score under %g", r->faded_boxes,
                   r->min_score);
    put_share("faded", &r->faded, detail);
    (void)snprintf(detail, sizeof(detail), "%zu of the model's %zu boxes are new", r->added_boxes,
                   r->model_boxes);
    put_share("added", &r->added, detail);
    put_share("AP", &r->ap, "the reference's boxes as if annotated, IoU 0.50 to 0.95");
    put_share("AP50", &r->ap50, "the same, IoU 0.50");
    for (size_t h = 0; h < r->head_count; h++)
        put_head(&r->heads[h]);
    if (r->head_count == 0)
        (void)printf("SQNR: the two have no output of the same name and size\n");
}

static void put_figure(struct json_writer *json, const char *key,
                       const struct agreement_figure *figure)
{
    json_open_object(json, key);
    json_put_number(json, "value", figure->value);
    json_put_number(json, "low", figure->low);
    json_put_number(json, "high", figure->high);
    json_close_object(json);
}

static void put_heads(struct json_writer *json, const struct agreement_result *r)
{
    json_open_array(json, "heads");
    for (size_t h = 0; h < r->head_count; h++) {
        json_open_object(json, NULL);
        json_put_text(json, "name", r->heads[h].name);
        json_put_bool(json, "equal", isinf(r->heads[h].sqnr_db.value));
        put_figure(json, "sqnr_db", &r->heads[h].sqnr_db);
        json_put_number(json, "largest_difference", r->heads[h].largest);
        json_close_object(json);
    }
    json_close_array(json);
}

void eval_put_agreement(struct json_writer *json, const struct eval_agreement *a,
                        const struct agreement_result *r)
{
    json_put_text(json, "model", a->model->model);
    json_put_text(json, "reference", a->reference);
    json_put_int(json, "pictures", (int64_t)r->pictures);
    json_put_number(json, "min_score", r->min_score);
    json_put_number(json, "min_iou", r->min_iou);
    json_put_int(json, "reference_boxes", (int64_t)r->reference_boxes);
    json_put_int(json, "model_boxes", (int64_t)r->model_boxes);
    json_put_int(json, "found_boxes", (int64_t)r->found_boxes);
    json_put_int(json, "faded_boxes", (int64_t)r->faded_boxes);
    json_put_int(json, "added_boxes", (int64_t)r->added_boxes);
    put_figure(json, "found", &r->found);
    put_figure(json, "faded", &r->faded);
    put_figure(json, "added", &r->added);
    put_figure(json, "ap", &r->ap);
    put_figure(json, "ap50", &r->ap50);
    put_heads(json, r);
}

/* --- the runs --------------------------------------------------------------------------------- */

struct opened {
    struct backend *backend;
    struct backend_session *session;
};

static void close_model(struct opened *opened)
{
    backend_session_close(opened->session);
    backend_free(opened->backend);
}

static enum tare_status run_both(const struct eval_agreement *a, char **names, size_t count,
                                 struct agreement_result *result, struct tare_err *err)
{
    struct eval_model of_reference = *a->model;
    struct opened reference = {NULL, NULL}, model = {NULL, NULL};
    struct display display;
    struct agree_options options = {
        .paths = names,
        .count = count,
        .figures = {.resamples = a->resamples, .seed = a->seed},
        .progress = show,
        .progress_data = &display,
    };
    enum tare_status status;

    of_reference.model = a->reference;
    of_reference.runtime = a->reference_runtime;
    of_reference.options = NULL;
    of_reference.precision = "fp32";
    status = eval_open_session(&of_reference, &reference.backend, &reference.session, err);
    if (status == TARE_OK)
        status = eval_open_session(a->model, &model.backend, &model.session, err);
    if (status == TARE_OK) {
        (void)snprintf(display.what, sizeof(display.what), "%zu pictures", count);
        progress_start(&display.progress, a->model->quiet);
        status = agree_pictures(reference.session, model.session, &options, result, err);
        progress_end(&display.progress);
    }
    close_model(&model);
    close_model(&reference);
    return status;
}

enum tare_status eval_run_agreement(const struct eval_agreement *agreement,
                                    struct agreement_result *result, struct tare_err *err)
{
    size_t count = 0;
    char **names = NULL;
    enum tare_status status = file_list_paths(agreement->model->images, picture_suffixes,
                                              "picture (.jpg or .jpeg)", &names, &count, err);

    if (status == TARE_OK)
        status = run_both(agreement, names, count, result, err);
    file_free_names(names, count);
    return status;
}

enum tare_status eval_agree(const struct eval_agreement *agreement, bool json, struct tare_err *err)
{
    struct agreement_result *result = calloc(1, sizeof(*result));
    struct json_writer writer;
    struct buf out = BUF_INIT;
    enum tare_status status = result ? eval_run_agreement(agreement, result, err)
                                     : tare_fail(err, TARE_NOMEM, "out of memory for the figures");

    if (status == TARE_OK && json) {
        json_start(&writer, &out, true);
        json_open_object(&writer, NULL);
        eval_put_agreement(&writer, agreement, result);
        json_close_object(&writer);
        status = buf_status(&out, "the result", err);
        if (status == TARE_OK)
            (void)puts(buf_text(&out));
    } else if (status == TARE_OK) {
        eval_print_agreement(agreement, result);
    }
    buf_release(&out);
    free(result);
    return status;
}
