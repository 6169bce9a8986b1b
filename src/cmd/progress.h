/*
 * progress.h - a progress display on standard error: a bar with rate and time left if it is a
 * terminal, a plain line now and then otherwise.
 */
#ifndef TARE_CMD_PROGRESS_H
#define TARE_CMD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool terminal, quiet;
    bool drawn;      /* a bar stands on the present line */
    int64_t next_ns; /* when a plain line is due again */
    int64_t start_ns;
    int64_t last_tenth; /* plain lines: the last tenth that was told */
};

void progress_start(struct progress *progress, bool quiet);

/* share 0..1; left_ns -1 if not known. */
void progress_show(struct progress *progress, const char *what, double share, int64_t left_ns);

/* Takes the bar away. */
void progress_end(struct progress *progress);

#endif
