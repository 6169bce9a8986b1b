/*
 * host.h - facts of the machine that a figure depends on, as text: processor, clocks, memory,
 * kernel, virtualisation. Hardware is read below a root folder ("" for the real one), so that tests
 * can replay recorded trees.
 */
#ifndef TARE_MEASURE_HOST_H
#define TARE_MEASURE_HOST_H

#include <stdint.h>

#include "tare/status.h"

/* Calls put once for each fact that could be read; stops at put's first error. */
enum tare_status host_facts(const char *root,
                            enum tare_status (*put)(const char *key, const char *value, void *data,
                                                    struct tare_err *err),
                            void *data, struct tare_err *err);

/* Time that the hypervisor kept from this machine since boot, all cores; -1 if not known. */
int64_t host_steal_ns(void);

/* Mean of the cores' present clocks; -1 if the machine does not say. */
double host_clock_hz(void);

#endif
