#include "power/power.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_CHANGES 5

const char *power_kind_name(enum power_kind kind)
{
    return kind == POWER_COUNTER ? "counter" : "power";
}

const char *power_scope_name(enum power_scope scope)
{
    static const char *const names[] = {"board", "module", "package"};

    return names[scope];
}

/* The bits are NVML's clocks event reasons; a source with other ones gives them in these places. */
static const struct {
    const char *name;
    bool slower; /* than the device would be, had it enough power and air */
} reasons_known[] = {
    {"idle", false},       {"application_clocks", false}, {"sw_power_cap", true},
    {"hw_slowdown", true}, {"sync_boost", false},         {"sw_thermal", true},
    {"hw_thermal", true},  {"hw_power_brake", true},      {"display_clocks", false},
};

#define REASONS_KNOWN ((int)(sizeof(reasons_known) / sizeof(reasons_known[0])))

const char *power_reason_name(int bit)
{
    return bit >= 0 && bit < REASONS_KNOWN ? reasons_known[bit].name : NULL;
}

bool power_throttled(int64_t reasons)
{
    for (int bit = 0; bit < REASONS_KNOWN && reasons > 0; bit++)
        if (reasons_known[bit].slower && (reasons >> bit & 1))
            return true;
    return false;
}

void power_put_reasons(int64_t reasons, char *text, size_t text_bytes)
{
    size_t used = 0;

    text[0] = '\0';
    for (int bit = 0; bit < REASONS_KNOWN && reasons > 0; bit++) {
        int written;

        if (!reasons_known[bit].slower || !(reasons >> bit & 1))
            continue;
        written = snprintf(text + used, text_bytes - used, "%s%s", used ? " " : "",
                           reasons_known[bit].name);
        if (written < 0 || (size_t)written >= text_bytes - used)
            return;
        used += (size_t)written;
    }
}

void power_trace_release(struct power_trace *trace)
{
    free(trace->at_ns);
    free(trace->value);
    free(trace->slack_ns);
    free(trace->states);
    *trace = (struct power_trace){0};
}

static int compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

int64_t power_period_ns(const struct power_trace *trace)
{
    int64_t *steps = calloc(trace->count + 1, sizeof(*steps)), median = 0, before = -1;
    size_t count = 0;

    if (!steps)
        return 0;
    for (size_t i = 1; i < trace->count; i++) {
        if (trace->value[i] == trace->value[i - 1])
            continue;
        if (before >= 0)
            steps[count++] = trace->at_ns[i] - before;
        before = trace->at_ns[i];
    }
    qsort(steps, count, sizeof(*steps), compare);
    if (count >= LEAST_CHANGES - 1)
        median = steps[count / 2];
    free(steps);
    return median;
}

static enum tare_status counted(const struct power_trace *trace, size_t first, size_t last,
                                struct power_mean *mean, struct tare_err *err)
{
    double mj = (double)(trace->value[last] - trace->value[first]);
    double ns = (double)(trace->at_ns[last] - trace->at_ns[first]);

    for (size_t i = first + 1; i <= last; i++)
        if (trace->value[i] < trace->value[i - 1])
            return tare_fail(err, TARE_BADDATA,
                             "the energy counter went backwards: %lld after %lld mJ",
                             (long long)trace->value[i], (long long)trace->value[i - 1]);
    if (mj <= 0 || ns <= 0)
        return tare_fail(err, TARE_BADDATA, "the energy counter stood still");
    mean->mw = mj / ns * 1e9;
    mean->resolution = (double)(trace->slack_ns[first] + trace->slack_ns[last]) / ns + 1.0 / mj;
    return TARE_OK;
}

static enum tare_status integrated(const struct power_trace *trace, size_t first, size_t last,
                                   struct power_mean *mean, struct tare_err *err)
{
    double area = 0, ns = (double)(trace->at_ns[last] - trace->at_ns[first]);

    for (size_t i = first + 1; i <= last; i++)
        area += (double)(trace->at_ns[i] - trace->at_ns[i - 1]) *
                ((double)trace->value[i] + (double)trace->value[i - 1]) / 2;
    if (area <= 0 || ns <= 0)
        return tare_fail(err, TARE_BADDATA, "the power sensor reads 0");
    mean->mw = area / ns;
    mean->resolution = (double)(trace->slack_ns[first] + trace->slack_ns[last]) / ns;
    return TARE_OK;
}

enum tare_status power_mean_of(const struct power_trace *trace, int64_t from_ns, int64_t to_ns,
                               size_t least, struct power_mean *mean, struct tare_err *err)
{
    size_t first = trace->kind == POWER_COUNTER, last = trace->count; /* the first is no change */

    memset(mean, 0, sizeof(*mean));
    while (first < trace->count && trace->at_ns[first] < from_ns)
        first++;
    while (last > first && trace->at_ns[last - 1] > to_ns)
        last--;
    mean->readings = last > first ? last - first : 0;
    if (mean->readings < least || mean->readings < 2) {
        if (trace->failure.status != TARE_OK)
            return tare_fail(err, trace->failure.status, "%s", trace->failure.text);
        return tare_fail(err, TARE_ABSENT, "the sensor changed %zu times in %.2f s, %zu are needed",
                         mean->readings, (double)(to_ns - from_ns) / 1e9, least);
    }
    mean->from_ns = trace->at_ns[first];
    mean->to_ns = trace->at_ns[last - 1];
    return trace->kind == POWER_COUNTER ? counted(trace, first, last - 1, mean, err)
                                        : integrated(trace, first, last - 1, mean, err);
}
