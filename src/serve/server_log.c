#include "serve/server_log.h"

#include <stdio.h>
#include <string.h>

#include "base/printable.h"

#define PARSE_ERROR "Error parsing text-format inference.ModelConfig: "

struct line {
    const char *text;
    size_t length;
};

static bool next_line(const char **log, struct line *line)
{
    if (!**log)
        return false;
    line->text = *log;
    line->length = strcspn(*log, "\n");
    *log += line->length + ((*log)[line->length] == '\n');
    return true;
}

static const char *find(struct line line, const char *word)
{
    return memmem(line.text, line.length, word, strlen(word));
}

/* An error of the server, or what it says before it has a log. */
static bool is_error(struct line line)
{
    return (line.length > 5 && line.text[0] == 'E' && strspn(line.text + 1, "0123456789") >= 4) ||
           (line.length > 6 && strncmp(line.text, "error:", 6) == 0);
}

/* What is said, without where and when it was. */
static struct line message_of(struct line line)
{
    const char *bracket = find(line, "] ");
    size_t skip = bracket ? (size_t)(bracket + 2 - line.text) : 0;

    line.text += skip;
    line.length -= skip;
    while (line.length > 0 && line.text[line.length - 1] == ' ')
        line.length--;
    if (line.length > 1 && line.text[0] == '"') {
        line.text++;
        line.length--;
        while (line.length > 0 && strchr("\" ", line.text[line.length - 1]))
            line.length--;
    }
    return line;
}

/* An ensemble repeats the reason of the model that it lacks, which is listed for itself. */
static void shorten(char *reason)
{
    static const char lacks[] = "which has no loaded version";
    char *found = strstr(reason, lacks);

    if (found)
        found[strlen(lacks)] = '\0';
}

void server_log_tidy(char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++) {
        bool blank = *from == '\n' || *from == '\t' || *from == '\r' || *from == ' ';

        if (!blank)
            *to++ = *from;
        else if (to > text && to[-1] != ' ')
            *to++ = ' ';
    }
    while (to > text && to[-1] == ' ')
        to--;
    *to = '\0';
    printable_line(text);
    shorten(text);
}

static void put(struct line line, const char *before, char *text, size_t bytes)
{
    (void)snprintf(text, bytes, "%s%.*s", before, (int)line.length, line.text);
    server_log_tidy(text);
}

/* Whether an error is about a model: an ensemble's names those that it lacks, too. */
static bool is_about(struct line line, const char *model)
{
    char quoted[300], ensemble[300];

    (void)snprintf(quoted, sizeof(quoted), "'%s'", model);
    (void)snprintf(ensemble, sizeof(ensemble), "ensemble %s ", model);
    if (find(line, ensemble))
        return true;
    (void)snprintf(ensemble, sizeof(ensemble), "ensemble '%s'", model);
    return find(line, ensemble) || (find(line, quoted) && !find(line, "ensemble "));
}

void server_log_model_reason(const char *log, const char *model, char *reason, size_t reason_bytes)
{
    struct line line, parse = {NULL, 0};

    reason[0] = '\0';
    while (next_line(&log, &line)) {
        const char *parsing = find(line, PARSE_ERROR);

        if (parsing)
            parse =
                (struct line){parsing + strlen(PARSE_ERROR),
                              line.length - (size_t)(parsing - line.text) - strlen(PARSE_ERROR)};
        if (!is_error(line) || !is_about(line, model))
            continue;
        if (find(line, "failed to read text proto") && parse.text)
            put(parse, "config.pbtxt:", reason, reason_bytes);
        else
            put(message_of(line), "", reason, reason_bytes);
    }
}

void server_log_last_error(const char *log, char *reason, size_t reason_bytes)
{
    struct line line;

    reason[0] = '\0';
    while (next_line(&log, &line))
        if (is_error(line))
            put(message_of(line), "", reason, reason_bytes);
}

bool server_log_port_taken(const char *log)
{
    return strstr(log, "already in use") != NULL;
}
