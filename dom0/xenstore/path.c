/* SPDX-License-Identifier: MIT */
/* Paths of XenStore's tree and their components, and how one is found among many in order: tree.h
 * says what the functions promise. */
#include "dom0/xenstore/tree.h"

unsigned tree_work;

static bool path_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '@';
}

bool tree_path_valid(const char *path)
{
    unsigned depth = 0;

    if (path[0] != '/') return refused(false);
    if (path[1] == '\0') return true;
    for (size_t i = 0; path[i]; i++) {
        if (path[i] == '/') {
            if (path[i + 1] == '/' || path[i + 1] == '\0' || ++depth > TREE_MAX_DEPTH)
                return refused(false);
        } else if (!path_character(path[i])) {
            return refused(false);
        }
    }
    return true;
}

const char *tree_component(const char **path, size_t *size)
{
    const char *start = *path;

    while (*start == '/')
        start++;
    *size = 0;
    while (start[*size] && start[*size] != '/')
        (*size)++;
    *path = start + *size;
    return start;
}

void tree_parent_path(const char *path, char *parent)
{
    const char *slash = strrchr(path, '/');
    size_t size = slash == path ? 1 : (size_t)(slash - path);

    memcpy(parent, path, size);
    parent[size] = '\0';
}

/* --- names in order --- */

#define BYTES_OF_A_STEP 256u            /* Compared by words. */

typedef uint64_t __attribute__((aligned(1), may_alias)) any_word;

int tree_compare(const char *name, size_t name_size, const char *component, size_t size,
                 size_t *same)
{
    size_t at = *same;

    if (name_size != size) {
        *same = 0;
        return name_size < size ? -1 : 1;
    }
    while (at + sizeof(any_word) <= size &&
           *(const any_word *)(name + at) == *(const any_word *)(component + at))
        at += sizeof(any_word);
    while (at < size && name[at] == component[at])
        at++;
    tree_work += (unsigned)((at - *same) / BYTES_OF_A_STEP);
    *same = at;
    if (at == size) return 0;
    return (uint8_t)name[at] < (uint8_t)component[at] ? -1 : 1;
}

bool tree_search_look(struct tree_search *search, const char *middle_name, size_t middle_size,
                      const char *name, size_t size)
{
    unsigned middle = tree_search_middle(search);
    size_t same = search->same_low < search->same_high ? search->same_low : search->same_high;
    int order = tree_compare(middle_name, middle_size, name, size, &same);

    if (order < 0) {
        search->low = middle + 1;
        search->same_low = same;
    } else if (order > 0) {
        search->high = middle;
        search->same_high = same;
    } else {
        search->low = middle;
    }
    return order == 0;
}
