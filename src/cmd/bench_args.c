/* bench_args.c - from a command line to a study. */
#include "cmd/bench_args.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/look.h"
#include "base/cores.h"
#include "base/file.h"
#include "measure/flow.h"
#include "measure/forms.h"
#include "measure/layer.h"

#define LOOK_PATIENCE_NS ((int64_t)10 * 1000000000)

#define AT(member) .offset = offsetof(struct bench_args, member)

const struct option_info bench_options[] = {
    {OPTION_TEXT, "output", 'o', "FILE", "result file; a further run is added to one that is there",
     "tare-TIME.db", NULL, 0, 0, AT(output)},
    {OPTION_TEXT, "runtime", 'r', "NAMES", "plugins, separated by commas", "onnxruntime", NULL, 0,
     0, AT(runtime)},
    {OPTION_TEXT, "layer", 'l', "NAMES", "how a request gets there: " LAYER_NAMES, "direct", NULL,
     0, 0, AT(layer)},
    {OPTION_TEXT, "precision", 'p', "NAMES", "what the model is made for", "fp32", NULL, 0, 0,
     AT(precision)},
    {OPTION_TEXT, "device", 'd', "NAMES", "where it runs", "cpu", NULL, 0, 0, AT(device)},
    {OPTION_TEXT, "batch", 'b', "NUMBERS", "pictures a run", "1", NULL, 0, 0, AT(batch)},
    {OPTION_TEXT, "threads", 't', "NUMBERS", "of the runtime; 0 is its own choice", "0", NULL, 0, 0,
     AT(threads)},
    {OPTION_TEXT, "head", 0, "NAMES", "raw, full: how a .pt is exported", "raw", NULL, 0, 0,
     AT(head)},
    {OPTION_INT, "imgsz", 0, "N", "side of a square input that the model leaves open", "640", NULL,
     0, 8192, AT(imgsz)},
    {OPTION_TEXT, "forms", 0, "NAMES", "default, quiet: with spinning threads as it comes, without",
     "default", NULL, 0, 0, AT(forms)},
    {OPTION_LIST, "option", 0, "NAME=VALUE", "an option of the runtime; may be repeated", NULL,
     NULL, 0, 0, AT(options)},
    {OPTION_TEXT, "calibration", 0, "DIR", "JPEG pictures to make the INT8 files of a .pt with",
     NULL, NULL, 0, 0, AT(calibration)},
    {OPTION_TEXT, "images", 'i', "DIR", "JPEG pictures to run on", NULL, NULL, 0, 0, AT(images)},
    {OPTION_TEXT, "annotations", 'a', "FILE", "COCO annotations of them; adds accuracy", NULL, NULL,
     0, 0, AT(annotations)},
    {OPTION_INT, "sweeps", 's', "N", "visits of every cell", "20", NULL, 1, 100000, AT(sweeps)},
    {OPTION_INT, "restarts", 0, "N", "worker processes a cell", "5", NULL, 1, 1000, AT(restarts)},
    {OPTION_TEXT, "cpus", 0, "LIST", "processors of every cell, such as 0-3",
     "all, but one for the harness if there are 4 or more", NULL, 0, 0, AT(cpus)},
    {OPTION_TEXT, "visit", 0, "TIME", "how long a visit aims to be",
     "so long that visits have 80 % of the time", NULL, 0, 0, AT(visit)},
    {OPTION_INT, "runs", 'n', "N", "timed runs a visit, instead of --visit", NULL, NULL, 0, 10000,
     AT(runs)},
    {OPTION_TEXT, "warmup", 0, "TIME", "warm-up after a start, at least", "2s", NULL, 0, 0,
     AT(warmup)},
    {OPTION_INT, "warmup-runs", 0, "N", "and at least so many runs", "20", NULL, 0, 10000,
     AT(warmup_runs)},
    {OPTION_TEXT, "timeout", 0, "TIME", "opening, warm-up or visit that takes longer is a hang",
     "10m; visits ten times what is expected", NULL, 0, 0, AT(timeout)},
    {OPTION_TEXT, "budget", 0, "TIME", "for all of it: fewer sweeps and restarts if need be",
     "none", NULL, 0, 0, AT(budget)},
    {OPTION_TEXT, "width", 0, "PERCENT",
     "go on until every line is known so well either way; the first sweeps set how long", "none",
     NULL, 0, 0, AT(width)},
    {OPTION_TEXT, "resume", 0, "FILE", "go on with a run that was interrupted or had failures",
     NULL, NULL, 0, 0, AT(resume)},
    {OPTION_CHOICE, "mode", 'm', "MODE",
     "one run after the other, as a camera comes, long visits in A B B A, or many at once",
     "back_to_back", "back_to_back|paced|soak|throughput", 0, 0, AT(mode)},
    {OPTION_NUMBER, "rate", 0, "HZ",
     "starts a second: paced (30), or offered to all streams of throughput mode", NULL, NULL, 0.001,
     1e6, AT(rate)},
    {OPTION_INT, "streams", 0, "N", "throughput: so many at once, instead of as many as serve best",
     NULL, NULL, 0, FLOW_MAX_STREAMS, AT(streams)},
    {OPTION_TEXT, "soak", 0, "TIME", "a visit's length in soak mode", "60s", NULL, 0, 0, AT(soak)},
    {OPTION_INT, "cold", 0, "N",
     "at the end start every cell so often, page cache dropped and warm; 10 give an interval", "0",
     NULL, 0, 1000, AT(cold)},
    {OPTION_FLAG, "energy", 0, NULL,
     "at the end measure joules of an inference, where a sensor answers (NVIDIA's GPUs)", NULL,
     NULL, 0, 0, AT(energy)},
    {OPTION_INT, "seed", 0, "N", "of the order of visits and of random inputs", "1", NULL, 0, 9e15,
     AT(seed)},
    {OPTION_TEXT, "models", 0, "DIR", "where exported models are kept", "beside the result file",
     NULL, 0, 0, AT(models)},
    {OPTION_FLAG, "ledger", 0, NULL,
     "print the ledger at the end; --no-ledger leaves it to tare report", "yes", NULL, 0, 0,
     AT(ledger)},
    {OPTION_FLAG, "peaks", 0, NULL,
     "measure first what the machine could do at most, which each cell is held against", "yes",
     NULL, 0, 0, AT(peaks)},
    {OPTION_FLAG, "confirm", 0, NULL,
     "measure the fastest of three or more cells again on fresh sweeps", "yes", NULL, 0, 0,
     AT(confirm)},
    {OPTION_FLAG, "profile", 0, NULL,
     "afterwards, in workers of their own, time each node of the graph: tare report --profile",
     NULL, NULL, 0, 0, AT(profile)},
    {OPTION_FLAG, "quiet", 'q', NULL, "no progress", NULL, NULL, 0, 0, AT(quiet)},
    {OPTION_FLAG, "json", 0, NULL, "the ledger as JSON", NULL, NULL, 0, 0, AT(json)},
    {0},
};

const struct options_usage bench_usage = {
    "bench",
    "STUDY.json | MODEL.onnx | MODEL.pt | --resume RUN.db",
    "weigh every cell of a study: latency, stages, accuracy, taxes and gains",
    "Lists make a matrix: --threads 1,2 --head full,raw has four cells. A study file names its "
    "cells\n"
    "itself; the other options replace what it says.",
};

/* --- which options go together
 * ------------------------------------------------------------------------ */

struct given {
    const char *name;
    bool given;
};

static const char *first_given(const struct given *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].given)
            return rows[i].name;
    return NULL;
}

/* The first option given of those that make cells; NULL: none. */
static const char *cell_option(const struct bench_args *a)
{
    const struct given rows[] = {
        {"runtime", a->runtime}, {"layer", a->layer},      {"precision", a->precision},
        {"device", a->device},   {"batch", a->batch},      {"threads", a->threads},
        {"head", a->head},       {"imgsz", a->imgsz >= 0}, {"option", a->options.count > 0},
        {"forms", a->forms},
    };

    return first_given(rows, sizeof(rows) / sizeof(rows[0]));
}

/* The same of all that a run keeps from its first start to its last resumption. */
static const char *run_option(const struct bench_args *a)
{
    const struct given rows[] = {
        {"output", a->output},
        {"mode", a->mode},
        {"soak", a->soak},
        {"cpus", a->cpus},
        {"images", a->images},
        {"annotations", a->annotations},
        {"calibration", a->calibration},
        {"visit", a->visit},
        {"warmup", a->warmup},
        {"timeout", a->timeout},
        {"budget", a->budget},
        {"width", a->width},
        {"sweeps", a->sweeps >= 0},
        {"restarts", a->restarts >= 0},
        {"runs", a->runs >= 0},
        {"seed", a->seed >= 0},
        {"cold", a->cold >= 0},
        {"warmup-runs", a->warmup_runs >= 0},
        {"rate", a->rate > 0},
        {"streams", a->streams > 0},
        {"energy", a->energy},
        {"no-confirm", !a->confirm},
    };
    const char *name = cell_option(a);

    return name ? name : first_given(rows, sizeof(rows) / sizeof(rows[0]));
}

static void fill_defaults(struct bench_args *a)
{
    a->runtime = a->runtime ? a->runtime : "onnxruntime";
    a->layer = a->layer ? a->layer : "direct";
    a->precision = a->precision ? a->precision : "fp32";
    a->device = a->device ? a->device : "cpu";
    a->batch = a->batch ? a->batch : "1";
    a->threads = a->threads ? a->threads : "0";
    a->head = a->head ? a->head : "raw";
    a->imgsz = a->imgsz >= 0 ? a->imgsz : 0;
}

/* --- from the command line to a study
 * --------------------------------------------------------------- */

/* The index-th part of "a,b,c"; false past the end, or if it does not fit. */
static bool list_part(const char *list, size_t index, char *out, size_t bytes)
{
    const char *start = list;

    for (; index > 0; index--) {
        start = strchr(start, ',');
        if (!start)
            return false;
        start++;
    }
    return snprintf(out, bytes, "%.*s", (int)strcspn(start, ","), start) < (int)bytes;
}

static size_t list_count(const char *list)
{
    size_t count = 1;

    for (; (list = strchr(list, ',')); list++)
        count++;
    return count;
}

static enum tare_status parse_count(const char *what, const char *text, int32_t min, int32_t *out,
                                    struct tare_err *err)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (end == text || *end || number < min || number > 1024)
        return tare_fail(err, TARE_INVALID, "'--%s' is '%s', allowed is %d to 1024", what, text,
                         min);
    *out = (int32_t)number;
    return TARE_OK;
}

static enum tare_status add_options(const struct bench_args *args, struct study_cell *cell,
                                    struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < args->options.count && status == TARE_OK; i++) {
        const char *text = args->options.items[i], *equals = strchr(text, '=');
        char name[64];

        if (!equals || equals == text || (size_t)(equals - text) >= sizeof(name))
            return tare_fail(err, TARE_INVALID, "'--option' is '%s', need NAME=VALUE", text);
        (void)snprintf(name, sizeof(name), "%.*s", (int)(equals - text), text);
        status = study_set_option(cell, name, equals + 1, err);
    }
    return status;
}

/* One point of the matrix; point counts in row-major order of the lists. */
static enum tare_status add_point(const struct bench_args *args, const char *model, size_t point,
                                  struct study *study, struct tare_err *err)
{
    struct study_cell cell;
    char batch[32] = "1", threads[32] = "0";
    struct {
        const char *list;
        char *out;
        size_t bytes;
    } parts[] = {
        {args->head, cell.head, sizeof(cell.head)},
        {args->runtime, cell.runtime, sizeof(cell.runtime)},
        {args->layer, cell.layer, sizeof(cell.layer)},
        {args->precision, cell.precision, sizeof(cell.precision)},
        {args->device, cell.device, sizeof(cell.device)},
        {args->threads, threads, sizeof(threads)},
        {args->batch, batch, sizeof(batch)},
    };
    enum tare_status status;

    study_cell_init(&cell, model);
    cell.size = (int32_t)args->imgsz;
    for (size_t k = sizeof(parts) / sizeof(parts[0]); k-- > 0;) {
        size_t count = list_count(parts[k].list);

        if (!list_part(parts[k].list, point % count, parts[k].out, parts[k].bytes))
            return tare_fail(err, TARE_INVALID, "a word of '%.100s' has more than %zu bytes",
                             parts[k].list, parts[k].bytes - 1);
        point /= count;
    }
    if (!file_has_suffix(model, ".pt"))
        cell.head[0] = '\0';
    status = parse_count("batch", batch, 1, &cell.batch, err);
    if (status == TARE_OK)
        status = parse_count("threads", threads, 0, &cell.threads, err);
    if (status == TARE_OK)
        status = add_options(args, &cell, err);
    return status == TARE_OK ? study_add_cell(study, &cell, err) : status;
}

/* Two forms of a cell, and the line between them, once the others have theirs. */
static enum tare_status add_forms(const char *list, struct study *study, struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    char word[16];

    for (size_t i = 0; list && i < list_count(list) && status == TARE_OK; i++) {
        if (!list_part(list, i, word, sizeof(word)))
            return tare_fail(err, TARE_INVALID, "'--forms' is '%.40s', allowed is default,quiet",
                             list);
        status = forms_add_word(word, &study->forms, err);
    }
    if (status == TARE_OK)
        status = forms_add_cells(study, err);
    return status == TARE_OK ? forms_add_lines(study, err) : status;
}

static enum tare_status matrix_study(const struct bench_args *args, const char *model,
                                     struct study *study, struct tare_err *err)
{
    const char *head = file_has_suffix(model, ".pt") ? args->head : "raw";
    size_t points = list_count(head) * list_count(args->runtime) * list_count(args->layer) *
                    list_count(args->precision) * list_count(args->device) *
                    list_count(args->threads) * list_count(args->batch);
    enum tare_status status = TARE_OK;

    study_init(study);
    if (points > STUDY_MAX_CELLS)
        return tare_fail(err, TARE_LIMIT, "the matrix has %zu cells, at most %d", points,
                         STUDY_MAX_CELLS);
    (void)snprintf(study->name, sizeof(study->name), "%.60s",
                   model[0] ? file_base_name(model) : args->runtime);
    for (size_t i = 0; i < points && status == TARE_OK; i++)
        status = add_point(args, model, i, study, err);
    if (status == TARE_OK)
        status = study_derive_lines(study, err);
    return status == TARE_OK ? add_forms(args->forms, study, err) : status;
}

static enum tare_status set_duration(const char *what, const char *text, int64_t *ns,
                                     struct tare_err *err)
{
    int64_t value = options_duration_ns(text);

    if (value < 0)
        return tare_fail(err, TARE_INVALID, "'--%s' is '%s', need a time such as 500ms or 2s", what,
                         text);
    *ns = value;
    return TARE_OK;
}

static enum tare_status set_path(const char *what, const char *path, char *out, size_t bytes,
                                 struct tare_err *err)
{
    int length = snprintf(out, bytes, "%s", path);

    return length >= 0 && (size_t)length < bytes
               ? TARE_OK
               : tare_fail(err, TARE_INVALID, "'--%s' has %d bytes, at most %zu are allowed", what,
                           length, bytes - 1);
}

static enum tare_status set_cpus(const char *list, struct study *study, struct tare_err *err)
{
    struct tare_err inner = TARE_ERR_INIT;
    cpu_set_t set;

    if (cores_parse(list, &set, &inner) != TARE_OK)
        return tare_fail(err, TARE_INVALID, "'--cpus': %s", inner.text);
    return set_path("cpus", list, study->cpus, sizeof(study->cpus), err);
}

/* What was given on the command line wins over the study file; negative and NULL: not given. */
static enum tare_status apply_settings(const struct bench_args *args, struct study *study,
                                       struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    if (args->sweeps >= 0)
        study->sweeps = args->sweeps;
    if (args->restarts >= 0)
        study->restarts = args->restarts;
    if (args->runs >= 0)
        study->runs = args->runs;
    study->confirm = study->confirm && args->confirm;
    study->energy = study->energy || args->energy;
    if (args->warmup_runs >= 0)
        study->warmup_runs = args->warmup_runs;
    if (args->cold >= 0)
        study->cold = args->cold;
    if (args->seed >= 0)
        study->seed = args->seed;
    if (args->images)
        status = set_path("images", args->images, study->images, sizeof(study->images), err);
    if (args->annotations && status == TARE_OK)
        status = set_path("annotations", args->annotations, study->annotations,
                          sizeof(study->annotations), err);
    if (args->calibration && status == TARE_OK)
        status = set_path("calibration", args->calibration, study->calibration,
                          sizeof(study->calibration), err);
    if (args->cpus && status == TARE_OK)
        status = set_cpus(args->cpus, study, err);
    if (args->mode) {
        study->paced = strcmp(args->mode, "paced") == 0;
        study->soak = strcmp(args->mode, "soak") == 0;
        study->throughput = strcmp(args->mode, "throughput") == 0;
    }
    if (args->soak && status == TARE_OK)
        status = set_duration("soak", args->soak, &study->soak_ns, err);
    if (args->soak && status == TARE_OK && !study->soak)
        status = tare_fail(err, TARE_INVALID, "'--soak' needs '--mode soak'");
    if (args->rate > 0 || (study->paced && study->rate_hz <= 0))
        study->rate_hz = args->rate > 0 ? args->rate : 30;
    if (args->streams > 0)
        study->streams = args->streams;
    if (args->visit && status == TARE_OK)
        status = set_duration("visit", args->visit, &study->visit_ns, err);
    if (args->warmup && status == TARE_OK)
        status = set_duration("warmup", args->warmup, &study->warmup_ns, err);
    if (args->budget && status == TARE_OK)
        status = set_duration("budget", args->budget, &study->budget_ns, err);
    if (args->width && status == TARE_OK) {
        study->width = options_percent(args->width);
        if (!(study->width <= 1))
            status = tare_fail(err, TARE_INVALID,
                               "'--width' is '%s', need a percentage such as 2%%", args->width);
    }
    if (args->timeout && status == TARE_OK)
        status = set_duration("timeout", args->timeout, &study->timeout_ns, err);
    if (status == TARE_OK && study->annotations[0] && !study->images[0])
        status = tare_fail(err, TARE_INVALID, "'--annotations' needs '--images'");
    return status;
}

/* Whether the runtimes do without a model file. One that is not there is left to say so itself. */
static enum tare_status check_no_model(const char *runtimes, struct tare_err *err)
{
    struct backend_look look;
    char name[sizeof(((struct study_cell *)NULL)->runtime)];

    for (size_t i = 0; i < list_count(runtimes); i++)
        if (list_part(runtimes, i, name, sizeof(name)) &&
            backend_look_at(name, LOOK_PATIENCE_NS, &look, NULL) == TARE_OK &&
            look.status == TARE_OK && look.runs_models)
            return tare_fail(err, TARE_INVALID, "runtime '%s' needs a model file", name);
    return TARE_OK;
}

enum tare_status bench_make_study(struct bench_args *args, const char *operand, struct study *study,
                                  struct tare_err *err)
{
    char path[FILE_MAX_PATH]; /* without the slash that a folder's name may end in */
    const char *dot = operand ? strrchr(operand, '.') : NULL, *given = cell_option(args);
    bool file = dot && strcmp(dot, ".json") == 0;
    enum tare_status status;

    if (file && given)
        return tare_fail(err, TARE_INVALID,
                         "'--%s' is for a model, a study file names its cells itself", given);
    fill_defaults(args);
    if (!operand && check_no_model(args->runtime, err) != TARE_OK)
        return TARE_INVALID;
    if (operand && !file && !file_exists(operand))
        return tare_fail(err, TARE_ABSENT, "no file '%s'", operand);
    operand = operand ? operand : "";
    status = set_path("model", operand, path, sizeof(path), err);
    for (size_t end = strlen(path); status == TARE_OK && end > 1 && path[end - 1] == '/'; end--)
        path[end - 1] = '\0';
    if (status == TARE_OK)
        status = file ? study_load(operand, study, err) : matrix_study(args, path, study, err);
    if (status == TARE_OK)
        status = apply_settings(args, study, err);
    return status;
}

void bench_args_init(struct bench_args *args)
{
    *args = (struct bench_args){
        .ledger = true,
        .peaks = true,
        .confirm = true,
        .imgsz = -1,
        .sweeps = -1,
        .restarts = -1,
        .runs = -1,
        .warmup_runs = -1,
        .seed = -1,
        .cold = -1,
    };
}

enum tare_status bench_check_resume(const struct bench_args *args, struct tare_err *err)
{
    const char *given = run_option(args);

    return given ? tare_fail(err, TARE_INVALID, "'--%s' can't change a run that has begun", given)
                 : TARE_OK;
}
