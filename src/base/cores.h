/*
 * cores.h - which processors, and which memory node, all the cells of a study work on, and where
 * the harness stays meanwhile.
 *
 * Every cell gets the same processors. Where there is one to spare the harness keeps to that, so
 * that it takes no time from a cell. Where the machine has several memory nodes (NUMA) and the
 * cells' processors lie on one of them, memory comes from that one.
 *
 * Threads: no shared state; cores_take() acts on the calling thread and what it starts afterwards.
 */
#ifndef TARE_BASE_CORES_H
#define TARE_BASE_CORES_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

#include "tare/status.h"

#define CORES_TEXT 256 /* room for a list of processors as text */

struct cores_plan {
    cpu_set_t cells;   /* none: they cannot be read here, and nothing is pinned */
    cpu_set_t harness; /* one processor, or those of the cells */
    bool shared;       /* the harness runs on the cells' own */
    int nodes;         /* memory nodes of the machine; 1 where it does not say */
    int node;          /* of all the cells' processors; -1: they lie on several */
};

/* "0-3,8" as the kernel writes it. TARE_INVALID says what is wrong. */
enum tare_status cores_parse(const char *text, cpu_set_t *set, struct tare_err *err);

/* The reverse; cut where it does not fit, "" for an empty set. */
void cores_format(const cpu_set_t *set, char *text, size_t text_bytes);

/*
 * Deals out the processors of allowed. asked names those for the cells; NULL or "": all of allowed
 * that lie on one memory node (the one with most of them), less the last where all lie on one node
 * and there are four or more. The harness gets the last that the cells do not have; without one it
 * shares theirs. root: as cpu_read()'s. TARE_INVALID if asked names one that is not allowed.
 */
enum tare_status cores_plan(const char *root, const cpu_set_t *allowed, const char *asked,
                            struct cores_plan *plan, struct tare_err *err);

/* Keeps the calling thread to a set; an empty one changes nothing. */
void cores_take(const cpu_set_t *set);

/* Takes memory from one node alone, for this process and those that it starts; a negative node
 * gives that up. False if the kernel refuses. */
bool cores_bind_memory(int node);

#endif
