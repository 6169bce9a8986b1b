/*
 * store_internal.h - what the files of this room share. Not for others.
 */
#ifndef TARE_STORE_STORE_INTERNAL_H
#define TARE_STORE_STORE_INTERNAL_H

#include <sqlite3.h>

#include "store/store.h"

struct text_chunk; /* memory of the texts that were read */

struct store {
    sqlite3 *db;
    char *path;
    bool writable;
    bool in_transaction; /* the caller's */
    struct text_chunk *texts;
    size_t text_bytes;
};

/* Turns an SQLite result code into a status and a message about the store's file. */
enum tare_status store_fail(struct store *store, int code, const char *doing, struct tare_err *err);

/* Runs SQL without parameters and without results. */
enum tare_status store_run_sql(struct store *store, const char *sql, const char *doing,
                               struct tare_err *err);

/* A copy of size bytes and a NUL that lives until store_close(). */
enum tare_status store_keep_text(struct store *store, const char *text, size_t size,
                                 const char **kept, struct tare_err *err);

/* Index of text in names (count), or -1. */
int store_find_name(const char *const *names, int count, const char *text);

extern const char *const store_run_states[3];
extern const char *const store_note_kinds[3];
extern const char *const store_cell_states[3];
extern const char *const store_heads[3];
extern const char *const store_line_kinds[2];
extern const char *const store_visit_modes[STORE_VISIT_MODES];

#endif
