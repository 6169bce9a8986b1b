/* cmd_report.c - tare report: result files in, a ledger on the terminal and in files out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cmd/command.h"
#include "report/report.h"
#include "report/report_explain.h"
#include "report/report_profile.h"

#define MAX_FILES 16

struct args {
    const char *html, *svg, *csv, *explain, *profile;
    bool json;
    int64_t run, resamples;
    double within;
};

#define AT(member) .offset = offsetof(struct args, member)

static const struct option_info table[] = {
    {.kind = OPTION_TEXT,
     .name = "output",
     .letter = 'o',
     .value = "FILE.html",
     .help = "also write one self-contained HTML page",
     AT(html)},
    {.kind = OPTION_TEXT,
     .name = "svg",
     .value = "FILE",
     .help = "also write the waterfall as a picture",
     AT(svg)},
    {.kind = OPTION_TEXT,
     .name = "csv",
     .value = "FILE",
     .help = "also write a row a cell and a row a line of the ledger; - is standard output",
     AT(csv)},
    {.kind = OPTION_FLAG, .name = "json", .help = "print JSON instead of the text", AT(json)},
    {.kind = OPTION_TEXT,
     .name = "explain",
     .value = "CELL",
     .help = "print all that stands behind one cell instead, with the arithmetic of its lines",
     AT(explain)},
    {.kind = OPTION_TEXT,
     .name = "profile",
     .value = "CELL",
     .help = "print where its time goes node by node instead, if tare bench --profile timed them",
     AT(profile)},
    {.kind = OPTION_NUMBER,
     .name = "within",
     .value = "AP",
     .help = "points of AP that the fastest cell may lose",
     .fallback = "1",
     .min = 0,
     .max = 100,
     AT(within)},
    {.kind = OPTION_INT,
     .name = "run",
     .value = "N",
     .help = "run of the files",
     .fallback = "the last",
     .min = 0,
     .max = 1e9,
     AT(run)},
    {.kind = OPTION_INT,
     .name = "resamples",
     .value = "N",
     .help = "of the AP intervals' bootstrap; 0 leaves them out",
     .fallback = "1000",
     .min = 0,
     .max = 100000,
     AT(resamples)},
    {0},
};

static const struct options_usage usage = {
    .command = "report",
    .operands = "RUN.db [MORE.db ...]",
    .summary = "print the ledger of result files: taxes, gains, accuracy, and what to pick",
};

struct reports {
    struct store *stores[MAX_FILES];
    struct ledger ledgers[MAX_FILES];
    const struct ledger *items[MAX_FILES];
    size_t count;
};

static void release(struct reports *reports)
{
    for (size_t i = 0; i < reports->count; i++) {
        ledger_release(&reports->ledgers[i]);
        store_close(reports->stores[i]);
    }
    free(reports);
}

static enum tare_status read_files(struct reports *reports, const struct args *args,
                                   const struct options_result *files, struct tare_err *err)
{
    const struct ledger_options options = {
        .run_id = args->run,
        .ap_allowed = args->within > 0 ? args->within / 100 : 1e-9,
        .ap_resamples = args->resamples ? (int)args->resamples : -1,
    };
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < files->operand_count && status == TARE_OK; i++) {
        status = store_open(files->operands[i], STORE_READ, &reports->stores[i], err);
        if (status != TARE_OK)
            break;
        reports->count = i + 1;
        status = ledger_build(reports->stores[i], &options, &reports->ledgers[i], err);
        reports->items[i] = &reports->ledgers[i];
    }
    return status;
}

static enum tare_status write_out(const char *path, struct buf *out, enum tare_status status,
                                  struct tare_err *err)
{
    if (status == TARE_OK)
        status = file_write(path, out->data, out->size, err);
    buf_release(out);
    return status;
}

static enum tare_status write_files(const struct report_set *set, const struct args *args,
                                    struct tare_err *err)
{
    struct buf out = BUF_INIT;
    enum tare_status status = TARE_OK;

    if (args->html)
        status = write_out(args->html, &out, report_html(set, &out, err), err);
    if (status == TARE_OK && args->svg)
        status = write_out(args->svg, &out, report_svg(set->items[0], &out, err), err);
    if (status == TARE_OK && args->csv)
        status = write_out(args->csv, &out, report_csv(set, &out, err), err);
    return status;
}

static bool wants_colour(void)
{
    const char *none = getenv("NO_COLOR"), *terminal = getenv("TERM");

    return isatty(STDOUT_FILENO) && !(none && *none) && terminal && strcmp(terminal, "dumb") != 0;
}

static enum tare_status explain(const struct reports *reports, const struct args *args,
                                struct tare_err *err)
{
    struct explain explain = {0};
    struct buf out = BUF_INIT;
    size_t cell;
    enum tare_status status = explain_find(&reports->ledgers[0], args->explain, &cell, err);

    if (status == TARE_OK)
        status = explain_build(reports->stores[0], &reports->ledgers[0], cell, &explain, err);
    if (status == TARE_OK)
        status = args->json ? report_explain_json(&explain, &out, err)
                            : report_explain(&explain, &out, err);
    if (status == TARE_OK)
        (void)fwrite(out.data, 1, out.size, stdout); /* command_finish() sees what fails */
    explain_release(&explain);
    buf_release(&out);
    return status;
}

static enum tare_status profile(const struct reports *reports, const struct args *args,
                                struct tare_err *err)
{
    const struct ledger *ledger = &reports->ledgers[0];
    struct profile profile = {0};
    struct buf out = BUF_INIT;
    size_t cell;
    enum tare_status status = explain_find(ledger, args->profile, &cell, err);

    if (status == TARE_OK)
        status = profile_read(reports->stores[0], ledger, cell, &profile, err);
    if (status == TARE_OK)
        status = args->json ? report_profile_json(ledger, cell, &profile, &out, err)
                            : report_profile(ledger, cell, &profile, &out, err);
    if (status == TARE_OK)
        (void)fwrite(out.data, 1, out.size, stdout); /* command_finish() sees what fails */
    profile_release(&profile);
    buf_release(&out);
    return status;
}

static enum tare_status print(const struct report_set *set, const struct args *args,
                              struct tare_err *err)
{
    struct buf out = BUF_INIT;
    enum tare_status status;

    if (args->csv && strcmp(args->csv, "-") == 0)
        return TARE_OK; /* it went to standard output already */
    status = args->json ? report_json(set, &out, err) : report_text(set, wants_colour(), &out, err);
    if (status == TARE_OK)
        (void)fwrite(out.data, 1, out.size, stdout); /* command_finish() sees what fails */
    buf_release(&out);
    return status;
}

int cmd_report(int argc, char **argv)
{
    struct args args = {.within = 1, .resamples = 1000};
    struct options_result files;
    struct tare_err err = TARE_ERR_INIT;
    struct reports *reports;
    struct report_set set;
    enum tare_status status;
    int code = EXIT_OK;

    if (!command_parse(table, &usage, argc, argv, &args, &files, &code))
        return code;
    if (files.operand_count == 0)
        return command_usage("report", "no result file given");
    if (files.operand_count > MAX_FILES)
        return command_usage("report", "%zu result files, at most %d fit", files.operand_count,
                             MAX_FILES);
    if ((args.explain || args.profile) && files.operand_count > 1)
        return command_usage("report", "'--%s' takes one result file",
                             args.explain ? "explain" : "profile");
    if (args.explain && args.profile)
        return command_usage("report", "'--explain' and '--profile' do not go together");
    reports = calloc(1, sizeof(*reports));
    if (!reports) {
        (void)tare_fail(&err, TARE_NOMEM, "out of memory");
        return command_fail("report", &err);
    }
    status = read_files(reports, &args, &files, &err);
    set = (struct report_set){reports->items, reports->count};
    if (status == TARE_OK)
        status = write_files(&set, &args, &err);
    if (status == TARE_OK)
        status = args.explain   ? explain(reports, &args, &err)
                 : args.profile ? profile(reports, &args, &err)
                                : print(&set, &args, &err);
    release(reports);
    if (status != TARE_OK)
        return command_fail("report", &err);
    return command_finish("report", EXIT_OK);
}
