/* cmd_bench.c - tare bench: a study or a matrix in, a result file and a ledger out. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/stop.h"
#include "cmd/bench_models.h"
#include "cmd/command.h"
#include "cmd/progress.h"
#include "cmd/version.h"
#include "measure/sweeps.h"
#include "measure/trust.h"

struct args {
    const char *output, *runtime, *layer, *precision, *device, *batch, *threads, *head, *mode;
    const char *images, *annotations, *models;
    struct option_list options;
    int64_t sweeps, restarts, runs, warmup_runs, seed, imgsz;
    const char *visit, *warmup, *timeout, *budget, *resume;
    double rate;
    bool quiet, json, trust, ledger;
};

#define TRUST_SWEEPS 10 /* some seconds, whatever the study */

#define AT(member) .offset = offsetof(struct args, member)

static const struct option_info table[] = {
    {OPTION_TEXT, "output", 'o', "FILE", "result file; a further run is added to one that is there",
     "tare-TIME.db", NULL, 0, 0, AT(output)},
    {OPTION_TEXT, "runtime", 'r', "NAMES", "plugins, separated by commas", "onnxruntime", NULL, 0,
     0, AT(runtime)},
    {OPTION_TEXT, "layer", 'l', "NAMES", "how a request gets there: direct, python", "direct", NULL,
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
    {OPTION_LIST, "option", 0, "NAME=VALUE", "an option of the runtime; may be repeated", NULL,
     NULL, 0, 0, AT(options)},
    {OPTION_TEXT, "images", 'i', "DIR", "JPEG pictures to run on", NULL, NULL, 0, 0, AT(images)},
    {OPTION_TEXT, "annotations", 'a', "FILE", "COCO annotations of them; adds accuracy", NULL, NULL,
     0, 0, AT(annotations)},
    {OPTION_INT, "sweeps", 's', "N", "visits of every cell", "20", NULL, 1, 100000, AT(sweeps)},
    {OPTION_INT, "restarts", 0, "N", "worker processes a cell", "5", NULL, 1, 1000, AT(restarts)},
    {OPTION_TEXT, "visit", 0, "TIME", "how long a visit aims to be", "500ms", NULL, 0, 0,
     AT(visit)},
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
    {OPTION_TEXT, "resume", 0, "FILE", "go on with a run that was interrupted or had failures",
     NULL, NULL, 0, 0, AT(resume)},
    {OPTION_CHOICE, "mode", 'm', "MODE", "one run after the other, or as a camera comes",
     "back_to_back", "back_to_back|paced", 0, 0, AT(mode)},
    {OPTION_NUMBER, "rate", 0, "HZ", "starts a second in paced mode", "30", NULL, 0.001, 1e6,
     AT(rate)},
    {OPTION_INT, "seed", 0, "N", "of the order of visits and of random inputs", "1", NULL, 0, 9e15,
     AT(seed)},
    {OPTION_TEXT, "models", 0, "DIR", "where exported models are kept", "beside the result file",
     NULL, 0, 0, AT(models)},
    {OPTION_FLAG, "trust", 0, NULL,
     "measure the harness against itself too; --no-trust leaves it out", "yes", NULL, 0, 0,
     AT(trust)},
    {OPTION_FLAG, "ledger", 0, NULL,
     "print the ledger at the end; --no-ledger leaves it to tare report", "yes", NULL, 0, 0,
     AT(ledger)},
    {OPTION_FLAG, "quiet", 'q', NULL, "no progress", NULL, NULL, 0, 0, AT(quiet)},
    {OPTION_FLAG, "json", 0, NULL, "the ledger as JSON", NULL, NULL, 0, 0, AT(json)},
    {0},
};

static const struct options_usage usage = {
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
static const char *cell_option(const struct args *a)
{
    const struct given rows[] = {
        {"runtime", a->runtime}, {"layer", a->layer},      {"precision", a->precision},
        {"device", a->device},   {"batch", a->batch},      {"threads", a->threads},
        {"head", a->head},       {"imgsz", a->imgsz >= 0}, {"option", a->options.count > 0},
    };

    return first_given(rows, sizeof(rows) / sizeof(rows[0]));
}

/* The same of all that a run keeps from its first start to its last resumption. */
static const char *run_option(const struct args *a)
{
    const struct given rows[] = {
        {"output", a->output},
        {"mode", a->mode},
        {"images", a->images},
        {"annotations", a->annotations},
        {"visit", a->visit},
        {"warmup", a->warmup},
        {"timeout", a->timeout},
        {"budget", a->budget},
        {"sweeps", a->sweeps >= 0},
        {"restarts", a->restarts >= 0},
        {"runs", a->runs >= 0},
        {"seed", a->seed >= 0},
        {"warmup-runs", a->warmup_runs >= 0},
        {"rate", a->rate > 0},
    };
    const char *name = cell_option(a);

    return name ? name : first_given(rows, sizeof(rows) / sizeof(rows[0]));
}

static void fill_defaults(struct args *a)
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

static enum tare_status add_options(const struct args *args, struct study_cell *cell,
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

static bool is_checkpoint(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot && strcmp(dot, ".pt") == 0;
}

/* One point of the matrix; point counts in row-major order of the lists. */
static enum tare_status add_point(const struct args *args, const char *model, size_t point,
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
    if (!is_checkpoint(model))
        cell.head[0] = '\0';
    status = parse_count("batch", batch, 1, &cell.batch, err);
    if (status == TARE_OK)
        status = parse_count("threads", threads, 0, &cell.threads, err);
    if (status == TARE_OK)
        status = add_options(args, &cell, err);
    return status == TARE_OK ? study_add_cell(study, &cell, err) : status;
}

static enum tare_status matrix_study(const struct args *args, const char *model,
                                     struct study *study, struct tare_err *err)
{
    const char *head = is_checkpoint(model) ? args->head : "raw";
    size_t points = list_count(head) * list_count(args->runtime) * list_count(args->layer) *
                    list_count(args->precision) * list_count(args->device) *
                    list_count(args->threads) * list_count(args->batch);
    enum tare_status status = TARE_OK;

    study_init(study);
    if (points > STUDY_MAX_CELLS)
        return tare_fail(err, TARE_LIMIT, "the matrix has %zu cells, at most %d", points,
                         STUDY_MAX_CELLS);
    (void)snprintf(study->name, sizeof(study->name), "%.60s", file_base_name(model));
    for (size_t i = 0; i < points && status == TARE_OK; i++)
        status = add_point(args, model, i, study, err);
    return status == TARE_OK ? study_derive_lines(study, err) : status;
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

/* What was given on the command line wins over the study file; negative and NULL: not given. */
static enum tare_status apply_settings(const struct args *args, struct study *study,
                                       struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    if (args->sweeps >= 0)
        study->sweeps = args->sweeps;
    if (args->restarts >= 0)
        study->restarts = args->restarts;
    if (args->runs >= 0)
        study->runs = args->runs;
    if (args->warmup_runs >= 0)
        study->warmup_runs = args->warmup_runs;
    if (args->seed >= 0)
        study->seed = args->seed;
    if (args->images)
        status = set_path("images", args->images, study->images, sizeof(study->images), err);
    if (args->annotations && status == TARE_OK)
        status = set_path("annotations", args->annotations, study->annotations,
                          sizeof(study->annotations), err);
    if (args->mode)
        study->paced = strcmp(args->mode, "paced") == 0;
    if (args->rate > 0 || (study->paced && study->rate_hz <= 0))
        study->rate_hz = args->rate > 0 ? args->rate : 30;
    if (args->visit && status == TARE_OK)
        status = set_duration("visit", args->visit, &study->visit_ns, err);
    if (args->warmup && status == TARE_OK)
        status = set_duration("warmup", args->warmup, &study->warmup_ns, err);
    if (args->budget && status == TARE_OK)
        status = set_duration("budget", args->budget, &study->budget_ns, err);
    if (args->timeout && status == TARE_OK)
        status = set_duration("timeout", args->timeout, &study->timeout_ns, err);
    if (status == TARE_OK && study->annotations[0] && !study->images[0])
        status = tare_fail(err, TARE_INVALID, "'--annotations' needs '--images'");
    return status;
}

static enum tare_status make_study(struct args *args, const char *operand, struct study *study,
                                   struct tare_err *err)
{
    const char *dot = strrchr(operand, '.'), *given = cell_option(args);
    bool file = dot && strcmp(dot, ".json") == 0;
    enum tare_status status;

    if (file && given)
        return tare_fail(err, TARE_INVALID,
                         "'--%s' is for a model, a study file names its cells itself", given);
    fill_defaults(args);
    if (!file && !file_exists(operand))
        return tare_fail(err, TARE_ABSENT, "no file '%s'", operand);
    status = file ? study_load(operand, study, err) : matrix_study(args, operand, study, err);
    if (status == TARE_OK)
        status = apply_settings(args, study, err);
    return status;
}

/* --- running
 * ---------------------------------------------------------------------------------------------- */

static void show_progress(const struct sweeps_progress *p, void *data)
{
    char what[320];

    if (p->sweep > 0)
        (void)snprintf(what, sizeof(what), "%s %lld of %lld  %s", p->stage, (long long)p->sweep,
                       (long long)p->sweeps, p->cell);
    else
        (void)snprintf(what, sizeof(what), "%s  %s", p->stage, p->cell);
    progress_show(data, what, p->share, p->left_ns);
}

static void join_command(int argc, char **argv, struct buf *out)
{
    buf_append_text(out, "tare");
    for (int i = 0; i < argc; i++)
        buf_printf(out, " %s", argv[i]);
}

static void default_output(char *out, size_t bytes)
{
    time_t now = time(NULL);
    struct tm parts;

    if (!localtime_r(&now, &parts) || strftime(out, bytes, "tare-%Y%m%d-%H%M%S.db", &parts) == 0)
        (void)snprintf(out, bytes, "tare.db");
}

static enum tare_status has_gaps(struct store *store, int64_t run_id, bool *gaps,
                                 struct tare_err *err)
{
    struct store_cell *cells;
    size_t count;
    enum tare_status status = store_cells(store, run_id, &cells, &count, err);

    for (size_t i = 0; i < count && status == TARE_OK; i++)
        *gaps = *gaps || cells[i].state != STORE_CELL_OK;
    if (status == TARE_OK)
        free(cells);
    return status;
}

/* The last run of a result file, if it was interrupted or cells of it failed, and its study. */
static enum tare_status load_interrupted(struct store *store, struct study *study,
                                         struct sweeps_options *options, struct tare_err *err)
{
    struct store_run *runs;
    size_t count;
    enum tare_status status = store_runs(store, &runs, &count, err);
    const struct store_run *last = status == TARE_OK && count ? &runs[count - 1] : NULL;
    bool gaps = last && last->state != STORE_RUN_COMPLETE;

    if (status != TARE_OK)
        return status;
    if (!last)
        status = tare_fail(err, TARE_ABSENT, "'%s' holds no run", store_path(store));
    else if (!gaps)
        status = has_gaps(store, last->id, &gaps, err);
    if (status == TARE_OK && !gaps)
        status =
            tare_fail(err, TARE_INVALID, "the last run of '%s' is complete", store_path(store));
    if (status == TARE_OK)
        status = study_parse(last->study, strlen(last->study), store_path(store), ".", study, err);
    if (status == TARE_OK) {
        options->resume_run_id = last->id;
        options->resume_wall_ns = last->started_wall_ns;
    }
    free(runs);
    return status;
}

static void show_trust_progress(const struct sweeps_progress *p, void *data)
{
    progress_show(data, "measuring the harness against itself", p->share, p->left_ns);
}

/* Studies of the null backend are the harness against itself already. */
static bool wants_trust(const struct args *args, const struct study *study)
{
    bool real = false;

    for (size_t i = 0; i < study->cell_count; i++)
        real = real || strcmp(study->cells[i].runtime, "null") != 0;
    return args->trust && real;
}

/* A verdict that could not be had is a note too, and never costs the results. */
static enum tare_status add_trust(struct store *store, int64_t run_id, struct progress *progress,
                                  struct tare_err *err)
{
    const struct trust_options options = {
        .sweeps = TRUST_SWEEPS, .progress = show_trust_progress, .progress_data = progress};
    struct tare_err failure = TARE_ERR_INIT;
    struct trust_result result;
    char text[400];
    struct store_note note = {STORE_NOTE_TRUST, "this machine", text};

    if (trust_run(&options, &result, &failure) == TARE_OK)
        trust_describe(&result, text, sizeof(text));
    else
        (void)snprintf(text, sizeof(text), "not known: %.300s", failure.text);
    return store_add_note(store, run_id, &note, err);
}

static bool holds_nothing(struct store *store)
{
    struct store_run *runs = NULL;
    size_t count = 1;

    if (store_runs(store, &runs, &count, NULL) != TARE_OK)
        return false;
    free(runs);
    return count == 0;
}

static enum tare_status run_study(const struct args *args, struct study *study, const char *output,
                                  const char *command, struct sweeps_result *result,
                                  struct tare_err *err)
{
    enum store_mode mode = args->resume ? STORE_WRITE : STORE_CREATE;
    struct progress progress;
    struct sweeps_options options = {
        .version = TARE_VERSION,
        .command = command,
        .progress = show_progress,
        .progress_data = &progress,
    };
    bool is_new = !file_exists(output);
    struct store *store = NULL;
    struct buf text = BUF_INIT;
    enum tare_status status = store_open(output, mode, &store, err);

    if (status == TARE_OK && args->resume)
        status = load_interrupted(store, study, &options, err);
    if (status == TARE_OK)
        status = bench_export_models(study, args->models, output, err);
    study_write(study, &text);
    options.study_text = buf_text(&text);
    progress_start(&progress, args->quiet);
    if (status == TARE_OK)
        status = buf_status(&text, "a study", err);
    if (status == TARE_OK)
        status = sweeps_run(study, store, &options, result, err);
    if (status == TARE_OK && wants_trust(args, study))
        status = add_trust(store, result->run_id, &progress, err);
    progress_end(&progress);
    is_new = is_new && status != TARE_OK && store && holds_nothing(store);
    store_close(store);
    if (is_new)
        (void)unlink(output); /* no empty result file stays behind */
    buf_release(&text);
    return status;
}

static int finish(const struct args *args, char *output, enum tare_status status,
                  const struct sweeps_result *result, const struct tare_err *err)
{
    if (status == TARE_STOPPED) {
        (void)fprintf(stderr,
                      "tare bench: stopped after %lld sweeps; what was measured is in '%s'\n"
                      "next:    tare bench --resume %s\n",
                      (long long)result->sweeps_done, output, output);
        return EXIT_FAILED;
    }
    if (status != TARE_OK && result->run_id == 0)
        return command_fail("bench", err);
    if (status != TARE_OK)
        (void)command_fail("bench", err);
    if (args->ledger && bench_print_ledger(output, args->json) != EXIT_OK)
        return EXIT_FAILED;
    if (status != TARE_OK)
        return EXIT_FAILED;
    (void)fprintf(stderr, "\nresults: %s (%.0f s, %.0f %% of it in visits)\n", output,
                  (double)result->wall_ns / 1e9,
                  result->wall_ns ? 100.0 * (double)result->visit_ns / (double)result->wall_ns : 0);
    if (args->ledger)
        (void)fprintf(stderr, "next:    tare report %s -o report.html\n", output);
    return result->failed ? EXIT_FAILED : EXIT_OK;
}

int cmd_bench(int argc, char **argv)
{
    struct args args = {
        .trust = true,
        .ledger = true,
        .imgsz = -1,
        .sweeps = -1,
        .restarts = -1,
        .runs = -1,
        .warmup_runs = -1,
        .seed = -1,
    };
    struct options_result parsed;
    struct sweeps_result result = {0};
    struct tare_err err = TARE_ERR_INIT;
    struct study study = {0};
    struct buf command = BUF_INIT;
    char output[FILE_MAX_PATH];
    enum tare_status status = TARE_OK;
    int exit_code;

    join_command(argc, argv, &command);
    if (!command_parse(table, &usage, argc, argv, &args, &parsed, &exit_code)) {
        buf_release(&command);
        return exit_code;
    }
    default_output(output, sizeof(output));
    if (args.output || args.resume)
        (void)snprintf(output, sizeof(output), "%s", args.resume ? args.resume : args.output);
    if (parsed.operand_count != (args.resume ? 0 : 1)) {
        buf_release(&command);
        return command_usage(argv[0], "need one study or model, or --resume, got %zu",
                             parsed.operand_count);
    }
    if (args.resume && run_option(&args))
        status = tare_fail(&err, TARE_INVALID, "'--%s' can't change a run that has begun",
                           run_option(&args));
    else if (!args.resume)
        status = make_study(&args, parsed.operands[0], &study, &err);
    if (status == TARE_OK)
        status = run_study(&args, &study, output, buf_text(&command), &result, &err);
    exit_code = status != TARE_OK && result.run_id == 0 && status != TARE_STOPPED
                    ? command_fail(argv[0], &err)
                    : finish(&args, output, status, &result, &err);
    study_release(&study);
    buf_release(&command);
    return command_finish(argv[0], exit_code);
}
