/* SPDX-License-Identifier: MIT */
/*
 * A line of the prompt or of a script, taken apart as a shell would: commands between semicolons,
 * words, options. Pure.
 */
#ifndef DOM0_XL_WORDS_H
#define DOM0_XL_WORDS_H

#include "dom0/base.h"

#define WORDS_TOO_MANY (-1)
#define WORDS_UNCLOSED (-2)             /* A quote without its end. */

/* The next command of a line, cut at its semicolon; *rest moves on and is NULL behind the last
 * one. */
char *words_command(char **rest);

/*
 * Words between blanks, cut in place; a word that begins with # ends the line. Blanks inside quotes
 * are of the word: quotes around all of it go ('a b' is a b), others stay, for a configuration
 * wants them (extra="a b"). How many, or one of the two errors above.
 */
int words_split(char *line, char **word, int most);

#define WORDS_MOST_OPTIONS 8u

/* Those of one line. */
struct words_options {
    unsigned count;
    struct { char letter; const char *argument; } option[WORDS_MOST_OPTIONS];
};

/*
 * Takes the options out of the words, wherever they stand before a word --: -w, -wa, --wait; with
 * an argument -f X, -fX, --file X, --file=X. `known` says which there are: "w=wait a f:file" are -w
 * or --wait, -a, and -f or --file with an argument. NULL, or the word that holds something else, or
 * lacks its argument.
 */
const char *words_take_options(int *count, char **word, const char *known,
                               struct words_options *found);

/* Its argument, of several the last; "" where it has none; NULL: it was not there. */
const char *words_option(const struct words_options *options, char letter);

#endif
