/*
 * doctor_gpu.h - the part of tare doctor about NVIDIA's devices: which there are, and which of the
 * libraries that measure on them. Private to this room.
 */
#ifndef TARE_CMD_DOCTOR_GPU_H
#define TARE_CMD_DOCTOR_GPU_H

#include <stdbool.h>

#include "base/json_write.h"

/* Starts NVIDIA's driver in this process, without a context: nothing should fork after it. */
void doctor_gpu_print(void);
void doctor_gpu_put(struct json_writer *w); /* a member "gpu" */

/* Measures the peaks of each device, in processes of their own. False if something failed. */
bool doctor_gpu_print_peaks(void);
bool doctor_gpu_put_peaks(struct json_writer *w); /* a member "devices" */

#endif
