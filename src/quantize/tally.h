/*
 * tally.h - the distribution of one activation tensor over many pictures, in fixed memory: for each
 * channel a histogram of TALLY_BINS bins of equal width over [-2^k, 2^k), k the least that holds
 * all values so far. When a value comes that does not fit, k grows and bins are joined two by two,
 * which is exact: the same values give the same counts in any order, in one pass.
 *
 * Beside the counts: the extremes of all values, and those of each picture, summed up; the latter
 * also as they are after a SiLU, for tensors that are the input of one.
 *
 * There is a vector path and a portable one; they give the same counts.
 *
 * Threads: a tally belongs to one thread at a time.
 */
#ifndef TARE_QUANTIZE_TALLY_H
#define TARE_QUANTIZE_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"

#define TALLY_BINS         4096
#define TALLY_ZERO         (TALLY_BINS / 2) /* the bin that begins at 0 */
#define TALLY_MIN_EXPONENT (-24)
#define TALLY_MAX_CHANNELS 65536

/* Extremes over pictures. Sums are in 2^-20, as integers: the same in any order. */
struct tally_extremes {
    float low, high; /* of all values */
    int64_t low_sum, high_sum;
    double high_squares; /* of max(-low, high) of each picture */
};

struct tally {
    size_t channels, plane; /* plane: values of one channel in one picture */
    uint32_t *counts;       // (channels, TALLY_BINS)
    int16_t *exponents;     // (channels): k
    uint64_t pictures;
    struct tally_extremes raw, silu;
};

/* A tensor's histogram as one, over [-2^exponent, 2^exponent). */
struct tally_sum {
    int exponent;
    double mass[TALLY_BINS];
};

/* TARE_LIMIT over TALLY_MAX_CHANNELS. On success tally_release() it. */
enum tare_status tally_init(struct tally *tally, size_t channels, size_t plane,
                            struct tare_err *err);
void tally_release(struct tally *tally);

/* What tally_count() found of one picture. */
struct tally_seen {
    float low, high;
    bool finite; /* false: a NaN or an infinity, nothing was counted from that channel on */
};

/*
 * Counts one picture: values (channels, plane). TARE_LIMIT if a count could overflow (over 4e9
 * values of a channel). portable: without vector instructions, for tests.
 */
enum tare_status tally_count(struct tally *tally, const float *values, bool portable,
                             struct tally_seen *seen, struct tare_err *err);

/* The mean over pictures of their extremes. */
float tally_mean_low(const struct tally_extremes *extremes, uint64_t pictures);
float tally_mean_high(const struct tally_extremes *extremes, uint64_t pictures);

/* By how much of itself the mean extreme is uncertain: its standard error / the mean; 1 for less
 * than two pictures. */
double tally_uncertainty(const struct tally_extremes *extremes, uint64_t pictures);

/*
 * All channels as one histogram, each weighed by weights[channel] (NULL: 1). silu: of the values
 * after a SiLU; each bin is then taken as TALLY_PARTS equal parts.
 */
#define TALLY_PARTS 4
void tally_fold(const struct tally *tally, bool silu, const double *weights, struct tally_sum *sum);

/* The mean of each channel's values (after a SiLU), each bin taken as its parts' middles. */
void tally_means(const struct tally *tally, bool silu, double *means); // (channels)

/* A number that tells histograms apart: FNV-1a over exponents and counts. */
uint64_t tally_hash(const struct tally *tally);

/* x / (1 + e^-x) */
float tally_silu(float x);

#endif
