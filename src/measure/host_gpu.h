/*
 * host_gpu.h - the GPUs that a study's cells run on, as facts of the host: no context is made.
 *
 * Threads: any.
 */
#ifndef TARE_MEASURE_HOST_GPU_H
#define TARE_MEASURE_HOST_GPU_H

#include "measure/study.h"
#include "tare/status.h"

/*
 * Calls put for each fact of the devices "cuda:N" that the cells name, below "gpu" for the first of
 * them ("gpu.model") and below the device for others ("cuda:1.model"). A driver or a device that is
 * not there gives none: the cells' own rows say so. Stops at put's first error.
 */
enum tare_status host_gpu_facts(const struct study *study,
                                enum tare_status (*put)(const char *key, const char *value,
                                                        void *data, struct tare_err *err),
                                void *data, struct tare_err *err);

#endif
