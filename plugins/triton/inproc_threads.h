/*
 * inproc_threads.h - ending a model without meeting Triton's threads on their way.
 *
 * The library (2.51 at least) has two races there. It takes a model down on a thread of its own
 * that nobody joins, and that still uses the server when the model is said to be gone; the server's
 * own remedy is to look once a second. And that thread reads a list of the backend's threads which
 * these still rearrange for some microseconds after they have loaded the model or answered a
 * request: taken down just then, the process crashes. So a session waits until the threads sleep,
 * unloads, and waits until those have ended that came with it.
 *
 * Threads: no shared state; the process's other threads are looked at through /proc.
 */
#ifndef TARE_INPROC_THREADS_H
#define TARE_INPROC_THREADS_H

#include <stddef.h>
#include <stdint.h>

/* The process's threads; count 0 where they cannot be listed. */
struct inproc_threads {
    char **names; // (count)
    size_t count;
};

void inproc_threads_list(struct inproc_threads *threads);
void inproc_threads_release(struct inproc_threads *threads);

/* Waits at least least_ns, and until all other threads sleep, but no longer than patience_ns. */
void inproc_threads_settle(int64_t least_ns, int64_t patience_ns);

/* Waits until all threads that are not among before have ended, but no longer than patience_ns. */
void inproc_threads_await(const struct inproc_threads *before, int64_t patience_ns);

#endif
