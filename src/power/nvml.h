/*
 * nvml.h - NVIDIA's management library as a source of energy, power, clocks and heat of one board.
 * Found at run time (libnvidia-ml.so.1); TARE_NVML names another file in its place, as tests do,
 * and everything that is read from it then says "stand-in".
 *
 * Any of its functions may be missing or refuse: then that fact is not known. It makes no context
 * on the device. The library is never unloaded.
 *
 * Threads: NVML's own calls may come from any thread, and so may all of these but nvml_open() and
 * nvml_close().
 */
#ifndef TARE_POWER_NVML_H
#define TARE_POWER_NVML_H

#include "power/power.h"

struct nvml;

/* Which board: the first of these that is given. Its numbers are not CUDA's, which leaves devices
 * out and sorts them in another way. */
struct nvml_which {
    const char *uuid; /* "GPU-..."; NULL or "": not known */
    const char *pci;  /* "0000:03:00.0" */
    int index;        /* NVML's own; -1: the only board there is */
};

struct nvml_facts {
    char name[64], uuid[48], driver[32];
    int64_t power_limit_mw; /* POWER_UNKNOWN */
    int performance_state;  /* 0 is the fastest; POWER_UNKNOWN */
    int64_t memory_bytes, memory_used_bytes;
    int parted; /* 1: split by MIG, 0: not, POWER_UNKNOWN */
    bool stand_in;
};

/* TARE_ABSENT: no library, or no such board; TARE_BROKEN: it is there and cannot be used. On
 * success nvml_close() it. */
enum tare_status nvml_open(const struct nvml_which *which, struct nvml **nvml,
                           struct tare_err *err);
void nvml_close(struct nvml *nvml); /* NULL is allowed */

void nvml_facts(struct nvml *nvml, struct nvml_facts *facts);

/* The board as a source of that kind; it lives as long as nvml does. TARE_UNSUPPORTED with what it
 * said if it cannot be read. Clocks, heat and processes come with either. */
enum tare_status nvml_source(struct nvml *nvml, enum power_kind kind, struct power_source *source,
                             struct tare_err *err);

/* The board as a source of clocks and heat alone, without readings. */
void nvml_state_source(struct nvml *nvml, struct power_source *source);

#endif
