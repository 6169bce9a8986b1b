#include "base/stop.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t stop_flag;

static void on_signal(int number)
{
    if (stop_flag)
        _exit(128 + number);
    stop_flag = 1;
}

static void install(int number)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal; /* no SA_RESTART: a blocking read must come back */
    (void)sigaction(number, &action, NULL);
}

void stop_install(void)
{
    install(SIGINT);
    install(SIGTERM);
}

void stop_on_hangup(void)
{
    struct sigaction present;

    if (sigaction(SIGHUP, NULL, &present) == 0 && present.sa_handler != SIG_IGN)
        install(SIGHUP);
}

bool stop_requested(void)
{
    return stop_flag != 0;
}
