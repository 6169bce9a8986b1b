/*
 * half.h - IEEE 754 binary16 ("FP16") to float and back, by bits: to nearest, ties to even;
 * overflow becomes infinity, subnormals are kept. Threads: any.
 */
#ifndef TARE_VISION_HALF_H
#define TARE_VISION_HALF_H

#include <stddef.h>
#include <stdint.h>

float half_to_float(uint16_t half);
uint16_t half_from_float(float value);

/* The same for runs; the two may not overlap. */
void half_to_floats(const uint16_t *halves, size_t count, float *floats);
void half_from_floats(const float *floats, size_t count, uint16_t *halves);

#endif
