/* SPDX-License-Identifier: MIT */
/* XenStore's tree. tree.h says what the functions promise; paths and names are path.c's. */
#include "dom0/xenstore/tree.h"
#include "dom0/account.h"

/* Equal generations mean the same state of the node. */
static uint64_t last_generation;

/* --- nodes --- */

static char *copy_bytes(const void *bytes, size_t size)
{
    char *copy = malloc(size + 1);      /* One more: values get a NUL that is not part of them. */

    if (copy) {
        memcpy(copy, bytes, size);
        copy[size] = '\0';
    }
    return copy;
}

size_t tree_bytes(const struct tree_node *node)
{
    return sizeof(*node) + node->name_size + 1 + node->value_size + 1 +
           node->child_room * sizeof(*node->children);
}

static uint16_t owner(const struct tree_node *node)
{
    return node->perms.entry[0].domid;
}

struct tree_node *tree_make(const char *name, size_t name_size, const void *value, uint32_t size,
                            const struct tree_perms *perms)
{
    struct tree_node *node = calloc(1, sizeof(*node));

    tree_work++;
    if (!node) return NULL;
    node->generation = node->made = ++last_generation;
    node->perms = *perms;
    node->name = copy_bytes(name, name_size);
    node->name_size = name_size;
    node->value = copy_bytes(value, size);
    node->value_size = size;
    if (!node->name || !node->value) {
        tree_free(node);
        return NULL;
    }
    return node;
}

void tree_free(struct tree_node *node)
{
    free(node->children);
    free(node->name);
    free(node->value);
    free(node);
}

struct tree_node *tree_new(void)
{
    static const struct tree_perms perms = { .count = 1,
                                             .entry = { { .domid = 0, .access = TREE_NONE } } };
    struct tree_node *root = tree_make("", 0, "", 0, &perms);

    if (root && !account_known(0)) {
        tree_free(root);
        return NULL;
    }
    if (root) {
        account_add(0, HELD_NODES, 1);
        account_add(0, HELD_NODE_BYTES, tree_bytes(root));
    }
    return root;
}

bool tree_drop_some(struct tree_node *root, unsigned *nodes)
{
    for (; root->child_count; root->child_count--)
        if (!tree_drop_some(root->children[root->child_count - 1], nodes))
            return false;
    if (!*nodes) return false;
    --*nodes;
    tree_work++;
    account_credit(owner(root), HELD_NODES, 1);
    account_credit(owner(root), HELD_NODE_BYTES, tree_bytes(root));
    tree_free(root);
    return true;
}

/* --- finding --- */

unsigned tree_place(const struct tree_node *node, const char *name, size_t size, bool *found)
{
    struct tree_search search = { .high = node->child_count };

    *found = false;
    while (!*found && search.low < search.high) {
        const struct tree_node *child = node->children[tree_search_middle(&search)];

        *found = tree_search_look(&search, child->name, child->name_size, name, size);
    }
    return search.low;
}

struct tree_node *tree_child(const struct tree_node *node, const char *name, size_t size)
{
    bool found;
    unsigned at = tree_place(node, name, size, &found);

    return found ? node->children[at] : NULL;
}

/* The node, or the nearest one on the way to it; `*rest` is the part of the path that is
 * missing. */
static struct tree_node *walk(const struct tree_node *root, const char *path, const char **rest)
{
    const struct tree_node *node = root, *child = node;

    while (child) {
        size_t size;
        const char *name;

        node = child;
        *rest = path;
        name = tree_component(&path, &size);
        if (!size)
            break;
        child = tree_child(node, name, size);
    }
    return (struct tree_node *)(uintptr_t)node;
}

/* The node that the last component of a path stands in. NULL: there is none. */
static struct tree_node *find_parent(const struct tree_node *root, const char *path)
{
    size_t size;

    for (const char *name; root && (name = tree_component(&path, &size), *path);)
        root = tree_child(root, name, size);
    return (struct tree_node *)(uintptr_t)root;
}

/* The node itself or the nearest ancestor that exists: the one whose permissions govern a path yet
 * to be made. */
static const struct tree_node *find_nearest(const struct tree_node *root, const char *path)
{
    const char *rest;

    return walk(root, path, &rest);
}

static struct tree_node *find(const struct tree_node *root, const char *path)
{
    const char *rest;
    struct tree_node *node = walk(root, path, &rest);
    size_t missing;

    tree_component(&rest, &missing);
    return missing ? NULL : node;
}

const struct tree_node *tree_find(const struct tree_node *root, const char *path)
{
    return find(root, path);
}

/* The path's last component is cut off; `*name` is where it still stands. */
static void cut(char *path, const char **name)
{
    char *slash = strrchr(path, '/');

    *slash = '\0';
    *name = slash + 1;
}

static struct tree_node *enter(char *path, struct tree_node *parent, unsigned at,
                               struct tree_node **found_in)
{
    struct tree_node *child = parent->children[at];
    size_t size = strlen(path);

    path[size] = '/';
    memcpy(path + size + 1, child->name, child->name_size + 1);
    *found_in = parent;
    return child;
}

uint64_t tree_latest(void)
{
    return last_generation;
}

struct tree_node *tree_next(struct tree_node *root, char *path, uint64_t until,
                            struct tree_node **parent)
{
    struct tree_node *node = find(root, path);

    tree_work++;
    if (node && node->child_count && node->made <= until) return enter(path, node, 0, parent);
    while (*path) {
        const char *name;
        bool found;
        unsigned at;

        cut(path, &name);
        tree_work++;
        node = find(root, path);
        if (!node)
            continue;
        at = tree_place(node, name, strlen(name), &found);
        at += found;
        if (at < node->child_count) return enter(path, node, at, parent);
    }
    return NULL;
}

bool tree_perms_allow(const struct tree_perms *perms, struct tree_actor actor,
                      enum tree_access access)
{
    unsigned found = 1;

    if (actor.privileged || perms->entry[0].domid == actor.domid) return true;
    while (found < perms->count && perms->entry[found].domid != actor.domid)
        found++;
    if (found == perms->count)
        found = 0;                      /* One of all others. */
    return (perms->entry[found].access & access) == (unsigned)access;
}

bool tree_allows(const struct tree_node *node, struct tree_actor actor, enum tree_access access)
{
    return tree_perms_allow(&node->perms, actor, access);
}

int tree_check(const struct tree_node *root, const char *path, struct tree_actor actor,
               enum tree_access access)
{
    const struct tree_node *node = tree_find(root, path);

    if (node) return tree_allows(node, actor, access) ? 0 : refused(-EACCES);
    /* Whether a node exists is a secret too: only who may use the place where it would be learns
     * that it is not. */
    return tree_allows(find_nearest(root, path), actor, access) ? refused(-ENOENT)
                                                                     : refused(-EACCES);
}

int tree_perms_allowed(const struct tree_node *node, const struct tree_perms *perms,
                       struct tree_actor actor)
{
    if (!perms->count || perms->count > TREE_MAX_PERMS) return refused(-EINVAL);
    if (actor.privileged) return 0;
    if (owner(node) != actor.domid) return refused(-EACCES);
    return perms->entry[0].domid == actor.domid ? 0 : refused(-EPERM);
}

/* --- changing the shape; nothing here can fail --- */

static int over(struct tree_actor actor, uint16_t domid, enum held kind, size_t amount)
{
    return actor.privileged ? 0 : account_check(domid, kind, amount);
}

int tree_reserve(struct tree_node *parent, unsigned children, bool charged,
                 struct tree_actor actor)
{
    unsigned room = parent->child_room ? parent->child_room : 4;
    struct tree_node **bigger;
    size_t more;
    int error;

    if (parent->child_count + children <= parent->child_room) return 0;
    while (room < parent->child_count + children)
        room *= 2;
    more = (room - parent->child_room) * sizeof(*bigger);
    error = charged ? over(actor, owner(parent), HELD_NODE_BYTES, more) : 0;
    if (error) return error;
    bigger = malloc(room * sizeof(*bigger));
    if (!bigger) return refused(-ENOMEM);
    if (charged)                        /* The owner of a node is known. */
        account_add(owner(parent), HELD_NODE_BYTES, more);
    if (parent->child_count)
        memcpy(bigger, parent->children, parent->child_count * sizeof(*bigger));
    free(parent->children);
    parent->children = bigger;
    parent->child_room = room;
    return 0;
}

static void charge(const struct tree_node *node)
{
    account_add(owner(node), HELD_NODES, 1);
    account_add(owner(node), HELD_NODE_BYTES, tree_bytes(node));
}

void tree_link(struct tree_node *parent, unsigned at, struct tree_node *child)
{
    struct tree_node **place = parent->children + at;

    memmove(place + 1, place, (parent->child_count++ - at) * sizeof(*place));
    *place = child;
    parent->generation = ++last_generation;
    charge(child);
    tree_work++;
}

struct tree_node *tree_unlink(struct tree_node *parent, unsigned at)
{
    struct tree_node **place = parent->children + at, *child = *place;

    memmove(place, place + 1, (--parent->child_count - at) * sizeof(*place));
    parent->generation = ++last_generation;
    tree_work++;
    return child;
}

static void set_owner_and_perms(struct tree_node *node, const struct tree_perms *perms)
{
    struct tree_node before = *node;

    node->perms = *perms;
    if (owner(node) == owner(&before)) return;
    charge(node);
    account_credit(owner(&before), HELD_NODES, 1);
    account_credit(owner(&before), HELD_NODE_BYTES, tree_bytes(&before));
}

void tree_replace(struct tree_node *node, struct tree_node *made)
{
    struct tree_perms perms = node->perms;
    uint32_t size = node->value_size;
    char *value = node->value;

    account_add(owner(node), HELD_NODE_BYTES, made->value_size);
    account_credit(owner(node), HELD_NODE_BYTES, size);
    node->value = made->value;
    node->value_size = made->value_size;
    made->value = value;
    made->value_size = size;
    set_owner_and_perms(node, &made->perms);
    made->perms = perms;
    node->generation = ++last_generation;
    tree_work++;
}

/* --- changes --- */

/* A new value for a node that there is. */
static int rewrite(struct tree_node *node, const void *value, uint32_t size,
                   struct tree_actor actor)
{
    struct tree_node *made;
    int error = size > node->value_size
                    ? over(actor, owner(node), HELD_NODE_BYTES, size - node->value_size)
                    : 0;

    if (error) return error;
    made = tree_make("", 0, value, size, &node->perms);
    if (!made) return refused(-ENOMEM);
    tree_replace(node, made);
    tree_free(made);
    return 0;
}

static void free_chain(struct tree_node *top)
{
    while (top) {
        struct tree_node *below = top->child_count ? top->children[0] : NULL;

        tree_free(top);
        top = below;
    }
}

/* The nodes for what is missing of a path, each the only child of the one before; charged to nobody
 * yet. */
static struct tree_node *make_chain(const char *rest, const void *value, uint32_t size,
                                    const struct tree_perms *perms)
{
    struct tree_node *top = NULL, *last = NULL;

    for (;;) {
        size_t name_size, next_size;
        const char *name = tree_component(&rest, &name_size), *behind = rest;
        struct tree_node *node;

        if (!name_size) return top;
        tree_component(&behind, &next_size);
        node = tree_make(name, name_size, next_size ? "" : value, next_size ? 0 : size, perms);
        if (node && next_size) {                        /* The one below it will be here. */
            node->children = calloc(1, sizeof(*node->children));
            node->child_room = node->children ? 1 : 0;
        }
        if (!node || (next_size && !node->children)) {
            if (node)
                tree_free(node);
            free_chain(top);
            return NULL;
        }
        if (last)
            last->children[last->child_count++] = node;
        else
            top = node;
        last = node;
    }
}

static int make(struct tree_node *parent, const char *rest, const void *value, uint32_t size,
                struct tree_actor actor)
{
    struct tree_perms perms = parent->perms;
    struct tree_node *top;
    size_t count = 0, bytes = 0;
    bool found;
    int error;

    if (!actor.privileged)
        perms.entry[0].domid = actor.domid;
    top = make_chain(rest, value, size, &perms);
    if (!top) return refused(-ENOMEM);
    for (struct tree_node *node = top; node; node = node->child_count ? node->children[0] : NULL) {
        count++;
        bytes += tree_bytes(node);
    }
    error = over(actor, perms.entry[0].domid, HELD_NODES, count);
    error = error ? error : tree_reserve(parent, 1, true, actor);   /* Of one account, it may be. */
    error = error ? error : over(actor, perms.entry[0].domid, HELD_NODE_BYTES, bytes);
    if (!error && !account_known(perms.entry[0].domid))
        error = refused(-ENOMEM);
    if (error) {
        free_chain(top);
        return error;
    }
    for (struct tree_node *node = top; node->child_count; node = node->children[0])
        charge(node->children[0]);
    tree_link(parent, tree_place(parent, top->name, top->name_size, &found), top);
    return 0;
}

int tree_write(struct tree_node *root, const char *path, const void *value, uint32_t size,
               struct tree_actor actor)
{
    int error = tree_check(root, path, actor, TREE_WRITE);
    const char *rest;
    struct tree_node *node;

    if (error && error != -ENOENT) return error;
    if (!value && !error) return 0;
    node = walk(root, path, &rest);
    if (!error) return rewrite(node, value, size, actor);
    return make(node, rest, value ? value : "", value ? size : 0, actor);
}

int tree_remove(struct tree_node *root, const char *path, struct tree_actor actor,
                struct tree_node **gone)
{
    int error = tree_check(root, path, actor, TREE_WRITE);
    const char *name = strrchr(path, '/') + 1;
    struct tree_node *parent = find_parent(root, path);
    bool found;

    *gone = NULL;
    if (path[1] == '\0') return error ? error : refused(-EINVAL);
    if (error && error != -ENOENT) return error;
    if (error) return parent ? 0 : error;
    *gone = tree_unlink(parent, tree_place(parent, name, strlen(name), &found));
    return 0;
}

int tree_set_perms(struct tree_node *root, const char *path, const struct tree_perms *perms,
                   struct tree_actor actor)
{
    struct tree_node *node = find(root, path);
    int error = tree_check(root, path, actor, TREE_WRITE);

    error = error ? error : tree_perms_allowed(node, perms, actor);
    if (!error && !account_known(perms->entry[0].domid))
        error = refused(-ENOMEM);
    if (error) return error;
    set_owner_and_perms(node, perms);
    node->generation = ++last_generation;
    return 0;
}

void tree_withdraw(struct tree_node *node, uint16_t domid)
{
    struct tree_perms *perms = &node->perms;
    unsigned kept = 1;

    for (unsigned i = 1; i < perms->count; i++)
        if (perms->entry[i].domid != domid)
            perms->entry[kept++] = perms->entry[i];
    if (kept < perms->count)
        node->generation = ++last_generation;
    perms->count = kept;
}

unsigned tree_count_owned(const struct tree_node *root, uint16_t domid)
{
    unsigned count = owner(root) == domid;

    tree_work++;
    for (unsigned i = 0; i < root->child_count; i++)
        count += tree_count_owned(root->children[i], domid);
    return count;
}
