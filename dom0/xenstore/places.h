/* SPDX-License-Identifier: MIT */
/*
 * The places that XenStore's watches are on, as a tree: so what is watched on the way to a path, or
 * below it, is found by walking there, whatever else is watched. A place is there while somebody
 * listens at it or below it.
 */
#ifndef DOM0_XENSTORE_PLACES_H
#define DOM0_XENSTORE_PLACES_H

#include "dom0/xenstore/internal.h"

/* A path that somebody watches, or a beginning of one. */
struct xenstore_place {
    struct xenstore_place *parent;
    struct xenstore_place **children;           /* By name. */
    unsigned child_count, child_room;
    struct xenstore_listener *listeners;
    size_t name_size;
    char name[];
};

extern struct xenstore_place watched_paths;     /* That of "/". */

/* Absolute paths, or special names, which begin with '@'. NULL: nobody watches there, or below. */
struct xenstore_place *place_find(const char *path);
struct xenstore_place *place_child(const struct xenstore_place *place, const char *name,
                                   size_t size);

/* NULL without memory. One that gets no listener has to be pruned. */
struct xenstore_place *place_make(const char *path);

/* If nobody needs it any more it goes, and so do those on the way to it. */
void place_prune(struct xenstore_place *place);

/* Its path, until the next call. */
const char *place_path(const struct xenstore_place *place);

/*
 * The most memory a place takes besides its name and its NUL: itself, and what its parent has of
 * room for it.
 */
#define PLACE_BYTES (sizeof(struct xenstore_place) + 4 * sizeof(struct xenstore_place *))

#endif
