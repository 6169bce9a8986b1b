/*
 * look.h - what a plugin is, found out in a process of its own: one that crashes, hangs or prints
 * while it is loaded or probed does no harm to whoever asks.
 *
 * It is for those who only want to know. Whoever measures loads the plugin where it runs.
 *
 * Threads: call it while the program has one thread, because it forks.
 */
#ifndef TARE_BACKEND_LOOK_H
#define TARE_BACKEND_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "tare/status.h"

struct backend_look {
    enum tare_status status; /* TARE_OK, TARE_ABSENT, TARE_BROKEN */
    bool runs_models;        /* once it was loaded */
    bool converts;           /* TARE_CAP_CONVERTS, once it was loaded */
    char text[500];          /* the probe's note, or what is wrong */
};

/*
 * Finds, loads and probes a plugin, named as backend_find() takes it, and waits patience_ns for it.
 * A crash or a hang is TARE_BROKEN, with how it ended in the text. An error is one of this process:
 * TARE_IO if it cannot fork, TARE_STOPPED if the user asked to stop.
 */
enum tare_status backend_look_at(const char *name, int64_t patience_ns, struct backend_look *look,
                                 struct tare_err *err);

#endif
