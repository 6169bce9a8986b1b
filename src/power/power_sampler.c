/* power_sampler.c - a thread that reads a source while something else runs. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "power/power.h"

#define FIRST_ROOM 256

struct power_sampler {
    struct power_sampler_options options;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop; /* under the lock */
    struct power_trace trace;
    size_t room, state_room;
    int64_t last, last_ns; /* the reading before, kept or not, and when its call began */
    bool changed;          /* it was a change */
    bool any;
};

/* --- what is kept --- */

static bool grow(void *array, size_t room, size_t item_bytes)
{
    void *now, *grown;

    memcpy(&now, array, sizeof(now));
    grown = realloc(now, room * item_bytes);
    if (grown)
        memcpy(array, &grown, sizeof(grown));
    return grown != NULL;
}

static bool make_room(struct power_sampler *s)
{
    size_t room = s->room ? 2 * s->room : FIRST_ROOM;

    if (s->trace.count < s->room)
        return true;
    if (s->room >= POWER_MAX_READS || !grow(&s->trace.at_ns, room, sizeof(int64_t)) ||
        !grow(&s->trace.value, room, sizeof(int64_t)) ||
        !grow(&s->trace.slack_ns, room, sizeof(int64_t)))
        return false;
    s->room = room;
    return true;
}

/* The moment of a reading is the middle of the call; a counter is kept where it has changed. */
static void take_reading(struct power_sampler *s)
{
    int64_t begun = clock_now_ns(), ended, value = 0;

    if (s->trace.failure.status != TARE_OK ||
        s->options.source->read(s->options.source->self, &value, &s->trace.failure) != TARE_OK)
        return;
    ended = clock_now_ns();
    s->changed = !s->any || value != s->last;
    if ((s->trace.kind == POWER_READINGS || s->changed) && make_room(s)) {
        s->trace.at_ns[s->trace.count] = begun + (ended - begun) / 2;
        s->trace.value[s->trace.count] = value;
        s->trace.slack_ns[s->trace.count++] = s->any ? ended - s->last_ns : 0;
    }
    s->last = value;
    s->last_ns = begun;
    s->any = true;
}

static void take_state(struct power_sampler *s)
{
    size_t room = s->state_room ? 2 * s->state_room : FIRST_ROOM;
    struct power_state *state;

    if (s->trace.state_count == s->state_room) {
        if (s->state_room >= POWER_MAX_READS || !grow(&s->trace.states, room, sizeof(*state)))
            return;
        s->state_room = room;
    }
    state = &s->trace.states[s->trace.state_count++];
    *state = (struct power_state){
        .at_ns = clock_now_ns(),
        .sm_clock_hz = POWER_UNKNOWN,
        .memory_clock_hz = POWER_UNKNOWN,
        .temperature_mc = POWER_UNKNOWN,
        .power_mw = POWER_UNKNOWN,
        .reasons = POWER_UNKNOWN,
    };
    s->options.source->state(s->options.source->self, state);
}

/* --- the thread --- */

static struct timespec moment(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

static void *sample(void *data)
{
    struct power_sampler *s = data;
    const int64_t steps[] = {s->options.step_ns, s->options.state_step_ns};
    int64_t rest = s->trace.kind == POWER_COUNTER ? s->options.rest_ns : 0;
    int64_t due[] = {steps[0] ? 0 : INT64_MAX, steps[1] ? 0 : INT64_MAX};

    for (;;) {
        int64_t now = clock_now_ns();
        struct timespec until;
        bool stop;

        for (int k = 0; k < 2; k++) {
            if (now < due[k])
                continue;
            if (k == 0)
                take_reading(s);
            else
                take_state(s);
            due[k] = now + (k == 0 && s->changed && rest > steps[0] ? rest : steps[k]);
        }
        until = moment(due[0] < due[1] ? due[0] : due[1]);
        (void)pthread_mutex_lock(&s->lock);
        while (!s->stop && pthread_cond_timedwait(&s->wake, &s->lock, &until) != ETIMEDOUT)
            continue;
        stop = s->stop;
        (void)pthread_mutex_unlock(&s->lock);
        if (stop)
            break;
    }
    if (steps[0])
        take_reading(s);
    if (steps[1])
        take_state(s);
    return NULL;
}

/* All but its trace. */
static void release(struct power_sampler *s)
{
    (void)pthread_cond_destroy(&s->wake);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

enum tare_status power_sampler_start(const struct power_sampler_options *options,
                                     struct power_sampler **sampler, struct tare_err *err)
{
    struct power_sampler *s = calloc(1, sizeof(*s));
    pthread_condattr_t clock;
    int code;

    *sampler = NULL;
    if (!s)
        return tare_fail(err, TARE_NOMEM, "out of memory for a power sampler");
    s->options = *options;
    s->trace.kind = options->source->kind;
    if (!options->source->read)
        s->options.step_ns = 0;
    if (!options->source->state)
        s->options.state_step_ns = 0;
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->wake, &clock);
    (void)pthread_condattr_destroy(&clock);
    code = pthread_create(&s->thread, NULL, sample, s);
    if (code != 0) {
        release(s);
        return tare_fail(err, TARE_FAILED, "cannot start a power sampler: %s", strerror(code));
    }
    *sampler = s;
    return TARE_OK;
}

void power_sampler_stop(struct power_sampler *s, struct power_trace *trace)
{
    *trace = (struct power_trace){0};
    if (!s)
        return;
    (void)pthread_mutex_lock(&s->lock);
    s->stop = true;
    (void)pthread_cond_signal(&s->wake);
    (void)pthread_mutex_unlock(&s->lock);
    (void)pthread_join(s->thread, NULL);
    *trace = s->trace;
    release(s);
}
