/*
 * printable.h - text from a file, made fit for a message: what a file holds must not reach a
 * terminal as control sequences, nor make a message invalid UTF-8.
 */
#ifndef TARE_BASE_PRINTABLE_H
#define TARE_BASE_PRINTABLE_H

/* Puts '?' in place of each byte that is not printable ASCII. */
void printable(char *text);

/* Puts '?' in place of control characters only (C0, DEL, and C1 in UTF-8): names in any language
 * stay as they are. */
void printable_line(char *text);

#endif
