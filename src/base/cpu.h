/*
 * cpu.h - what processor and memory this machine has, as its kernel says in /proc and /sys. For
 * people and for the environment part of a report. Code that picks an instruction set for itself
 * asks the compiler's __builtin_cpu_supports() instead.
 *
 * The files are read below a root folder, so that tests can show recorded trees of other machines.
 *
 * Threads: no shared state.
 */
#ifndef TARE_BASE_CPU_H
#define TARE_BASE_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"

/* What inference kernels look for. */
enum cpu_feature {
    CPU_AVX2 = 1 << 0,
    CPU_FMA = 1 << 1,
    CPU_F16C = 1 << 2,
    CPU_AVX512 = 1 << 3, /* AVX-512 F, BW, DQ and VL together */
    CPU_VNNI = 1 << 4,   /* INT8 dot products: AVX-VNNI or AVX-512 VNNI */
    CPU_AVX512_BF16 = 1 << 5,
    CPU_AVX512_FP16 = 1 << 6,
    CPU_AMX_INT8 = 1 << 7,
    CPU_AMX_BF16 = 1 << 8,
    CPU_NEON = 1 << 9,
    CPU_FP16 = 1 << 10, /* Arm's half precision arithmetic */
    CPU_DOTPROD = 1 << 11,
    CPU_I8MM = 1 << 12,
    CPU_ARM_BF16 = 1 << 13,
    CPU_SVE = 1 << 14,
};

struct cpu_info {
    char model[128];         /* "AMD EPYC 7763 64-Core Processor"; "" if the kernel does not say */
    char board[128];         /* "NVIDIA Jetson AGX Orin Developer Kit"; "" if it has no name */
    char architecture[32];   /* "x86_64", "aarch64" */
    char governor[32];       /* cpufreq's; "" if not readable */
    char virtualisation[64]; /* "KVM", "hypervisor"; "" if no sign of any */
    int boost;               /* 1 on, 0 off, -1 not readable */
    int logical_count;       /* processors that the kernel runs */
    int core_count;          /* physical ones; logical_count where the kernel does not say */
    double quota;            /* processors' worth of time by the control group; 0: no limit */
    int64_t memory_bytes;
    int64_t available_bytes; /* without swapping, within the control group's limit */
    unsigned features;       /* of enum cpu_feature */
};

/* root: NULL or "" for this machine. What cannot be read is left empty; only a tree without
 * /proc/cpuinfo is an error. */
enum tare_status cpu_read(const char *root, struct cpu_info *info, struct tare_err *err);

/* "avx2"; NULL for what is not one single feature. */
const char *cpu_feature_name(enum cpu_feature feature);

/* The names of features, separated by blanks; "" if there are none. */
void cpu_feature_names(unsigned features, char *text, size_t text_bytes);

#endif
