#include "triton_pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* One loop that runs; it lies on its caller's stack. */
struct loop {
    void (*work)(void *context, int32_t index);
    void *context;
    int32_t count, next, done;
    struct loop *later;
};

struct triton_pool {
    pthread_mutex_t lock; /* of everything below, and of all loops */
    pthread_cond_t more;  /* a loop has come, or the end */
    pthread_cond_t less;  /* a loop is done */
    struct loop *loops;   /* with something left to start, the oldest first */
    bool ends;
    int32_t thread_count;
    pthread_t threads[]; // (thread_count)
};

static void leave_queue(struct triton_pool *pool, const struct loop *loop)
{
    struct loop **at = &pool->loops;

    while (*at && *at != loop)
        at = &(*at)->later;
    if (*at)
        *at = loop->later;
}

/* Does the next one of a loop; the lock is held before and after. */
static void step(struct triton_pool *pool, struct loop *loop)
{
    int32_t index = loop->next++;

    if (loop->next == loop->count)
        leave_queue(pool, loop);
    (void)pthread_mutex_unlock(&pool->lock);
    loop->work(loop->context, index);
    (void)pthread_mutex_lock(&pool->lock);
    if (++loop->done == loop->count)
        (void)pthread_cond_broadcast(&pool->less);
}

static void *serve(void *argument)
{
    struct triton_pool *pool = argument;

    (void)pthread_mutex_lock(&pool->lock);
    while (!pool->ends) {
        if (pool->loops)
            step(pool, pool->loops);
        else
            (void)pthread_cond_wait(&pool->more, &pool->lock);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Signals are the server's business, so the threads take none. */
static enum tare_status start(struct triton_pool *pool, int32_t count, struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    sigset_t all, before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    for (int32_t i = 0; i < count && status == TARE_OK; i++) {
        int failed = pthread_create(&pool->threads[i], NULL, serve, pool);

        if (failed)
            status = tare_fail(err, TARE_FAILED, "cannot start thread %d of a pool: %s", i + 1,
                               strerror(failed));
        else
            pool->thread_count++;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

enum tare_status triton_pool_new(int32_t threads, struct triton_pool **pool, struct tare_err *err)
{
    size_t others = (size_t)threads - 1;
    struct triton_pool *made = calloc(1, sizeof(*made) + others * sizeof(*made->threads));
    enum tare_status status;

    *pool = NULL;
    if (!made)
        return tare_fail(err, TARE_NOMEM, "out of memory for a pool of %d threads", threads);
    (void)pthread_mutex_init(&made->lock, NULL);
    (void)pthread_cond_init(&made->more, NULL);
    (void)pthread_cond_init(&made->less, NULL);
    status = start(made, (int32_t)others, err);
    if (status == TARE_OK)
        *pool = made;
    else
        triton_pool_free(made);
    return status;
}

void triton_pool_free(struct triton_pool *pool)
{
    if (!pool)
        return;
    (void)pthread_mutex_lock(&pool->lock);
    pool->ends = true;
    (void)pthread_cond_broadcast(&pool->more);
    (void)pthread_mutex_unlock(&pool->lock);
    for (int32_t i = 0; i < pool->thread_count; i++)
        (void)pthread_join(pool->threads[i], NULL);
    (void)pthread_cond_destroy(&pool->less);
    (void)pthread_cond_destroy(&pool->more);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void triton_pool_run(struct triton_pool *pool, void (*work)(void *context, int32_t index),
                     void *context, int32_t count)
{
    struct loop loop = {.work = work, .context = context, .count = count};
    struct loop **last;

    if (count == 1) /* nobody to wake up */
        work(context, 0);
    if (count <= 1)
        return;
    (void)pthread_mutex_lock(&pool->lock);
    for (last = &pool->loops; *last; last = &(*last)->later)
        continue;
    *last = &loop;
    (void)pthread_cond_broadcast(&pool->more);
    while (loop.next < loop.count)
        step(pool, &loop);
    while (loop.done < loop.count)
        (void)pthread_cond_wait(&pool->less, &pool->lock);
    (void)pthread_mutex_unlock(&pool->lock);
}
