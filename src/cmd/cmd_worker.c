/*
 * cmd_worker.c - the child's side of a measurement, or of building an engine ("engine"); started by
 * `tare bench` and `tare plan`, never by hand.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"
#include "cmd/command.h"
#include "export/engine_child.h"
#include "measure/worker.h"

int cmd_worker(int argc, char **argv)
{
    bool engine = argc > 1 && strcmp(argv[1], "engine") == 0;
    struct tare_err err = TARE_ERR_INIT;
    enum tare_status status;

    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
        return command_usage(argv[0], "this is started by 'tare bench', not by hand");
    status = engine ? engine_child_serve(PROCESS_CHANNEL_FD, &err)
                    : worker_serve(PROCESS_CHANNEL_FD, PROCESS_SHARED_FD, &err);
    return status == TARE_OK ? EXIT_OK : command_fail(argv[0], &err);
}
