/* SPDX-License-Identifier: MIT */
/* See places.h. Like XenStore's tree (tree.c), but of names only. */
#include "dom0/xenstore/places.h"

struct xenstore_place watched_paths;
static struct xenstore_place specials;          /* What has no path: "@releaseDomain". */

/* Where a child of that name is, or would be. */
static unsigned position(const struct xenstore_place *place, const char *name, size_t size,
                         bool *found)
{
    struct tree_search search = { .high = place->child_count };

    *found = false;
    while (!*found && search.low < search.high) {
        const struct xenstore_place *child = place->children[tree_search_middle(&search)];

        *found = tree_search_look(&search, child->name, child->name_size, name, size);
    }
    return search.low;
}

struct xenstore_place *place_child(const struct xenstore_place *place, const char *name,
                                   size_t size)
{
    bool found;
    unsigned at = position(place, name, size, &found);

    return found ? place->children[at] : NULL;
}

/* What begins with '@' is one name, whatever is in it. */
static const char *next_name(const char **path, size_t *size)
{
    const char *name = *path;

    if (name[0] != '@')                 /* Behind the first name of a path there is a slash. */
        return tree_component(path, size);
    *size = strlen(name);
    *path += *size;
    return name;
}

struct xenstore_place *place_find(const char *path)
{
    struct xenstore_place *place = path[0] == '/' ? &watched_paths : &specials;
    size_t size;

    for (const char *name; place && (name = next_name(&path, &size), size);)
        place = place_child(place, name, size);
    return place;
}

/* Another room for as many children as there are, and more. False without memory. */
static bool set_room(struct xenstore_place *place, unsigned room)
{
    struct xenstore_place **children = room ? malloc(room * sizeof(*children)) : NULL;

    if (room && !children) return refused(false);
    if (place->child_count)
        memcpy(children, place->children, place->child_count * sizeof(*children));
    free(place->children);
    place->children = children;
    place->child_room = room;
    return true;
}

static struct xenstore_place *add_child(struct xenstore_place *parent, const char *name,
                                        size_t size)
{
    struct xenstore_place *place;
    bool found;
    unsigned at;

    if (parent->child_count == parent->child_room &&
        !set_room(parent, parent->child_room ? 2 * parent->child_room : 2))
        return NULL;
    place = calloc(1, sizeof(*place) + size + 1);
    if (!place) return NULL;
    place->parent = parent;
    place->name_size = size;
    memcpy(place->name, name, size);
    at = position(parent, name, size, &found);
    for (unsigned i = parent->child_count++; i > at; i--)
        parent->children[i] = parent->children[i - 1];
    parent->children[at] = place;
    tree_work++;
    return place;
}

void place_prune(struct xenstore_place *place)
{
    while (place->parent && !place->listeners && !place->child_count) {
        struct xenstore_place *parent = place->parent;
        bool found;
        unsigned at = position(parent, place->name, place->name_size, &found);

        for (parent->child_count--; at < parent->child_count; at++)
            parent->children[at] = parent->children[at + 1];
        if (!parent->child_count || parent->child_count < parent->child_room / 4)
            (void)set_room(parent, parent->child_count ? parent->child_room / 2 : 0);
        free(place->children);          /* Room for one that did not come to be. */
        free(place);
        place = parent;
        tree_work++;
    }
}

struct xenstore_place *place_make(const char *path)
{
    struct xenstore_place *place = path[0] == '/' ? &watched_paths : &specials;
    size_t size;

    for (const char *name; (name = next_name(&path, &size), size);) {
        struct xenstore_place *child = place_child(place, name, size);

        child = child ? child : add_child(place, name, size);
        if (!child) {
            place_prune(place);
            return NULL;
        }
        place = child;
    }
    return place;
}

const char *place_path(const struct xenstore_place *place)
{
    static char path[XENSTORE_ABS_PATH_MAX + 1];
    size_t at = sizeof(path) - 1;

    if (place == &watched_paths) return "/";
    for (; place->parent; place = place->parent) {
        at -= place->name_size;
        memcpy(path + at, place->name, place->name_size);
        if (place->parent != &specials)
            path[--at] = '/';
    }
    return path + at;
}
