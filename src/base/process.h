/*
 * process.h - child processes with a control channel: start, talk in lines, time out, kill, reap.
 *
 * A child gets one end of a socket pair as file descriptor 3; its standard output and error go to
 * a log file that the parent can read after a crash. Everything is close-on-exec in the parent, so
 * that no child inherits another's channel. A child is killed when its parent dies.
 *
 * Threads: one struct process belongs to one thread at a time.
 */
#ifndef TARE_BASE_PROCESS_H
#define TARE_BASE_PROCESS_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "tare/status.h"

#define PROCESS_CHANNEL_FD 3 /* in the child: the control channel */
#define PROCESS_SHARED_FD  4 /* in the child: the shared memory, if one was passed */

struct process {
    pid_t pid;      /* 0: not running */
    int channel_fd; /* -1: closed */
    int log_fd;     /* memory file with the child's stdout and stderr; -1: none */
    struct buf pending;
    int wait_status; /* as waitpid(2) gave it, once reaped */
    bool reaped;
};

struct process_options {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up on PATH unless it has a '/' */
    const char *const
        *env;              /* "NAME=value" to add or replace; "NAME" alone removes it; NULL: none */
    int shared_fd;         /* becomes PROCESS_SHARED_FD in the child; -1: none */
    bool own_group;        /* Ctrl-C at the terminal does not reach the child */
    int death_signal;      /* that it gets when the parent dies; 0: SIGKILL */
    const cpu_set_t *cpus; /* the processors that it may run on; NULL: the parent's */
};

/* Starts a child. On error nothing is held. On success process_release() it. */
enum tare_status process_start(struct process *process, const struct process_options *options,
                               struct tare_err *err);

/* Sends one line (without its newline). TARE_FAILED if the child is gone; a child that does not
 * read until deadline_ns (CLOCK_MONOTONIC; 0: for ever) is TARE_TIMEOUT, and the line is cut. */
enum tare_status process_send(struct process *process, const char *line, int64_t deadline_ns,
                              struct tare_err *err);

/*
 * Waits for one line from the child, at most until deadline_ns (CLOCK_MONOTONIC; 0: for ever).
 * *line is valid until the next call. TARE_TIMEOUT; TARE_STOPPED if the user asked to stop;
 * TARE_FAILED if the child has closed the channel or died, with how it died ("killed by signal 11
 * (Segmentation fault)"); TARE_LIMIT for a line over 16 MiB.
 */
enum tare_status process_receive(struct process *process, int64_t deadline_ns, char **line,
                                 struct tare_err *err);

/* Whether the child has ended; reaps it if so. */
bool process_ended(struct process *process);

/* How it ended: "exit status 1", "killed by signal 9 (Killed)", "still running". */
void process_describe_end(const struct process *process, char *text, size_t text_bytes);

/* The last lines that the child printed, at most text_bytes - 1; "" if none. */
void process_log_tail(const struct process *process, char *text, size_t text_bytes);

/* Keeps no more than the last lines of what the child printed, once that has grown large: it lies
 * in memory. What the child prints meanwhile may be lost. */
void process_trim_log(const struct process *process);

/* Ends a child: closes the channel, waits grace_ns, then SIGTERM, then SIGKILL; frees all. A
 * released or zeroed struct is allowed. */
void process_release(struct process *process, int64_t grace_ns);

/* CPU time that a process and all its threads have used, by /proc; -1 if it is gone. */
int64_t process_cpu_ns(pid_t pid);

/* When a process was started, in ticks of the clock since the machine was: with its number it names
 * one process only, also once the number is another's. 0 if it is gone. */
uint64_t process_start_ticks(pid_t pid);

/* A process and its living descendants, parents first; at most max are written. Returns how many.
 */
size_t process_tree(pid_t pid, pid_t *pids, size_t max);

/* CPU time of a process and its living descendants; -1 if it is gone. */
int64_t process_tree_cpu_ns(pid_t pid);

/* A thread of a process or of one of its living descendants. */
struct process_thread {
    pid_t tid;
    int64_t cpu_ns; /* that it has used so far */
};

/* Fills in at most room of them; returns how many. */
size_t process_tree_threads(pid_t pid, struct process_thread *threads, size_t room);

/* Resident and peak resident memory, by /proc; -1 if it is gone. */
int64_t process_rss_bytes(pid_t pid);
int64_t process_peak_rss_bytes(pid_t pid);

/* What a process and its living descendants hold now, added up; shared pages count more than once.
 */
int64_t process_tree_rss_bytes(pid_t pid);

/* The peaks of a process and its living descendants, added up: an upper bound, as their peaks need
 * not fall together and shared pages count more than once. */
int64_t process_tree_peak_rss_bytes(pid_t pid);

#endif
