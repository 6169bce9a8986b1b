/*
 * search.h - the fastest mix of 8-bit and float convolutions within a drop in agreement or AP.
 *
 * What quantising each convolution alone costs (sensitivity.h) gives an order in which they become
 * float: the most noise for each operation first. Some points along that order, the profile's own
 * choice and FP32 are then cells of one study (measure/sweeps.h): their latency is measured in
 * interleaved sweeps on the runtime named, their agreement on pictures, and the fastest that is
 * near enough once more on fresh sweeps. The study stays in the store, the models in a folder.
 *
 * Threads: one search runs in one thread.
 */
#ifndef TARE_QUANTIZE_SEARCH_H
#define TARE_QUANTIZE_SEARCH_H

#include "quantize/sensitivity.h"
#include "store/store.h"

struct search_options {
    const struct quantize_options *quantize; /* output: where the winner goes */
    const char *runtime;                     /* plugin: "onnxruntime" */
    const char *folder;                      /* of the models tried; made if need be */
    int threads;                             /* of the runtime; 0: its default */
    double max_drop;         /* share of FP32's boxes that may be lost, 0..1; or, if it is 0: ... */
    double max_ap_drop;      /* ... AP that may be lost, 0..1, */
    const char *images;      /* of these pictures, */
    const char *annotations; /* with these (COCO) */
    int64_t budget_ns;       /* of the study */
    const char *version, *command;
    void (*progress)(const char *stage, double share, void *data); /* may be NULL */
    void *progress_data;
};

struct search_result {
    struct quantize_report report;  /* of the calibration */
    struct sensitivity sensitivity; /* to be released */
    int64_t run_id;                 /* of the study in the store */
    size_t tried;                   /* models, FP32 and the profile's own among them */
    char winner[128];               /* the cell's name */
};

/*
 * Calibrates, measures and copies the winner to options->quantize->output. TARE_FAILED, saying so,
 * if FP32 is the fastest that is near enough; the study is in the store then too. Errors as
 * quantize_model(), sensitivity_measure() and sweeps_run(). search_release() the result in any
 * case.
 */
enum tare_status search_run(const struct search_options *options, struct store *store,
                            struct search_result *result, struct tare_err *err);
void search_release(struct search_result *result);

/*
 * TARE_INVALID, naming both, if a picture of one folder is also in the other, by content. Whoever
 * tunes on pictures that the model is judged by later finds it better than it is.
 */
enum tare_status search_check_apart(const char *tuning, const char *evaluation,
                                    struct tare_err *err);

#endif
