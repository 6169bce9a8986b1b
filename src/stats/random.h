/*
 * random.h - seeded random numbers: the same seed gives the same numbers on every machine.
 * Generator: xoshiro256** 1.0, seeded by splitmix64 (Blackman and Vigna, 2018). Not for secrets.
 * Threads: one struct random belongs to one thread at a time.
 */
#ifndef TARE_STATS_RANDOM_H
#define TARE_STATS_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state[4];
    double spare_normal; /* the second of the last pair; NAN if it is used up */
};

/* Any seed is good, 0 too. */
void random_seed(struct random *random, uint64_t seed);

uint64_t random_next(struct random *random);

/* Uniform over 0..count-1 without bias; count must not be 0. */
uint64_t random_below(struct random *random, uint64_t count);

/* Uniform over [0, 1), 53 bits. */
double random_uniform(struct random *random);

/* Standard normal (Marsaglia's polar method). */
double random_normal(struct random *random);

/* Puts items (count) into a random order (Fisher and Yates). */
void random_shuffle(struct random *random, size_t *items, size_t count);

#endif
