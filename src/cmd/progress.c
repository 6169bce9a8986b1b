#include "cmd/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"

#define BAR_WIDTH 24
#define REDRAW_NS ((int64_t)100000000)

void progress_start(struct progress *progress, bool quiet)
{
    const char *term = getenv("TERM");

    memset(progress, 0, sizeof(*progress));
    progress->terminal = isatty(STDERR_FILENO) == 1 && !(term && strcmp(term, "dumb") == 0);
    progress->quiet = quiet;
    progress->start_ns = clock_now_ns();
    progress->last_tenth = -1;
}

static int terminal_width(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

static void format_time(char *text, size_t bytes, int64_t ns)
{
    long long seconds = (ns + 999999999) / 1000000000;

    if (ns < 0)
        (void)snprintf(text, bytes, "--:--");
    else if (seconds < 3600)
        (void)snprintf(text, bytes, "%lld:%02lld", seconds / 60, seconds % 60);
    else
        (void)snprintf(text, bytes, "%lld:%02lld:%02lld", seconds / 3600, seconds / 60 % 60,
                       seconds % 60);
}

static void draw_bar(struct progress *progress, const char *what, double share, int64_t left_ns)
{
    char bar[BAR_WIDTH + 1], left[32];
    int filled = (int)(share * BAR_WIDTH), width = terminal_width();

    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    format_time(left, sizeof(left), left_ns);
    (void)fprintf(stderr, "\r\033[K[%s] %3.0f%%  %s left  %.*s", bar, 100 * share, left,
                  width > BAR_WIDTH + 24 ? width - BAR_WIDTH - 24 : 0, what);
    (void)fflush(stderr);
    progress->drawn = true;
}

static void print_line(struct progress *progress, const char *what, double share, int64_t left_ns)
{
    int64_t tenth = (int64_t)(share * 10);
    char left[32];

    if (tenth == progress->last_tenth)
        return;
    progress->last_tenth = tenth;
    format_time(left, sizeof(left), left_ns);
    (void)fprintf(stderr, "%3.0f%%  %s left  %s\n", 100 * share, left, what);
}

void progress_show(struct progress *progress, const char *what, double share, int64_t left_ns)
{
    int64_t now = clock_now_ns();

    if (progress->quiet || now < progress->next_ns)
        return;
    progress->next_ns = now + REDRAW_NS;
    if (progress->terminal)
        draw_bar(progress, what, share, left_ns);
    else
        print_line(progress, what, share, left_ns);
}

void progress_end(struct progress *progress)
{
    if (progress->drawn)
        (void)fputs("\r\033[K", stderr);
    (void)fflush(stderr);
    progress->drawn = false;
}
