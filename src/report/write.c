#include "report/write.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "report/report.h"

static struct write_number unknown(void)
{
    return (struct write_number){"–"};
}

/* Digits after the point so that three digits matter: 54.8, 5.48, 0.548, 0.0548. */
static int places_for(double size, int most)
{
    int places = 0;

    for (; places < most && size * pow(10, places) < 99.95; places++)
        continue;
    return size > 0 ? places : 1;
}

struct write_number write_ms(double ns, bool signed_)
{
    struct write_number n;
    double ms = ns / 1e6;
    int places = places_for(fabs(ms), signed_ ? 4 : 6);

    if (isnan(ns))
        return unknown();
    (void)snprintf(n.text, sizeof(n.text), signed_ ? "%+.*f" : "%.*f", places, ms);
    return n;
}

struct write_number write_percent(double ratio)
{
    struct write_number n;
    double percent = (ratio - 1) * 100;

    if (isnan(ratio))
        return unknown();
    (void)snprintf(n.text, sizeof(n.text), "%+.*f", fabs(percent) >= 99.95 ? 0 : 1, percent);
    return n;
}

struct write_number write_share(double share)
{
    struct write_number n;
    double percent = 100 * share;

    if (isnan(share))
        return unknown();
    (void)snprintf(n.text, sizeof(n.text), "%.*f %%",
                   percent >= 9.95 || percent <= 0 ? 0
                   : percent >= 0.995              ? 1
                                                   : 2,
                   percent);
    return n;
}

struct write_number write_points(double ap, bool signed_)
{
    struct write_number n;

    if (isnan(ap) || (!signed_ && ap < 0))
        return unknown();
    if (signed_ && fabs(ap) < 0.0005)
        return (struct write_number){"0.0"};
    (void)snprintf(n.text, sizeof(n.text), signed_ ? "%+.1f" : "%.1f", 100 * ap);
    return n;
}

struct write_number write_rate(double hz)
{
    struct write_number n;

    if (isnan(hz))
        return unknown();
    (void)snprintf(n.text, sizeof(n.text), "%.*f", places_for(hz, 4), hz);
    return n;
}

struct write_number write_date(int64_t wall_ns)
{
    struct write_number n;
    time_t seconds = (time_t)(wall_ns / 1000000000);
    struct tm utc;

    if (wall_ns <= 0 || !gmtime_r(&seconds, &utc) ||
        strftime(n.text, sizeof(n.text), "%Y-%m-%d %H:%M UTC", &utc) == 0)
        return unknown();
    return n;
}

struct write_number write_bytes(double bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    struct write_number n;
    int unit = 0;

    if (isnan(bytes))
        return unknown();
    for (; bytes >= 1000 && unit < 4; unit++)
        bytes /= 1000;
    (void)snprintf(n.text, sizeof(n.text), unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return n;
}

struct write_number write_tail(const struct ledger_tail *tail)
{
    struct write_number n, value = write_ms(tail->value_ns, false);

    if (tail->kind == LEDGER_TAIL_NONE)
        return unknown();
    if (tail->kind == LEDGER_TAIL_INTERVAL)
        return value;
    if (tail->shown >= tail->asked)
        (void)snprintf(n.text, sizeof(n.text), "≤ %.20s", value.text);
    else
        (void)snprintf(n.text, sizeof(n.text), "p%.0f ≤ %.20s", 100 * tail->shown, value.text);
    return n;
}

size_t write_sequence(const char *text)
{
    const unsigned char *t = (const unsigned char *)text;
    size_t length = t[0] < 0x80       ? 1
                    : t[0] >> 5 == 6  ? 2
                    : t[0] >> 4 == 14 ? 3
                    : t[0] >> 3 == 30 ? 4
                                      : 0;
    uint32_t code = length == 1 ? t[0] : t[0] & (0x7FU >> length);

    for (size_t i = 1; i < length; i++) {
        if (t[i] >> 6 != 2)
            return 0;
        code = code << 6 | (t[i] & 0x3FU);
    }
    if ((length == 2 && code < 0x80) || (length == 3 && code < 0x800) ||
        (length == 4 && (code < 0x10000 || code > 0x10FFFF)) || (code >> 11) == 0x1B)
        return 0;
    return length;
}

/* C0, DEL and C1: a terminal could take them for orders. Also the bidirectional overrides. */
static bool is_control(const char *text, size_t length)
{
    const unsigned char *t = (const unsigned char *)text;

    if (length == 1)
        return t[0] < 0x20 || t[0] == 0x7F;
    if (length == 2)
        return t[0] == 0xC2 && t[1] < 0xA0;
    return length == 3 && t[0] == 0xE2 &&
           ((t[1] == 0x80 && t[2] >= 0xA8 && t[2] <= 0xAE) ||
            (t[1] == 0x81 && t[2] >= 0xA6 && t[2] <= 0xA9));
}

size_t write_columns(const char *text)
{
    size_t columns = 0;

    for (; *text; columns++) {
        size_t length = write_sequence(text);

        text += length ? length : 1;
    }
    return columns;
}

static void put_one(struct buf *out, const char **text)
{
    size_t length = write_sequence(*text);

    if (length == 0 || is_control(*text, length))
        buf_append_text(out, **text == '\n' || **text == '\t' ? " " : "\xEF\xBF\xBD");
    else
        buf_append(out, *text, length);
    *text += length ? length : 1;
}

void write_plain(struct buf *out, const char *text)
{
    while (*text)
        put_one(out, &text);
}

void write_padded(struct buf *out, const char *text, int columns)
{
    size_t room = (size_t)(columns < 0 ? -columns : columns), wanted = write_columns(text);

    for (size_t i = wanted; columns < 0 && i < room; i++)
        buf_append_char(out, ' ');
    for (size_t i = 0; *text && i + (wanted > room) < room; i++)
        put_one(out, &text);
    if (wanted > room)
        buf_append_text(out, "…");
    for (size_t i = wanted; columns > 0 && i < room; i++)
        buf_append_char(out, ' ');
}

void write_wrapped(struct buf *out, const char *text, size_t column, size_t indent)
{
    bool first = true;

    while (*text) {
        size_t length = strcspn(text, " "), columns = 0;
        struct buf word = BUF_INIT;

        for (size_t i = 0; i < length; i++)
            buf_append_char(&word, text[i]);
        columns = write_columns(buf_text(&word));
        if (!first && column + 1 + columns > REPORT_COLUMNS) {
            buf_append_char(out, '\n');
            for (size_t i = 0; i < indent; i++)
                buf_append_char(out, ' ');
            column = indent;
            first = true;
        }
        if (!first) {
            buf_append_char(out, ' ');
            column++;
        }
        write_plain(out, buf_text(&word));
        column += columns;
        buf_release(&word);
        first = false;
        text += length;
        text += strspn(text, " ");
    }
    buf_append_char(out, '\n');
}

void write_html(struct buf *out, const char *text)
{
    while (*text) {
        const char *entity = *text == '&'    ? "&amp;"
                             : *text == '<'  ? "&lt;"
                             : *text == '>'  ? "&gt;"
                             : *text == '"'  ? "&quot;"
                             : *text == '\'' ? "&#39;"
                                             : NULL;

        if (entity) {
            buf_append_text(out, entity);
            text++;
        } else {
            put_one(out, &text);
        }
    }
}

const char *write_mode(enum store_visit_mode mode)
{
    static const char *const names[] = {"back to back", "paced", "soak", "all streams at once"};

    return names[mode];
}

const char *write_unit(const struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->cell_count; i++)
        if (ledger_times(&ledger->cells[i]) && ledger->cells[i].pipeline)
            return "one picture, JPEG to boxes";
    return "one run of the session";
}

const char *write_model(const struct ledger *ledger)
{
    const char *model = ledger->cell_count ? ledger->cells[0].row.model : "no model";

    for (size_t i = 1; i < ledger->cell_count; i++)
        if (strcmp(ledger->cells[i].row.model, model) != 0)
            return "several models";
    return model;
}

bool write_note(const struct ledger_notes *notes, size_t index, struct buf *out)
{
    const struct ledger_note *note = &notes->items[index];
    bool any = false;

    buf_clear(out);
    for (size_t i = 0; i < index; i++)
        if (strcmp(notes->items[i].text, note->text) == 0)
            return false;
    buf_append_text(out, note->text);
    for (size_t i = index + 1; i < notes->count; i++)
        if (strcmp(notes->items[i].text, note->text) == 0) {
            buf_printf(out, "%s '%s'", any ? "," : ". Also:", notes->items[i].subject);
            any = true;
        }
    return true;
}
