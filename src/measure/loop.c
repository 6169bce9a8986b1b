#include "measure/loop.h"

#include "base/clock.h"

/* Stage times of one run, summed over the batch. */
struct stages {
    int64_t decode, letterbox, infer, boxes, inside, copy_in, copy_out;
};

/* Which of the pictures it was; on the failing path only, so that a good run pays nothing. */
static enum tare_status name_picture(const struct loop_picture *picture, struct tare_err *err)
{
    struct tare_err inner = *err;

    tare_err_clear(err);
    return tare_fail(err, inner.status, "picture '%s': %s", picture->name, inner.text);
}

static enum tare_status load_pictures(const struct loop *loop, int64_t first, struct stages *sum,
                                      struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (int32_t slot = 0; slot < loop->slots && status == TARE_OK; slot++) {
        const struct loop_picture *picture =
            &loop->pictures[(size_t)(first + slot) % loop->picture_count];
        struct family_stages stages = {0, 0, 0};

        status = loop->family->load(loop->state, picture->jpeg, picture->bytes, slot, &stages, err);
        if (status != TARE_OK)
            return name_picture(picture, err);
        sum->decode += stages.decode_ns;
        sum->letterbox += stages.letterbox_ns;
    }
    return status;
}

static enum tare_status find_boxes(const struct loop *loop, struct stages *sum,
                                   struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (int32_t slot = 0; slot < loop->slots && status == TARE_OK; slot++) {
        struct family_stages stages = {0, 0, 0};
        const struct box *boxes;
        size_t count;

        status = loop->family->boxes(loop->state, slot, &boxes, &count, &stages, err);
        sum->boxes += stages.boxes_ns;
    }
    return status;
}

/* Without pictures the session is all there is: two readings of the clock a run, no more. */
static enum tare_status run_once(const struct loop *loop, int64_t first, struct stages *sum,
                                 int64_t *start, int64_t *end, struct tare_err *err)
{
    struct tare_timing timing = {-1, -1, -1, -1};
    enum tare_status status = TARE_OK;
    int64_t run_start = clock_now_ns();

    *start = run_start;
    if (loop->picture_count) {
        status = load_pictures(loop, first, sum, err);
        run_start = clock_now_ns();
    }
    if (status == TARE_OK)
        status = backend_session_run(loop->session, NULL, &timing, err);
    *end = clock_now_ns();
    sum->infer = *end - run_start;
    sum->inside = timing.compute_ns;
    sum->copy_in = timing.copy_in_ns;
    sum->copy_out = timing.copy_out_ns;
    if (status == TARE_OK && loop->picture_count) {
        status = find_boxes(loop, sum, err);
        *end = clock_now_ns();
    }
    return status;
}

static void keep(int64_t *sink, int64_t index, int64_t value)
{
    if (sink)
        sink[index] = value;
}

static void keep_all(const struct loop_sinks *sinks, int64_t index, const struct stages *s,
                     int64_t total)
{
    keep(sinks->total, index, total);
    keep(sinks->decode, index, s->decode);
    keep(sinks->letterbox, index, s->letterbox);
    keep(sinks->infer, index, s->infer);
    keep(sinks->boxes, index, s->boxes);
    keep(sinks->inside, index, s->inside);
    keep(sinks->copy_in, index, s->copy_in);
    keep(sinks->copy_out, index, s->copy_out);
}

enum tare_status loop_run(const struct loop *loop, const struct loop_options *options,
                          const struct loop_sinks *sinks, int64_t *runs, struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    int64_t begin = clock_now_ns(), i = 0, end = begin;

    while (i < options->max_runs && (i < options->runs || end - begin < options->min_ns)) {
        struct stages stages = {0};
        int64_t due = begin + i * options->period_ns, start;

        if (options->period_ns)
            clock_sleep_until(due);
        status =
            run_once(loop, options->first_picture + i * loop->slots, &stages, &start, &end, err);
        if (status != TARE_OK)
            break;
        keep_all(sinks, i, &stages, options->period_ns ? end - due : end - start);
        if (options->period_ns)
            keep(sinks->lateness, i, start - due);
        i++;
    }
    *runs = i;
    return status;
}
