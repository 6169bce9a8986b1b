/* energy_device.c - what a device's energy is measured with, and the device without a cell. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/stop.h"
#include "measure/energy.h"
#include "measure/gpu.h"

#define PROBE_NS       ((int64_t)2000 * 1000000) /* in which the period shows itself */
#define PROBE_STEP_NS  ((int64_t)1 * 1000000)
#define LEAST_VISIT_NS ((int64_t)2000 * 1000000)
#define MOST_VISIT_NS  ((int64_t)60000 * 1000000)
#define SETTLE_NS      ((int64_t)3000 * 1000000)
#define UNSEEN_NS      ((int64_t)1000 * 1000000) /* a power that is a mean over a second */
#define TREE_MAX       256

enum tare_status energy_wait(int64_t ns, struct tare_err *err)
{
    int64_t end = clock_now_ns() + ns, left;

    while ((left = end - clock_now_ns()) > 0) {
        if (stop_requested())
            return tare_fail(err, TARE_STOPPED, "stopped");
        (void)poll(NULL, 0, left > 50000000 ? 50 : (int)(left / 1000000) + 1);
    }
    return TARE_OK;
}

int64_t energy_settle_ns(const struct energy_device *device)
{
    return SETTLE_NS < device->visit_ns ? SETTLE_NS : device->visit_ns;
}

/* A counter's changes within one period may still speak of what was before; a power may be a mean
 * over its last second. Short spans, which are tests', give at most a quarter. */
int64_t energy_lead_ns(const struct energy_device *device, int64_t span_ns)
{
    int64_t lead = device->period_ns;

    if (device->source.kind == POWER_READINGS && lead < UNSEEN_NS)
        lead = UNSEEN_NS;
    return lead < span_ns / 4 ? lead : span_ns / 4;
}

int64_t energy_others(const struct energy_device *device, pid_t pid)
{
    int64_t pids[POWER_MAX_PIDS], others;
    pid_t tree[TREE_MAX];
    size_t count = 0, known = pid ? process_tree(pid, tree, TREE_MAX) : 0, own = 0;

    if (!device->source.processes ||
        device->source.processes(device->source.self, pids, &count, NULL) != TARE_OK)
        return -1;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < known; k++)
            if (pids[i] == tree[k]) {
                own++;
                break;
            }
    others = (int64_t)(count - own);
    /* In a container the driver's numbers are the host's: then the one that came is ours. */
    if (pid && own == 0 && others > 0 && device->strangers == 0)
        others--;
    return others;
}

/* --- which source --- */

static enum tare_status look_at_period(struct energy_device *device, struct tare_err *failure,
                                       struct tare_err *err)
{
    const struct power_sampler_options options = {.source = &device->source,
                                                  .step_ns = PROBE_STEP_NS};
    struct power_sampler *sampler;
    struct power_trace trace;
    struct power_mean mean;
    int64_t begun = clock_now_ns();
    enum tare_status status = power_sampler_start(&options, &sampler, err);

    if (status == TARE_OK)
        status = energy_wait(PROBE_NS, err);
    power_sampler_stop(sampler, &trace);
    if (status == TARE_OK &&
        power_mean_of(&trace, begun, clock_now_ns(), 2, &mean, failure) == TARE_OK)
        device->period_ns = power_period_ns(&trace);
    power_trace_release(&trace);
    return status;
}

/* The counter, and where it cannot be read or stands still, the power. */
static enum tare_status choose(struct energy_device *device, struct tare_err *err)
{
    enum power_kind kinds[] = {POWER_COUNTER, POWER_READINGS};
    char first[200] = "";

    for (size_t k = 0; k < 2; k++) {
        struct tare_err failure = TARE_ERR_INIT;

        device->period_ns = 0;
        if (nvml_source(device->gpu->nvml, kinds[k], &device->source, &failure) == TARE_OK &&
            look_at_period(device, &failure, err) != TARE_OK)
            return err->status;
        if (failure.status == TARE_OK)
            return TARE_OK;
        if (k == 0)
            (void)snprintf(first, sizeof(first), "%.190s", failure.text);
        else
            (void)tare_fail(&device->why, failure.status, "%s; %s", first, failure.text);
    }
    return TARE_OK;
}

static int64_t within(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static enum tare_status put(struct sweeps *s, const struct energy_device *device, const char *name,
                            const char *value, struct tare_err *err)
{
    char key[80];

    (void)snprintf(key, sizeof(key), "energy.%s.%s", device->gpu->device, name);
    return store_put_fact(s->store, s->result->run_id, key, value, err);
}

static enum tare_status put_number(struct sweeps *s, const struct energy_device *device,
                                   const char *name, int64_t value, struct tare_err *err)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    return put(s, device, name, text, err);
}

static enum tare_status record(struct sweeps *s, const struct energy_device *device,
                               struct tare_err *err)
{
    const struct power_source *source = &device->source;
    enum tare_status status;

    if (device->why.status != TARE_OK)
        return put(s, device, "why", device->why.text, err);
    status = put(s, device, "why", "", err); /* an earlier process of the run may have had one */
    if (status == TARE_OK)
        status = put(s, device, "source", source->name, err);
    if (status == TARE_OK)
        status = put(s, device, "sensor", source->device, err);
    if (status == TARE_OK)
        status = put(s, device, "kind", power_kind_name(source->kind), err);
    if (status == TARE_OK)
        status = put(s, device, "scope", power_scope_name(source->scope), err);
    if (status == TARE_OK)
        status = put_number(s, device, "period_ns", device->period_ns, err);
    if (status == TARE_OK)
        status = put_number(s, device, "visit_ns", device->visit_ns, err);
    if (status == TARE_OK && source->stand_in)
        status = put(s, device, "stand_in", "yes", err);
    return status;
}

enum tare_status energy_prepare(struct sweeps *s, struct energy_device *device,
                                struct tare_err *err)
{
    int64_t wanted = s->study->energy_ns, period;
    enum tare_status status = TARE_OK;

    if (!device->gpu->nvml)
        (void)tare_fail(&device->why, device->gpu->why.status, "%s", device->gpu->why.text);
    else
        status = choose(device, err);
    if (status != TARE_OK)
        return status;
    period = device->period_ns ? device->period_ns : UNSEEN_NS;
    if (wanted == 0)
        wanted = energy_fit_ns(s, within(ENERGY_PERIODS * period, LEAST_VISIT_NS, MOST_VISIT_NS),
                               within(ENERGY_FEWEST * period, LEAST_VISIT_NS, MOST_VISIT_NS));
    device->visit_ns = wanted;
    device->step_ns = device->source.kind == POWER_COUNTER ? within(period / 20, 1000000, 10000000)
                                                           : within(period / 5, 5000000, 100000000);
    device->rest_ns = device->period_ns * 3 / 4;
    device->strangers = -1;
    if (device->why.status != TARE_OK)
        log_warn("no energy of '%s': %s", device->gpu->device, device->why.text);
    return record(s, device, err);
}

/* --- without a cell --- */

static void put_values(struct json_writer *w, const char *key, const int64_t *values, size_t count,
                       int64_t less)
{
    json_open_array(w, key);
    for (size_t i = 0; i < count; i++)
        json_put_int(w, NULL, values[i] - less);
    json_close_array(w);
}

static enum tare_status put_window(struct sweeps *s, const struct energy_device *device,
                                   const char *what, const struct power_trace *trace,
                                   int64_t begun_ns, const int64_t span_ns[3], int64_t others,
                                   struct tare_err *err)
{
    int64_t first = trace->kind == POWER_COUNTER && trace->count > 0 ? trace->value[0] : 0;
    struct buf text = BUF_INIT;
    struct json_writer w;
    enum tare_status status;
    char name[80];

    json_start(&w, &text, false);
    json_open_object(&w, NULL);
    json_put_text(&w, "kind", power_kind_name(trace->kind));
    json_put_int(&w, "others", others);
    put_values(&w, "span", span_ns, 3, 0);
    put_values(&w, "at", trace->at_ns, trace->count, begun_ns);
    put_values(&w, "read", trace->value, trace->count, first);
    put_values(&w, "slack", trace->slack_ns, trace->count, 0);
    json_close_object(&w);
    (void)snprintf(name, sizeof(name), "energy.%s.%s.%lld", device->gpu->device, what,
                   (long long)device->windows);
    status = buf_status(&text, "a baseline", err);
    if (status == TARE_OK)
        status =
            store_put_document(s->store, s->result->run_id, name, buf_text(&text), text.size, err);
    buf_release(&text);
    return status;
}

static enum tare_status measure_window(struct sweeps *s, const struct energy_device *device,
                                       const char *what, pid_t pid, struct tare_err *err)
{
    const struct power_sampler_options options = {
        .source = &device->source, .step_ns = device->step_ns, .rest_ns = device->rest_ns};
    struct power_sampler *sampler;
    struct power_trace trace;
    int64_t begun, span[3] = {0};
    enum tare_status status = energy_wait(energy_settle_ns(device), err);

    if (status == TARE_OK)
        status = power_sampler_start(&options, &sampler, err);
    if (status != TARE_OK)
        return status;
    begun = clock_now_ns();
    status = energy_wait(device->visit_ns, err);
    span[2] = clock_now_ns() - begun;
    span[1] = energy_lead_ns(device, span[2]);
    power_sampler_stop(sampler, &trace);
    if (status == TARE_OK)
        status = put_window(s, device, what, &trace, begun, span, energy_others(device, pid), err);
    power_trace_release(&trace);
    return status;
}

static enum tare_status with_context(struct sweeps *s, struct energy_device *device,
                                     struct tare_err *err)
{
    struct tare_err failure = TARE_ERR_INIT;
    struct crew_member member = {0};
    enum tare_status status = TARE_OK;

    if (crew_start_bare(&member, &s->pictures, device->gpu->device, &failure) == TARE_OK)
        status = measure_window(s, device, "context", member.process.pid, err);
    crew_stop(&member);
    if (failure.status == TARE_STOPPED)
        return tare_fail(err, TARE_STOPPED, "stopped");
    if (status == TARE_OK)
        status = put(s, device, "context_why", failure.text, err);
    return status;
}

/* Windows of an earlier process of the run stay. */
static void count_windows(struct sweeps *s, struct energy_device *device)
{
    char name[80], *text = NULL;
    size_t size;

    for (; device->windows < ENERGY_MAX_WINDOWS; device->windows++) {
        (void)snprintf(name, sizeof(name), "energy.%s.empty.%lld", device->gpu->device,
                       (long long)device->windows);
        if (store_document(s->store, s->result->run_id, name, &text, &size, NULL) != TARE_OK)
            break;
        free(text);
    }
}

enum tare_status energy_baseline(struct sweeps *s, struct energy_device *device, bool context,
                                 struct tare_err *err)
{
    if (context)
        return with_context(s, device, err);
    count_windows(s, device);
    device->strangers = energy_others(device, 0);
    return device->windows < ENERGY_MAX_WINDOWS ? measure_window(s, device, "empty", 0, err)
                                                : TARE_OK;
}
