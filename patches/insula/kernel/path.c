/* SPDX-License-Identifier: MIT */
/* Path names: from a string to an inode, and the operations that change directories. All inside a
 * log operation. */
#include "kernel.h"
#include "disk_format.h"

/* Cuts the first name off a path; NULL at the end. Long names are cut short, as of old. */
static const char *next_name(const char *path, char *name)
{
    u32 n = 0;

    while (*path == '/')
        path++;
    if (!*path) return NULL;
    for (; *path && *path != '/'; path++)
        if (n < NAME_MAX)
            name[n++] = *path;
    name[n] = 0;
    while (*path == '/')
        path++;
    return path;
}

/* Follows a path to its end, or to the directory of its last name. */
static struct inode *follow(const char *path, char *name, bool parent)
{
    struct inode *at = *path == '/' ? inode_get(ROOT_INODE) : inode_hold(current->directory);

    while ((path = next_name(path, name))) {
        struct inode *next = NULL;
        inode_lock(at);
        if (at->type == TYPE_DIR) {
            if (parent && !*path) {
                inode_unlock(at);
                return at;
            }
            next = directory_find(at, name, NULL);
        }
        inode_unlock(at);
        inode_put(at);
        if (!next) return NULL;
        at = next;
    }
    if (parent) {
        inode_put(at);
        return NULL;
    }
    return at;
}

struct inode *path_find(const char *path)
{
    char name[NAME_MAX + 1];
    return follow(path, name, false);
}

static void release(struct inode *inode)
{
    inode_unlock(inode);
    inode_put(inode);
}

/* Fills a new inode in and gives it its first name. */
static int add_new(struct inode *directory, const char *name, struct inode *inode, u16 type)
{
    int error = 0;

    inode->links = 1;
    if (type == TYPE_DIR) {
        inode->links = 1;               /* its own "." is not counted, so that it can fall to 0 */
        error = directory_add(inode, ".", inode->number);
        if (!error)
            error = directory_add(inode, "..", directory->number);
    }
    if (!error)
        error = directory_add(directory, name, inode->number);
    if (!error && type == TYPE_DIR) {
        directory->links++;             /* the new one's ".." */
        inode_update(directory);
    }
    if (error)
        inode->links = 0;
    inode_update(inode);
    return error;
}

/* -EEXIST if the name is there. On success the new inode, unlocked. */
int path_create(const char *path, u16 type, struct inode **result)
{
    char name[NAME_MAX + 1];
    struct inode *directory = follow(path, name, true), *inode;
    int error = -ENOSPC;

    if (!directory) return -ENOENT;
    inode_lock(directory);
    inode = directory_find(directory, name, NULL);
    if (inode) {
        release(directory);
        inode_put(inode);
        return -EEXIST;
    }
    inode = directory->links ? inode_alloc(type) : NULL;
    if (inode) {
        inode_lock(inode);
        error = add_new(directory, name, inode, type);
        inode_unlock(inode);
        if (error)
            inode_put(inode);
    }
    release(directory);
    *result = error ? NULL : inode;
    return error;
}

int path_link(const char *from, const char *to)
{
    char name[NAME_MAX + 1];
    struct inode *inode = path_find(from), *directory, *there;
    int error = -ENOENT;

    if (!inode) return -ENOENT;
    inode_lock(inode);
    if (inode->type == TYPE_DIR) {
        release(inode);
        return -EISDIR;
    }
    inode->links++;
    inode_update(inode);
    inode_unlock(inode);

    directory = follow(to, name, true);
    if (directory) {
        inode_lock(directory);
        there = directory_find(directory, name, NULL);
        if (!there && directory->links)
            error = directory_add(directory, name, inode->number);
        else
            error = there ? -EEXIST : -ENOENT;
        if (there)
            inode_put(there);
        release(directory);
    }
    if (error) {
        inode_lock(inode);
        inode->links--;
        inode_update(inode);
        inode_unlock(inode);
    }
    inode_put(inode);
    return error;
}

int path_unlink(const char *path)
{
    static const struct dirent nothing;
    char name[NAME_MAX + 1];
    struct inode *directory = follow(path, name, true), *inode = NULL;
    u32 at;
    int error = -ENOENT;

    if (!directory) return -ENOENT;
    inode_lock(directory);
    if (strncmp(name, ".", 2) == 0 || strncmp(name, "..", 3) == 0)
        error = -EINVAL;
    else
        inode = directory_find(directory, name, &at);
    if (!inode) {
        release(directory);
        return error;
    }
    inode_lock(inode);
    error = inode->type == TYPE_DIR && !directory_empty(inode) ? -ENOTEMPTY : 0;
    if (!error && inode_write(directory, &nothing, 0, at, sizeof nothing) < 0)
        error = -EIO;
    if (!error) {
        if (inode->type == TYPE_DIR) {
            directory->links--;
            inode_update(directory);
        }
        inode->links--;
        inode_update(inode);
    }
    release(directory);
    release(inode);
    return error;
}
