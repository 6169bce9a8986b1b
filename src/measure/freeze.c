#include "measure/freeze.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"

#define STILL_PATIENCE_NS ((int64_t)100 * 1000000)
#define STEP_NS           ((int64_t)50 * 1000)

/* The parent is told once of each stop of a child; a child that has ended counts as still. */
static void wait_until_still(pid_t pid, int64_t deadline_ns)
{
    while (clock_now_ns() < deadline_ns) {
        siginfo_t info = {.si_pid = 0};

        if (waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG) != 0 || info.si_pid == pid)
            return;
        clock_sleep_until(clock_now_ns() + STEP_NS);
    }
}

void freeze_others(struct crew_member *members, size_t count, const struct crew_member *except)
{
    bool sent[STUDY_MAX_CELLS] = {false};
    int64_t deadline_ns = clock_now_ns() + STILL_PATIENCE_NS;

    for (size_t i = 0; i < count; i++) {
        pid_t pid = members[i].process.pid;

        if (&members[i] == except || pid == 0 || members[i].stopped)
            continue;
        sent[i] = kill(-pid, SIGSTOP) == 0;
        members[i].stopped = sent[i];
    }
    for (size_t i = 0; i < count; i++)
        if (sent[i])
            wait_until_still(members[i].process.pid, deadline_ns);
}

int64_t freeze_cpu_ns(const struct crew_member *members, size_t count,
                      const struct crew_member *except)
{
    int64_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        int64_t used = &members[i] == except ? 0 : crew_cpu_ns(&members[i]);

        sum += used > 0 ? used : 0;
    }
    return sum;
}
