/* cmd_bench.c - tare bench: a study or a matrix in, a result file and a ledger out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "cmd/bench_args.h"
#include "cmd/bench_models.h"
#include "cmd/command.h"
#include "cmd/progress.h"
#include "cmd/version.h"
#include "measure/sweeps.h"

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

static bool holds_nothing(struct store *store)
{
    struct store_run *runs = NULL;
    size_t count = 1;

    if (store_runs(store, &runs, &count, NULL) != TARE_OK)
        return false;
    free(runs);
    return count == 0;
}

static enum tare_status run_study(const struct bench_args *args, struct study *study,
                                  const char *output, const char *command,
                                  struct sweeps_result *result, struct tare_err *err)
{
    enum store_mode mode = args->resume ? STORE_WRITE : STORE_CREATE;
    struct progress progress;
    struct sweeps_options options = {
        .version = TARE_VERSION,
        .command = command,
        .progress = show_progress,
        .progress_data = &progress,
        .profile = args->profile,
        .skip_limits = !args->peaks,
    };
    bool is_new = !file_exists(output);
    struct store *store = NULL;
    struct buf text = BUF_INIT;
    enum tare_status status = store_open(output, mode, &store, err);

    if (status == TARE_OK && args->resume)
        status = load_interrupted(store, study, &options, err);
    if (status == TARE_OK)
        status = bench_export_models(study, args->models, output, args->quiet, err);
    study_write(study, &text);
    options.study_text = buf_text(&text);
    progress_start(&progress, args->quiet);
    if (status == TARE_OK)
        status = buf_status(&text, "a study", err);
    if (status == TARE_OK)
        status = sweeps_run(study, store, &options, result, err);
    progress_end(&progress);
    is_new = is_new && status != TARE_OK && store && holds_nothing(store);
    store_close(store);
    if (is_new)
        (void)unlink(output); /* no empty result file stays behind */
    buf_release(&text);
    return status;
}

static int finish(const struct bench_args *args, char *output, enum tare_status status,
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
    struct bench_args args;
    struct options_result parsed;
    struct sweeps_result result = {0};
    struct tare_err err = TARE_ERR_INIT;
    struct study study = {0};
    struct buf command = BUF_INIT;
    char output[FILE_MAX_PATH];
    enum tare_status status;
    int exit_code;

    bench_args_init(&args);
    command_join(argc, argv, &command);
    if (!command_parse(bench_options, &bench_usage, argc, argv, &args, &parsed, &exit_code)) {
        buf_release(&command);
        return exit_code;
    }
    default_output(output, sizeof(output));
    if (args.output || args.resume)
        (void)snprintf(output, sizeof(output), "%s", args.resume ? args.resume : args.output);
    if (parsed.operand_count > (args.resume ? 0 : 1) ||
        (parsed.operand_count == 0 && !args.resume && !args.runtime)) {
        buf_release(&command);
        return command_usage(argv[0], "need one study or model, or --resume, got %zu",
                             parsed.operand_count);
    }
    status = args.resume ? bench_check_resume(&args, &err)
                         : bench_make_study(&args, parsed.operand_count ? parsed.operands[0] : NULL,
                                            &study, &err);
    if (status == TARE_OK)
        status = run_study(&args, &study, output, buf_text(&command), &result, &err);
    exit_code = status != TARE_OK && result.run_id == 0 && status != TARE_STOPPED
                    ? command_fail(argv[0], &err)
                    : finish(&args, output, status, &result, &err);
    study_release(&study);
    buf_release(&command);
    return command_finish(argv[0], exit_code);
}
