#include "cmd/trust_print.h"

#include <math.h>
#include <time.h>

#include "base/file.h"
#include "base/json_write.h"

/* What the long study must hold. */
#define MIN_COVERAGE 0.90
#define MAX_WRONG    0.05
#define MIN_FOUND    0.95
#define FOUND_OF     0.05 /* the planted share that MIN_FOUND speaks of */
#define MAX_FACTOR   1.5

static double percent(double ratio)
{
    return 100 * (ratio - 1);
}

/* --- one repetition -----------------------------------------------------------------------------
 */

static const char *verdict(const struct trust_line *line)
{
    if (line->kind == TRUST_SAME)
        return trust_called(line) ? "called different, wrongly" : "not called different";
    if (line->kind == TRUST_PLANTED)
        return trust_called(line) ? "found" : "not found";
    return line->slower ? "slower" : line->faster ? "faster" : "not separable";
}

void trust_print(const struct trust_result *result, struct buf *out)
{
    char text[400];

    trust_describe(result, text, sizeof(text));
    buf_printf(out, "  %-20s slower %% [95 %%]\n", "work");
    for (size_t i = 0; i < result->line_count; i++) {
        const struct trust_line *line = &result->lines[i];

        buf_printf(out, "  %-20s %+7.2f  [%+.2f, %+.2f]  %s\n", line->name, percent(line->ratio),
                   percent(line->low), percent(line->high), verdict(line));
    }
    buf_printf(out, "\n%s\n", text);
}

/* --- a study ------------------------------------------------------------------------------------
 */

static void put_time(struct buf *out, int64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / 1000000000);
    struct tm parts;
    char text[64] = "";

    if (gmtime_r(&seconds, &parts))
        (void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &parts);
    buf_append_text(out, text);
}

static void put_repetition(struct buf *out, size_t number, const struct trust_result *result,
                           const struct trust_summary *summary)
{
    buf_printf(out, "%4zu", number);
    for (size_t i = 0; i < result->line_count; i++) {
        const struct trust_line *line = &result->lines[i];
        bool covers = trust_covers(line, summary->long_run[i]);

        buf_printf(out, "  %+7.2f ±%5.2f%c%c", 100 * log(line->ratio),
                   100 * log(line->high / line->ratio), trust_called(line) ? '*' : ' ',
                   covers ? ' ' : '!');
    }
    buf_printf(out, "%7.2f\n", 100 * result->detectable);
}

static void put_count(struct buf *out, const char *what, const struct trust_count *count,
                      const char *bound, bool held)
{
    if (count->tries == 0)
        return;
    buf_printf(out, "  %-50s %4zu of %-4zu %6.1f %% [%.1f, %.1f]", what, count->hits, count->tries,
               100.0 * (double)count->hits / (double)count->tries, 100 * count->low,
               100 * count->high);
    if (bound)
        buf_printf(out, "  %s: %s", bound, held ? "held" : "NOT HELD");
    buf_append_char(out, '\n');
}

static bool at_least(const struct trust_count *count, double share)
{
    return (double)count->hits >= share * (double)count->tries;
}

static void put_summary(struct buf *out, const struct trust_report *report)
{
    const struct trust_summary *s = report->summary;
    const struct trust_result *first = &report->repetitions[0];

    put_count(out, "intervals that hold the truth, planted", &s->known, ">= 90 %",
              at_least(&s->known, MIN_COVERAGE));
    put_count(out, "intervals that hold the long-run value, real", &s->real, ">= 90 %",
              at_least(&s->real, MIN_COVERAGE));
    put_count(out, "the same, each line's alone, planted", &s->known_alone, NULL, true);
    put_count(out, "the same, each line's alone, real", &s->real_alone, NULL, true);
    put_count(out, "identical cells called different", &s->wrong, "<= 5 %",
              (double)s->wrong.hits <= MAX_WRONG * (double)s->wrong.tries);
    for (size_t i = 0; i < first->line_count; i++) {
        char what[64];

        if (first->lines[i].kind != TRUST_PLANTED)
            continue;
        (void)snprintf(what, sizeof(what), "%s work is called slower", first->lines[i].name);
        put_count(out, what, &s->found[i], first->lines[i].planted >= FOUND_OF ? ">= 95 %" : NULL,
                  at_least(&s->found[i], MIN_FOUND));
    }
    buf_printf(out,
               "  detectable slow-down: printed %.2f %%, true %.2f %%, apart by a factor of %.2f  "
               "<= 1.5: %s\n",
               100 * s->printed, 100 * s->detectable, s->factor,
               s->factor <= MAX_FACTOR ? "held" : "NOT HELD");
}

void trust_print_study(const struct trust_report *report, struct buf *out)
{
    const struct trust_result *first = &report->repetitions[0];

    buf_printf(out, "%zu repetitions of %lld sweeps a study, %.1f min\n%s, ", report->count,
               (long long)first->sweeps, (double)report->wall_ns / 6e10, first->host);
    put_time(out, first->started_wall_ns);
    if (report->count < report->wanted)
        buf_printf(out, "\nstopped before the end: %zu repetitions were asked for", report->wanted);
    buf_append_text(out,
                    "\n\n  100 × log ratio ± half of the 95 % interval; * called, ! misses the "
                    "truth\n\n    ");
    for (size_t i = 0; i < first->line_count; i++)
        buf_printf(out, "  %-16.16s", first->lines[i].name);
    buf_append_text(out, "  sees %\n");
    for (size_t r = 0; r < report->count; r++)
        put_repetition(out, r + 1, &report->repetitions[r], report->summary);
    buf_append_text(out, "true");
    for (size_t i = 0; i < first->line_count; i++)
        buf_printf(out, "  %+7.2f         ", 100 * log(report->summary->long_run[i]));
    buf_append_text(out, "\n\n");
    put_summary(out, report);
}

/* --- JSON ---------------------------------------------------------------------------------------
 */

static void put_line(struct json_writer *w, const struct trust_line *line)
{
    json_open_object(w, NULL);
    json_put_text(w, "name", line->name);
    json_put_number(w, "planted", line->planted);
    json_put_number(w, "ratio", line->ratio);
    json_put_number(w, "low", line->low);
    json_put_number(w, "high", line->high);
    json_put_number(w, "log_error", line->log_error);
    json_put_number(w, "df", line->log_df);
    json_put_number(w, "detectable", line->detectable);
    json_put_text(w, "verdict",
                  line->slower   ? "slower"
                  : line->faster ? "faster"
                                 : "not separable");
    json_put_bool(w, "found", trust_called(line));
    json_close_object(w);
}

static void put_result(struct json_writer *w, const char *key, const struct trust_result *result)
{
    json_open_object(w, key);
    json_put_number(w, "detectable", result->detectable);
    json_put_int(w, "sweeps", result->sweeps);
    json_put_int(w, "started_ns", result->started_wall_ns);
    json_put_int(w, "wall_ns", result->wall_ns);
    json_open_array(w, "lines");
    for (size_t i = 0; i < result->line_count; i++)
        put_line(w, &result->lines[i]);
    json_close_array(w);
    json_close_object(w);
}

void trust_print_json(const struct trust_result *result, struct buf *out)
{
    struct json_writer w;

    json_start(&w, out, true);
    put_result(&w, NULL, result);
}

static void put_count_json(struct json_writer *w, const char *key, const struct trust_count *count)
{
    json_open_object(w, key);
    json_put_int(w, "hits", (int64_t)count->hits);
    json_put_int(w, "tries", (int64_t)count->tries);
    json_put_number(w, "low", count->low);
    json_put_number(w, "high", count->high);
    json_close_object(w);
}

static void put_summary_json(struct json_writer *w, const struct trust_report *report)
{
    const struct trust_result *first = &report->repetitions[0];
    const struct trust_summary *s = report->summary;

    json_open_object(w, "summary");
    put_count_json(w, "covered", &s->both);
    put_count_json(w, "covered_planted", &s->known);
    put_count_json(w, "covered_real", &s->real);
    put_count_json(w, "covered_planted_alone", &s->known_alone);
    put_count_json(w, "covered_real_alone", &s->real_alone);
    put_count_json(w, "same_called_different", &s->wrong);
    json_open_object(w, "found");
    for (size_t i = 0; i < first->line_count; i++)
        if (first->lines[i].kind == TRUST_PLANTED)
            put_count_json(w, first->lines[i].name, &s->found[i]);
    json_close_object(w);
    json_open_object(w, "long_run");
    for (size_t i = 0; i < first->line_count; i++)
        json_put_number(w, first->lines[i].name, s->long_run[i]);
    json_close_object(w);
    json_put_number(w, "detectable_printed", s->printed);
    json_put_number(w, "detectable_true", s->detectable);
    json_put_number(w, "detectable_factor", s->factor);
    json_close_object(w);
}

void trust_print_study_json(const struct trust_report *report, struct buf *out)
{
    const struct trust_result *first = &report->repetitions[0];
    struct json_writer w;

    json_start(&w, out, true);
    json_open_object(&w, NULL);
    json_put_text(&w, "host", first->host);
    json_put_text(&w, "model", report->model ? file_base_name(report->model) : NULL);
    json_put_text(&w, "other", report->other ? file_base_name(report->other) : NULL);
    json_put_int(&w, "started_ns", first->started_wall_ns);
    json_put_int(&w, "wall_ns", report->wall_ns);
    json_put_int(&w, "wanted", (int64_t)report->wanted);
    put_summary_json(&w, report);
    json_open_array(&w, "repetitions");
    for (size_t r = 0; r < report->count; r++)
        put_result(&w, NULL, &report->repetitions[r]);
    json_close_array(&w);
    json_close_object(&w);
}
