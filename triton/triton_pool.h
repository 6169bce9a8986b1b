/*
 * triton_pool.h - threads that share a loop: one pool a model, used by all of its instances.
 *
 * Threads: any thread may run a loop, several at once.
 */
#ifndef TARE_TRITON_POOL_H
#define TARE_TRITON_POOL_H

#include <stdint.h>

#include "tare/status.h"

struct triton_pool;

/* threads counts the one that runs a loop: threads - 1 are started. On success the caller passes
 * *pool to triton_pool_free(); on error it is NULL. */
enum tare_status triton_pool_new(int32_t threads, struct triton_pool **pool, struct tare_err *err);

/* Ends the threads. No loop may be running. NULL is allowed. */
void triton_pool_free(struct triton_pool *pool);

/* The same as: for (int32_t i = 0; i < count; i++) work(context, i); in any order, several at once.
 * Returns when all are done. */
void triton_pool_run(struct triton_pool *pool, void (*work)(void *context, int32_t index),
                     void *context, int32_t count);

#endif
