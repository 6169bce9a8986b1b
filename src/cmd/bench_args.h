/*
 * bench_args.h - the command line of `tare bench`, and the study that it asks for.
 */
#ifndef TARE_CMD_BENCH_ARGS_H
#define TARE_CMD_BENCH_ARGS_H

#include "base/options.h"
#include "measure/study.h"

/* As given; a text that is NULL and a number that is negative were not. */
struct bench_args {
    const char *output, *runtime, *layer, *precision, *device, *batch, *threads, *head, *mode,
        *forms, *soak, *cpus;
    const char *images, *annotations, *calibration, *models;
    struct option_list options;
    int64_t sweeps, restarts, runs, warmup_runs, cold, seed, imgsz;
    const char *visit, *warmup, *timeout, *budget, *width, *resume;
    int64_t streams;
    double rate;
    bool quiet, json, ledger, peaks, profile, confirm, energy;
};

extern const struct option_info bench_options[];
extern const struct options_usage bench_usage;

/* Nothing given. */
void bench_args_init(struct bench_args *args);

/*
 * The study of an operand: a study file with the settings that were given on top, or a model with
 * the matrix of the lists; NULL: that matrix for runtimes that need no model file. TARE_INVALID for
 * options that do not go together.
 */
enum tare_status bench_make_study(struct bench_args *args, const char *operand, struct study *study,
                                  struct tare_err *err);

/* TARE_INVALID if anything was given that can't change a run that has begun. */
enum tare_status bench_check_resume(const struct bench_args *args, struct tare_err *err);

#endif
