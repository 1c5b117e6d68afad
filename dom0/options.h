/* SPDX-License-Identifier: MIT */
/* dom0's own command line: run="COMMANDS" consoles=on|off ip=ADDRESS
 * migrate=ADDRESS|any. Pure. */
#ifndef DOM0_OPTIONS_H
#define DOM0_OPTIONS_H

#include "dom0/base.h"

struct options {
    const char *run; /* Commands, separated by semicolons; NULL: none. Not terminated. */
    size_t run_size;
    enum { CONSOLES_AS_USUAL, CONSOLES_ON, CONSOLES_OFF } consoles;
    char ip[20], migrate[20];           /* Empty: not given. As they were written. */
};

/*
 * Of several of one name the last counts. `complain` is told of each word that is left out: an
 * option that is not known, or one with a value that it cannot have.
 */
void options_parse(const char *line, struct options *options,
                   void (*complain)(const char *word, size_t size));

#endif
