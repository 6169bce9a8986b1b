/*
 * paired_probe.c - src/stats/paired behind a pipe, for tests in Python.
 *
 * Reads studies from standard input, each "lines sweeps seed", a cluster a sweep, then the
 * differences line by line ("nan" where one is missing). Prints for each line of each study
 *     center error df count restarts critical
 * where critical makes all of the study's 95 % intervals hold together.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "stats/paired.h"

#define MAX_LINES  16
#define MAX_SWEEPS 1024

struct input {
    double differences[MAX_LINES * MAX_SWEEPS]; // (lines, sweeps)
    int64_t clusters[MAX_SWEEPS];
    struct paired_estimate estimates[MAX_LINES];
    double critical[MAX_LINES];
    unsigned int lines, sweeps, seed;
};

static bool read_study(struct input *in)
{
    bool good = scanf("%u %u %u", &in->lines, &in->sweeps, &in->seed) == 3 &&
                in->lines <= MAX_LINES && in->sweeps <= MAX_SWEEPS;

    for (unsigned int s = 0; good && s < in->sweeps; s++) {
        long long cluster;

        good = scanf("%lld", &cluster) == 1;
        in->clusters[s] = cluster;
    }
    for (unsigned int i = 0; good && i < in->lines * in->sweeps; i++)
        good = scanf("%lf", &in->differences[i]) == 1;
    return good;
}

int main(void)
{
    static struct input in;

    while (read_study(&in)) {
        struct tare_err err = TARE_ERR_INIT;
        struct paired_lines lines = {in.differences, in.estimates, in.lines, in.sweeps};

        for (unsigned int l = 0; l < in.lines; l++)
            in.estimates[l] =
                paired_center(in.differences + (size_t)l * in.sweeps, in.clusters, in.sweeps);
        if (paired_critical(&lines, 0.95, in.seed, in.critical, &err) != TARE_OK)
            return 1;
        for (unsigned int l = 0; l < in.lines; l++) {
            const struct paired_estimate *e = &in.estimates[l];

            (void)printf("%.17g %.17g %g %zu %zu %.17g\n", e->center, e->error, e->df, e->count,
                         e->restarts, in.critical[l]);
        }
    }
    return 0;
}
