/* SPDX-License-Identifier: MIT */
/*
 * The language of xl.cfg(5), without any knowledge of keys: what is assigned to which name, and in
 * which line. Pure. A value is an atom, quoted or not (a number is an atom that reads as one), or a
 * list of values. It is read as Xen's libxlutil reads it: tests/unit/test_xlcfg_oracle.c compares
 * the two, and names the few differences with their reasons.
 *
 *   key = 'text'    key = 0x40    key = [ 'a', 5, [ 'b' ], ]    key += 'more'    a = 1; b = 2
 *   # a comment
 */
#ifndef DOM0_CONFIG_SETTINGS_H
#define DOM0_CONFIG_SETTINGS_H

#include "dom0/config/problem.h"

#define SETTINGS_MOST_TEXT 262144u      /* Bytes of a configuration, comments and all; */
#define SETTINGS_MOST 256u              /* its assignments; */
#define SETTINGS_MOST_VALUES 1024u      /* their values, those in lists included; */
#define SETTINGS_MOST_BYTES 32768u      /* names and atoms together, each with its NUL; */
#define SETTINGS_MOST_DEPTH 8u          /* lists in lists. */

struct setting_value {
    const char *text;                   /* An atom; NULL: a list. */
    struct setting_value *first;        /* Of a list. */
    struct setting_value *next;         /* In the list that this is part of. */
    struct config_place at;             /* Where it begins. */
};

struct setting {
    const char *name;
    struct setting_value *value;
    bool added;                         /* By +=. */
};

struct settings {
    unsigned count, values;
    size_t bytes;
    struct setting setting[SETTINGS_MOST];      /* Of several of one name the last counts. */
    struct setting_value value[SETTINGS_MOST_VALUES];
    char text[SETTINGS_MOST_BYTES];
};

/*
 * Adds what a text says to the settings (all zero at first); `behind`: it stood behind the file's
 * name, a word a line. 0, or -EINVAL with the problem: the text's first mistake.
 */
int settings_read(struct settings *settings, const char *text, size_t size, bool behind,
                  struct problem *problem);

/* NULL: not set. */
const struct setting *settings_find(const struct settings *settings, const char *name);

/* What a hexadecimal digit counts; 99: it is none. */
unsigned setting_digit(char c);

/* An atom as a number: 12, 0x1f, 017, ' +5'. 0, or -EINVAL (none), -ERANGE (too large). */
int setting_number(const struct setting *setting, long *number);

/* Fills in the problem with a value's line (NULL: none) and a sentence; -EINVAL. */
int setting_refuse(const struct setting_value *value, struct problem *problem,
                   const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
