/* SPDX-License-Identifier: MIT */
/* What the files of the XenStore client call of each other. Inside the library only. */
#ifndef LIB_XS_H
#define LIB_XS_H

#include <pvguest/xenstore.h>

/* Sends the parts as one message, sleeps for the answer: malloc'ed with a NUL behind, or
 * ERR_PTR. */
char *xs_transact(enum xsd_sockmsg_type type, xs_transaction t, const struct xs_part *parts,
                  unsigned int count, size_t *length);

/* The same with a place of the caller's for what fits of the answer and a NUL: the answer's length
 * or the error. Needs no memory. */
int xs_transact_into(enum xsd_sockmsg_type type, xs_transaction t, const struct xs_part *parts,
                     unsigned int count, char *place, size_t room);

/* The same where the answer says only that it was done: 0 or the error. Needs no memory. */
int xs_command(enum xsd_sockmsg_type type, xs_transaction t, const struct xs_part *parts,
               unsigned int count);

/* A watch event has come: path NUL token NUL, and a NUL behind. */
void xs_deliver_watch(const char *body, size_t length);
int xs_start_watches(void);

#endif
