/*
 * trt_network.h - what a parsed network is: its layers, and in which types its convolutions
 * compute. Threads: as the network.
 */
#ifndef TARE_TENSORRT_TRT_NETWORK_H
#define TARE_TENSORRT_TRT_NETWORK_H

#include "tensorrt/trt_api.h"

struct trt_network_facts {
    int32_t layers;
    int32_t convolutions;            /* convolutions, deconvolutions and matrix products */
    int32_t fp32, fp16, int8, other; /* of them, by the type of what they read */
};

/* Counts. A convolution is INT8 that reads what a dequantising layer gives, be it through layers
 * that only move values (concatenation, slice, resize, pooling). */
enum tare_status trt_network_count(enum trt_flavour flavour, const void *network,
                                   struct trt_network_facts *facts, struct tare_err *err);

/* "int8" if any convolution is, else what most are: "fp32", "fp16", "other"; "fp32" for none. */
const char *trt_network_precision(const struct trt_network_facts *facts);

#endif
