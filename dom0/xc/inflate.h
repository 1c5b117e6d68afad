/* SPDX-License-Identifier: MIT */
/*
 * Unpacks what gzip has packed: RFC 1952 around RFC 1951. Pure; it believes nothing, and reads and
 * writes nothing outside of what it is given.
 */
#ifndef DOM0_XC_INFLATE_H
#define DOM0_XC_INFLATE_H

#include "dom0/base.h"

/* A file of gzip's? */
bool gzip_begins(const uint8_t *bytes, size_t size);

/*
 * How large it says that it was. Of a file of several parts, or of 4 GiB and more, that is not
 * true; then gzip_unpack() refuses it. 0 also for what is too short, or claims more than deflate
 * can do.
 */
size_t gzip_size(const uint8_t *bytes, size_t size);

/*
 * Unpacks all of it into to[room], where room is gzip_size(). `breathe` (or NULL) is called now and
 * then, for it may take a second. 0, or -EINVAL and why.
 */
int gzip_unpack(const uint8_t *from, size_t size, uint8_t *to, size_t room, void (*breathe)(void),
                const char **why);

#endif
