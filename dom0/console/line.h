/* SPDX-License-Identifier: MIT */
/*
 * A line while somebody types it: what each key does to it, where the cursor stands, and what the
 * terminal is sent for that. Keys are bytes, or what a terminal sends as several (LINE_*).
 *
 * A file by itself: dom0's prompt has it, and the teaching kernel's shell
 * (patches/insula/user/sh.c), for it wants nothing but six functions of the C library's.
 *
 *   arrows, Home, End, Ctrl-A/E/B/F     move; up and down bring earlier lines
 *   Backspace, Delete, Ctrl-D           one letter; Ctrl-D in an empty line is "logout"
 *   Ctrl-W, Ctrl-U, Ctrl-K              the word before, all before, all behind the cursor
 *   Ctrl-R                              an earlier line that has what stands here; again: one more
 *   Tab                                 the rest of a word that is known; or which there are
 */
#ifndef DOM0_CONSOLE_LINE_H
#define DOM0_CONSOLE_LINE_H

#include <stdbool.h>
#include <stddef.h>

enum { LINE_UP = 256, LINE_DOWN, LINE_LEFT, LINE_RIGHT, LINE_HOME, LINE_END, LINE_DELETE };

struct line {
    const char *prompt;
    char *text;
    size_t room;                    /* Of text, with its NUL. */
    void (*write)(const char *bytes, size_t size);
    /* The n-th word that may stand behind that command, whose name ends at a blank, or, command
     * being NULL, that may be one; NULL: there are not so many. Good until it is asked again. May
     * be NULL. */
    const char *(*known)(size_t n, const char *command);
    const char *ends;               /* The characters behind which another command begins. */
    const char *before;             /* A word that may stand before a command, or NULL. */
    /* The rest is line.c's. */
    size_t length, at;
    enum { LINE_PLAIN, LINE_ESCAPED, LINE_SEQUENCE } state;     /* Of a key of several bytes. */
    int number;
    unsigned back;                  /* How many lines ago that one was; 0: it is his own. */
    bool seeks;
};

/* The next byte from the terminal. True: the line is whole, and has a NUL. */
bool line_take_byte(struct line *line, unsigned char byte);
bool line_take_key(struct line *line, int key);

/* Shows it again: prompt, text, cursor. */
void line_show(const struct line *line);

#endif
