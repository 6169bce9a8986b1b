#include "stats/random.h"

#include <assert.h>
#include <math.h>

static uint64_t rotate_left(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15U;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}

void random_seed(struct random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        random->state[i] = splitmix(&seed);
    random->spare_normal = NAN;
}

uint64_t random_next(struct random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t random_below(struct random *random, uint64_t count)
{
    uint64_t excess, drawn;

    assert(count > 0);
    excess = (0 - count) % count; /* 2^64 mod count: below it a draw would favour low numbers */
    do
        drawn = random_next(random);
    while (drawn < excess);
    return drawn % count;
}

double random_uniform(struct random *random)
{
    return (double)(random_next(random) >> 11) * 0x1.0p-53;
}

double random_normal(struct random *random)
{
    double u, v, s, scale;

    if (!isnan(random->spare_normal)) {
        u = random->spare_normal;
        random->spare_normal = NAN;
        return u;
    }
    do {
        u = 2 * random_uniform(random) - 1;
        v = 2 * random_uniform(random) - 1;
        s = u * u + v * v;
    } while (s >= 1 || s == 0);
    scale = sqrt(-2 * log(s) / s);
    random->spare_normal = v * scale;
    return u * scale;
}

void random_shuffle(struct random *random, size_t *items, size_t count)
{
    for (size_t left = count; left > 1; left--) {
        size_t pick = (size_t)random_below(random, left);
        size_t kept = items[left - 1];

        items[left - 1] = items[pick];
        items[pick] = kept;
    }
}
