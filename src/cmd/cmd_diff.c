/* cmd_diff.c - tare diff: has anything become slower between two runs? A gate for CI. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json_write.h"
#include "cmd/command.h"
#include "measure/diff.h"

struct args {
    const char *fail_above;
    bool other_hosts, other_models, json;
};

#define AT(member) .offset = offsetof(struct args, member)

static const struct option_info table[] = {
    {OPTION_TEXT, "fail-above", 0, "PERCENT", "exit with 3 if a cell is slower by more, or is lost",
     NULL, NULL, 0, 0, AT(fail_above)},
    {OPTION_FLAG, "other-hosts", 0, NULL, "compare runs of two machines", NULL, NULL, 0, 0,
     AT(other_hosts)},
    {OPTION_FLAG, "other-models", 0, NULL, "compare runs of other model files", NULL, NULL, 0, 0,
     AT(other_models)},
    {OPTION_FLAG, "json", 0, NULL, "print JSON", NULL, NULL, 0, 0, AT(json)},
    {0},
};

static const struct options_usage usage = {
    "diff", "OLD.db NEW.db", "say what became slower or faster between two runs",
    "Compares the last run of each file, cell by cell. A cell is over the limit if its slow-down "
    "is\n"
    "larger and its 95 % interval (all cells together) excludes no change."};

static const char *judge(const struct diff_cell *cell)
{
    if (cell->over)
        return "over the limit";
    return cell->interval.low > 1 ? "slower" : cell->interval.high < 1 ? "faster" : "not separable";
}

static void print_cell(const struct diff_cell *cell)
{
    const struct ledger_cell *named = cell->old_cell ? cell->old_cell : cell->new_cell;
    const struct ledger_times *old, *new;

    (void)printf("  %-28.28s", named->label);
    if (cell->state != DIFF_COMPARED) {
        const char *why = cell->new_cell ? cell->new_cell->row.reason : "";

        (void)printf("  %s%s%s\n", cell->state == DIFF_LOST ? "no longer measured" : "new",
                     *why ? ": " : "", why);
        return;
    }
    old = ledger_times(cell->old_cell);
    new = ledger_times(cell->new_cell);
    (void)printf("  %9.4g  %9.4g  %+6.1f [%+.1f, %+.1f]", old->p50_ns / 1e6, new->p50_ns / 1e6,
                 100 * (cell->ratio - 1), 100 * (cell->interval.low - 1),
                 100 * (cell->interval.high - 1));
    if (!isnan(cell->ap_change))
        (void)printf("  %+.2f", 100 * cell->ap_change);
    (void)printf("  %s\n", judge(cell));
}

static void print_text(const struct diff *diff, const struct ledger *old, const struct ledger *new)
{
    (void)printf("old: %s, measured on %s\nnew: %s, measured on %s\n\n", old->path, old->host,
                 new->path, new->host);
    (void)printf("  %-28s  %9s  %9s  %s\n", "cell", "old ms", "new ms",
                 "change % [95 %, together]  AP");
    for (size_t i = 0; i < diff->count; i++)
        print_cell(&diff->cells[i]);
}

static void put_cell(struct json_writer *w, const struct diff_cell *cell)
{
    static const char *const states[] = {"compared", "new", "lost"};
    const struct ledger_cell *named = cell->old_cell ? cell->old_cell : cell->new_cell;

    json_open_object(w, NULL);
    json_put_text(w, "key", named->row.key);
    json_put_text(w, "state", states[cell->state]);
    json_put_number(w, "ratio", cell->ratio);
    json_put_number(w, "low", cell->interval.low);
    json_put_number(w, "high", cell->interval.high);
    json_put_number(w, "ap_change", cell->ap_change);
    json_put_bool(w, "over", cell->over);
    json_close_object(w);
}

static enum tare_status print_json(const struct diff *diff, struct tare_err *err)
{
    struct buf out = BUF_INIT;
    struct json_writer w;
    enum tare_status status;

    json_start(&w, &out, true);
    json_open_object(&w, NULL);
    json_put_int(&w, "over", (int64_t)diff->over);
    json_open_array(&w, "cells");
    for (size_t i = 0; i < diff->count; i++)
        put_cell(&w, &diff->cells[i]);
    json_close_array(&w);
    json_close_object(&w);
    status = buf_status(&out, "the comparison", err);
    if (status == TARE_OK)
        (void)puts(buf_text(&out)); /* command_finish() sees what fails */
    buf_release(&out);
    return status;
}

/* Opens a result file and builds the ledger of its last run. */
static enum tare_status load(const char *path, struct store **store, struct ledger *ledger,
                             struct tare_err *err)
{
    const struct ledger_options options = {.ap_resamples = -1};
    enum tare_status status = store_open(path, STORE_READ, store, err);

    return status == TARE_OK ? ledger_build(*store, &options, ledger, err) : status;
}

static enum tare_status run(const struct args *args, char **files,
                            const struct diff_options *options, size_t *over, struct tare_err *err)
{
    struct store *old_store = NULL, *new_store = NULL;
    struct ledger old = {0}, new = {0};
    struct diff diff = {0};
    enum tare_status status = load(files[0], &old_store, &old, err);

    if (status == TARE_OK)
        status = load(files[1], &new_store, &new, err);
    if (status == TARE_OK)
        status = diff_build(old_store, &old, new_store, &new, options, &diff, err);
    if (status == TARE_OK && args->json)
        status = print_json(&diff, err);
    else if (status == TARE_OK)
        print_text(&diff, &old, &new);
    *over = diff.over;
    diff_release(&diff);
    ledger_release(&old);
    ledger_release(&new);
    store_close(old_store);
    store_close(new_store);
    return status;
}

int cmd_diff(int argc, char **argv)
{
    struct args args = {0};
    struct options_result parsed;
    struct diff_options options = {.fail_above = (double)NAN};
    struct tare_err err = TARE_ERR_INIT;
    size_t over = 0;
    int exit_code;

    if (!command_parse(table, &usage, argc, argv, &args, &parsed, &exit_code))
        return exit_code;
    if (parsed.operand_count != 2)
        return command_usage(argv[0], "need two result files, got %zu", parsed.operand_count);
    if (args.fail_above) {
        options.fail_above = options_percent(args.fail_above);
        if (isnan(options.fail_above))
            return command_usage(argv[0], "'--fail-above' is '%s', need a percentage such as 3%%",
                                 args.fail_above);
    }
    options.other_hosts = args.other_hosts;
    options.other_models = args.other_models;
    if (run(&args, parsed.operands, &options, &over, &err) != TARE_OK)
        return command_fail(argv[0], &err);
    if (over)
        (void)fprintf(stderr, "tare diff: %zu cell%s over the limit of %s\n", over,
                      over == 1 ? " is" : "s are", args.fail_above);
    return command_finish(argv[0], over ? EXIT_THRESHOLD : EXIT_OK);
}
