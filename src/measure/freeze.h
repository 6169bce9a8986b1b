/*
 * freeze.h - the strict way to keep workers quiet: all but the visited one are stopped by signal.
 *
 * crew_hush() waits until the others have been idle for 50 ms, and in that time a shared core's
 * neighbour has often changed its mind. A stopped worker can't run at all, so the next visit may
 * begin at once; that none ran is read off the kernel's clocks over the very visit.
 *
 * Threads: a crew belongs to one thread.
 */
#ifndef TARE_MEASURE_FREEZE_H
#define TARE_MEASURE_FREEZE_H

#include "measure/crew.h"

#define FREEZE_SHARE 0.01 /* of a visit that the others may have run in it */

/* Stops every member but `except`, with all that it started, and waits until its process stands
 * still (at most 0.1 s). They wake up at their own next command. */
void freeze_others(struct crew_member *members, size_t count, const struct crew_member *except);

/* CPU time of all members but `except` so far; those that are gone count as 0. */
int64_t freeze_cpu_ns(const struct crew_member *members, size_t count,
                      const struct crew_member *except);

#endif
