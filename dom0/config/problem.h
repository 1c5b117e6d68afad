/* SPDX-License-Identifier: MIT */
/*
 * An operator's error: a sentence, and what of a configuration it is about. Whatever refuses him
 * something fills one in, from the reader of configurations to the hypercalls.
 */
#ifndef DOM0_CONFIG_PROBLEM_H
#define DOM0_CONFIG_PROBLEM_H

#include "dom0/base.h"
#include <stdarg.h>

/* Where something stands in a configuration. */
struct config_place {
    unsigned line;                      /* 0: in no single line. */
    bool behind;                        /* The line is a word behind the file's name. */
};

struct problem {
    /* Filled in for domains_create(), which puts it into the sentence. */
    struct config_place at;
    char text[320];
};

/* Writes the sentence, returns the error. */
int problem_set(struct problem *problem, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int problem_vset(struct problem *problem, int error, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

/* Blames a place in a configuration for it; the error. */
int problem_at(struct problem *problem, int error, struct config_place at);

#endif
