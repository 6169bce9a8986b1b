/* cmd_worker.c - the child's side of a measurement; started by `tare bench`, never by hand. */
#include <stdio.h>
#include <unistd.h>

#include "base/process.h"
#include "cmd/command.h"
#include "measure/worker.h"

int cmd_worker(int argc, char **argv)
{
    struct tare_err err = TARE_ERR_INIT;

    (void)argc;
    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
        return command_usage(argv[0], "this is started by 'tare bench', not by hand");
    if (worker_serve(PROCESS_CHANNEL_FD, PROCESS_SHARED_FD, &err) != TARE_OK)
        return command_fail(argv[0], &err);
    return EXIT_OK;
}
