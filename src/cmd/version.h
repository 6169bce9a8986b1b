/*
 * version.h - the version that the program, its results and its exports name.
 */
#ifndef TARE_CMD_VERSION_H
#define TARE_CMD_VERSION_H

#define TARE_VERSION "0.1.0"

#endif
