/*
 * lags.h - how alike neighbours in an activation are: the sums of products of values dy rows and dx
 * columns apart, over sampled 3 × 3 windows of all channels and pictures. And what they are good
 * for: rounding a 3 × 3 kernel so that the errors of its weights cancel where neighbours are alike,
 * as Frantar et al. do it with all inputs of a layer ("GPTQ", 2023).
 *
 * Sums are integers, so they are the same in any order of pictures.
 *
 * Threads: no shared state; one struct lags belongs to one thread at a time.
 */
#ifndef TARE_QUANTIZE_LAGS_H
#define TARE_QUANTIZE_LAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAGS_SIDE    3
#define LAGS_WINDOW  (LAGS_SIDE * LAGS_SIDE)
#define LAGS_COUNT   13 /* (0, 0..2), (1, -2..2), (2, -2..2); the others are their mirror images */
#define LAGS_SAMPLES 8  /* windows of a channel and a picture */
#define LAGS_DAMPING 0.05

struct lags {
    int64_t sums[LAGS_COUNT]; /* in 2^-10, of mean products */
};

/* One picture: values (channels, height, width); the windows are chosen by picture and channel.
 * silu: of the values after a SiLU. Nothing happens if no window fits. */
void lags_add(struct lags *lags, const float *values, size_t channels, size_t height, size_t width,
              bool silu, size_t picture);

/* Divided by the first; false if there is nothing to divide by. */
bool lags_normalise(const struct lags *lags, double *correlations); // (LAGS_COUNT)

/* How a rounding error of weight j goes to weights k > j of its kernel: share[j][k]. */
struct lags_feedback {
    double share[LAGS_WINDOW][LAGS_WINDOW];
};

/* False if the correlations are none: not positive definite, damped by LAGS_DAMPING. */
bool lags_make_feedback(const double *correlations, struct lags_feedback *feedback);

/* Rounds one kernel to integers within -most..most. feedback NULL: each weight by itself. */
void lags_round(const float *weights, size_t count, float scale, float most,
                const struct lags_feedback *feedback, int8_t *integers);

#endif
