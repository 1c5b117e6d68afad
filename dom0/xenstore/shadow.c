/* SPDX-License-Identifier: MIT */
/* See shadow.h. Recursions are as deep as paths are, at most TREE_MAX_DEPTH. */
#include "dom0/xenstore/shadow.h"
#include "dom0/account.h"

/* --- memory --- */

int shadows_charge(struct shadows *shadows, size_t bytes)
{
    int error = account_charge(shadows->actor->domid, HELD_TRANSACTIONS, bytes);

    if (!error)
        shadows->charged += bytes;
    return error;
}

static void credit(struct shadows *shadows, size_t bytes)
{
    account_credit(shadows->actor->domid, HELD_TRANSACTIONS, bytes);
    shadows->charged -= bytes;
}

static int new_shadow(struct shadows *shadows, const char *name, size_t size, struct shadow **made)
{
    int error = shadows_charge(shadows, sizeof(**made) + size + 1);

    if (error) return error;
    *made = calloc(1, sizeof(**made) + size + 1);
    if (!*made) {
        credit(shadows, sizeof(**made) + size + 1);
        return refused(-ENOMEM);
    }
    memcpy((*made)->name, name, size);
    (*made)->name_size = size;
    return 0;
}

/* A node of the transaction's own. */
static int new_node(struct shadows *shadows, const char *name, size_t name_size, const void *value,
                    uint32_t size, const struct tree_perms *perms, struct tree_node **made)
{
    int error;

    *made = tree_make(name, name_size, value, size, perms);
    if (!*made) return refused(-ENOMEM);
    error = shadows_charge(shadows, tree_bytes(*made));
    if (error)
        tree_free(*made);
    return error;
}

static void forget_node(struct shadows *shadows, struct shadow *shadow)
{
    if (!shadow->made) return;
    credit(shadows, tree_bytes(shadow->made));
    tree_free(shadow->made);
    shadow->made = NULL;
}

/* The node is not to be, after all; nor is it counted as one more of the actor's. */
static void unmake(struct shadows *shadows, struct shadow *shadow)
{
    if (shadow->made && shadow->made->perms.entry[0].domid == shadows->actor->domid)
        shadows->more_nodes--;
    forget_node(shadows, shadow);
}

int shadows_open(struct shadows *shadows, const struct tree_actor *actor)
{
    *shadows = (struct shadows){ .actor = actor };
    return new_shadow(shadows, "", 0, &shadows->root);
}

static bool free_some(struct shadow *shadow, unsigned *nodes)
{
    for (; shadow->child_count; shadow->child_count--)
        if (!free_some(shadow->children[shadow->child_count - 1], nodes))
            return false;
    if (shadow->gone && !tree_drop_some(shadow->gone, nodes)) return false;
    shadow->gone = NULL;
    if (!*nodes) return false;
    --*nodes;
    tree_work++;
    if (shadow->made)
        tree_free(shadow->made);
    free(shadow->children);
    free(shadow);
    return true;
}

bool shadows_close_some(struct shadows *shadows, unsigned *nodes)
{
    if (!free_some(shadows->root, nodes)) return false;
    credit(shadows, shadows->charged);
    return true;
}

/* --- finding --- */

/* Where a child of that name is, or would be. */
static unsigned place(const struct shadow *shadow, const char *name, size_t size, bool *found)
{
    struct tree_search search = { .high = shadow->child_count };

    *found = false;
    while (!*found && search.low < search.high) {
        const struct shadow *child = shadow->children[tree_search_middle(&search)];

        *found = tree_search_look(&search, child->name, child->name_size, name, size);
    }
    return search.low;
}

static struct shadow *child_of(const struct shadow *shadow, const char *name, size_t size)
{
    bool found = false;
    unsigned at = shadow ? place(shadow, name, size, &found) : 0;

    return found ? shadow->children[at] : NULL;
}

static struct seen look(const struct shadow *shadow, const struct tree_node *live)
{
    struct seen seen = { .shadow = shadow, .live = shadow && shadow->hides ? NULL : live };

    seen.node = shadow && shadow->made ? shadow->made : seen.live;
    return seen;
}

/* As far as there are nodes; `rest` is the part of the path behind the last one. */
static struct seen walk(const struct shadows *shadows, const struct tree_node *tree,
                        const char *path, const char **rest)
{
    struct seen seen, below = look(shadows->root, tree);

    do {
        size_t size;
        const char *name;

        seen = below;
        *rest = path;
        name = tree_component(&path, &size);
        if (!size)
            break;
        below = look(child_of(seen.shadow, name, size),
                     seen.live ? tree_child(seen.live, name, size) : NULL);
    } while (below.node);
    return seen;
}

struct seen shadows_see(const struct shadows *shadows, const struct tree_node *tree,
                        const char *path, struct seen *nearest)
{
    const char *rest;
    struct seen seen = walk(shadows, tree, path, &rest);
    size_t missing;

    if (nearest)
        *nearest = seen;
    tree_component(&rest, &missing);
    return missing ? (struct seen){ .node = NULL } : seen;
}

static int check(const struct shadows *shadows, const struct tree_node *tree, const char *path,
                 struct seen *seen)
{
    struct seen nearest;

    *seen = shadows_see(shadows, tree, path, &nearest);
    if (!tree_allows(nearest.node, *shadows->actor, TREE_WRITE)) return refused(-EACCES);
    return seen->node ? 0 : refused(-ENOENT);
}

const char *seen_next_child(const struct seen *seen, struct seen_children *at)
{
    for (;;) {
        const struct tree_node *live = seen->live && at->live < seen->live->child_count
                                           ? seen->live->children[at->live]
                                           : NULL;
        const struct shadow *shadow = seen->shadow && at->shadow < seen->shadow->child_count
                                      ? seen->shadow->children[at->shadow] : NULL;
        size_t same = 0;
        int order = !live     ? 1
                    : !shadow ? -1
                              : tree_compare(live->name, live->name_size, shadow->name,
                                             shadow->name_size, &same);

        tree_work++;
        if (!live && !shadow) return NULL;
        at->live += order <= 0;
        at->shadow += order >= 0;
        if (order < 0) return live->name;
        if (shadow->made || (order == 0 && !shadow->hides)) return shadow->name;
    }
}

/* --- touching --- */

static int add_child(struct shadows *shadows, struct shadow *parent, const char *name, size_t size,
                     struct shadow **made)
{
    unsigned room = parent->child_room ? 2 * parent->child_room : 2, at;
    struct shadow **bigger;
    bool found;
    int error;

    if (parent->child_count == parent->child_room) {
        error = shadows_charge(shadows, (room - parent->child_room) * sizeof(*bigger));
        if (error) return error;
        bigger = malloc(room * sizeof(*bigger));
        if (!bigger) {
            credit(shadows, (room - parent->child_room) * sizeof(*bigger));
            return refused(-ENOMEM);
        }
        if (parent->child_count)
            memcpy(bigger, parent->children, parent->child_count * sizeof(*bigger));
        free(parent->children);
        parent->children = bigger;
        parent->child_room = room;
    }
    error = new_shadow(shadows, name, size, made);
    if (error) return error;
    at = place(parent, name, size, &found);
    memmove(parent->children + at + 1, parent->children + at,
            (parent->child_count++ - at) * sizeof(*made));
    parent->children[at] = *made;
    return 0;
}

int shadows_touch(struct shadows *shadows, const struct tree_node *tree, const char *path,
                  struct shadow **touched)
{
    const struct tree_node *live = tree_find(tree, path);
    struct shadow *shadow = shadows->root;

    for (;;) {
        size_t size;
        const char *name = tree_component(&path, &size);
        struct shadow *child = size ? child_of(shadow, name, size) : NULL;
        int error = size && !child ? add_child(shadows, shadow, name, size, &child) : 0;

        if (error) return error;
        if (!size)
            break;
        shadow = child;
    }
    if (!shadow->touched) {
        shadow->touched = true;
        shadow->generation = live ? live->generation : 0;
    }
    *touched = shadow;
    return 0;
}

static struct shadow *find_shadow(const struct shadows *shadows, const char *path)
{
    struct shadow *shadow = shadows->root;
    size_t size;

    for (const char *name; shadow && (name = tree_component(&path, &size), size);)
        shadow = child_of(shadow, name, size);
    return shadow;
}

bool shadows_touched(const struct shadows *shadows, const char *path)
{
    const struct shadow *shadow = find_shadow(shadows, path);

    return shadow && shadow->touched;
}

/* --- changing --- */

/* Another value or other permissions for what there is. */
static int remake(struct shadows *shadows, const char *path, const void *value, uint32_t size,
                  const struct tree_perms *perms)
{
    struct shadow *shadow = find_shadow(shadows, path);
    struct tree_node *made;
    int error = new_node(shadows, shadow->name, shadow->name_size, value, size, perms, &made);

    if (error) return error;
    forget_node(shadows, shadow);
    shadow->made = made;
    shadow->implied = false;
    return 0;
}

static int make(struct shadows *shadows, const struct seen *nearest, const char *rest,
                const void *value, uint32_t size)
{
    struct tree_node *made[TREE_MAX_DEPTH];
    struct tree_perms perms = nearest->node->perms;
    struct shadow *shadow = (struct shadow *)(uintptr_t)nearest->shadow;
    const char *at = rest;
    unsigned count = 0, next = 0;
    size_t name_size, behind_size;
    int error = 0;

    if (!shadows->actor->privileged)
        perms.entry[0].domid = shadows->actor->domid;
    for (const char *name; !error && (name = tree_component(&at, &name_size), name_size);) {
        const char *behind = at;

        tree_component(&behind, &behind_size);
        error = new_node(shadows, name, name_size, behind_size ? "" : value, behind_size ? 0 : size,
                         &perms, &made[count]);
        count += !error;
    }
    if (!error && !shadows->actor->privileged && shadows->more_nodes + (long)count > 0)
        error = account_check(shadows->actor->domid, HELD_NODES,
                              (size_t)(shadows->more_nodes + (long)count));
    if (error) {
        while (count) {
            credit(shadows, tree_bytes(made[--count]));
            tree_free(made[count]);
        }
        return error;
    }
    while (next < count) {
        /* There: the path was touched. */
        shadow = child_of(shadow, made[next]->name, made[next]->name_size);
        /* Made before, in what somebody else has removed since. */
        unmake(shadows, shadow);
        shadow->made = made[next++];
        shadow->implied = next < count;
    }
    shadows->more_nodes += (long)count;
    return 0;
}

int shadows_write(struct shadows *shadows, const struct tree_node *tree, const char *path,
                  const void *value, uint32_t size, bool *changed)
{
    struct seen seen, nearest;
    const char *rest;
    int error = check(shadows, tree, path, &seen);

    *changed = value || error;
    if (error == -ENOENT) {
        nearest = walk(shadows, tree, path, &rest);
        return make(shadows, &nearest, rest, value ? value : "", value ? size : 0);
    }
    return error || !value ? error : remake(shadows, path, value, size, &seen.node->perms);
}

static void forget_nodes(struct shadows *shadows, struct shadow *shadow)
{
    unmake(shadows, shadow);
    for (unsigned i = 0; i < shadow->child_count; i++)
        forget_nodes(shadows, shadow->children[i]);
    tree_work++;
}

int shadows_remove(struct shadows *shadows, const struct tree_node *tree, const char *path,
                   bool *changed)
{
    struct shadow *shadow = find_shadow(shadows, path);
    struct seen seen;
    int error = check(shadows, tree, path, &seen);
    const char *rest;
    size_t size;

    *changed = !error;
    if (path[1] == '\0') return error ? error : refused(-EINVAL);
    if (error == -ENOENT) {
        walk(shadows, tree, path, &rest);
        tree_component(&rest, &size);
        return *rest ? error : 0;               /* Its parent is there, or not even that. */
    }
    if (error) return error;
    forget_nodes(shadows, shadow);
    if (seen.live) {
        shadows->more_nodes -= tree_count_owned(seen.live, shadows->actor->domid);
        shadow->hides = true;
    }
    return 0;
}

int shadows_set_perms(struct shadows *shadows, const struct tree_node *tree, const char *path,
                      const struct tree_perms *perms)
{
    struct seen seen;
    int error = check(shadows, tree, path, &seen);

    error = error ? error : tree_perms_allowed(seen.node, perms, *shadows->actor);
    return error ? error : remake(shadows, path, seen.node->value, seen.node->value_size, perms);
}

/* --- the end --- */

/* And where all of it is in the tree. */
static bool valid(struct shadow *shadow, struct tree_node *live)
{
    tree_work++;
    if (shadow->touched && shadow->generation != (live ? live->generation : 0)) return false;
    for (unsigned i = 0; i < shadow->child_count; i++) {
        struct shadow *child = shadow->children[i];
        bool found = false;

        child->at = live ? tree_place(live, child->name, child->name_size, &found) : 0;
        child->live = found ? live->children[child->at] : NULL;
        if (!valid(child, child->live)) return false;
    }
    return true;
}

bool shadows_valid(struct shadows *shadows, struct tree_node *tree)
{
    return valid(shadows->root, tree);
}

/* What the actor will hold more, and less, when all is done; and how far values grow that are
 * others', all together. */
struct sums { long nodes, bytes, others; };

/* A value that is replaced is its owner's, whoever writes it. */
static int weigh_value(const struct shadows *shadows, const struct tree_node *live,
                       const struct tree_node *made, struct sums *sums)
{
    uint16_t owner = live->perms.entry[0].domid;
    long more = (long)made->value_size - (long)live->value_size;

    if (owner == shadows->actor->domid) {
        sums->bytes += more;
    } else if (more > 0 && !shadows->actor->privileged) {
        sums->others += more;
        return account_check(owner, HELD_NODE_BYTES, (size_t)sums->others);
    }
    return 0;
}

/* One shadow: `live` is what the tree has here unless it is hidden. Is there a node that has to be
 * linked? */
static int weigh(const struct shadows *shadows, const struct shadow *shadow,
                 const struct tree_node *parent, bool parent_in_tree, const struct tree_node *live,
                 struct sums *sums, bool *link)
{
    const struct tree_node *made = shadow->made;

    *link = made && !live;
    if (!made || (live && shadow->implied)) return 0;
    if (*link && !parent)
        return refused(-EAGAIN);        /* Somebody has removed what it would stand in. */
    if (*link && parent_in_tree && !tree_allows(parent, *shadows->actor, TREE_WRITE))
        return refused(-EACCES);
    if (!account_known(made->perms.entry[0].domid)) return refused(-ENOMEM);
    if (live) return weigh_value(shadows, live, made, sums);
    sums->nodes++;
    sums->bytes += (long)tree_bytes(made);
    return 0;
}

/* Room for what will be linked; in a node that is new itself, it is one more thing to weigh. */
static int reserve(const struct shadows *shadows, struct tree_node *node, unsigned links,
                   bool in_tree, struct sums *sums)
{
    unsigned room = node->child_room;
    int error = tree_reserve(node, links, in_tree, *shadows->actor);

    if (!in_tree)
        sums->bytes += (long)((node->child_room - room) * sizeof(*node->children));
    return error;
}

static int prepare(struct shadows *shadows, struct shadow *shadow, struct tree_node *node,
                   bool in_tree, struct sums *sums)
{
    unsigned links = 0;

    tree_work++;
    for (unsigned i = 0; i < shadow->child_count; i++) {
        struct shadow *child = shadow->children[i];
        struct tree_node *live = node && in_tree ? child->live : NULL;
        bool link;
        int error;

        if (live && child->hides) {
            sums->nodes -= tree_count_owned(live, shadows->actor->domid);
            live = NULL;
        }
        error = weigh(shadows, child, node, in_tree, live, sums, &link);
        error = error ? error : prepare(shadows, child, link ? child->made : live, !link, sums);
        if (error) return error;
        links += link;
    }
    return links ? reserve(shadows, node, links, in_tree, sums) : 0;
}

int shadows_prepare(struct shadows *shadows, struct tree_node *tree)
{
    struct sums sums = { 0, 0, 0 };
    int error = prepare(shadows, shadows->root, tree, true, &sums);

    if (!error && shadows->root->made && !account_known(shadows->root->made->perms.entry[0].domid))
        error = refused(-ENOMEM);
    if (error || shadows->actor->privileged) return error;
    if (sums.nodes > 0)
        error = account_check(shadows->actor->domid, HELD_NODES, (size_t)sums.nodes);
    if (!error && sums.bytes > 0)
        error = account_check(shadows->actor->domid, HELD_NODE_BYTES, (size_t)sums.bytes);
    return error;
}

/* `node`, which is new, or has been in the tree. Its children change in their order: each one that
 * comes or goes moves those behind it. */
static void perform(struct shadows *shadows, struct shadow *shadow, struct tree_node *node,
                    bool is_new)
{
    unsigned come = 0, go = 0;

    tree_work++;
    for (unsigned i = 0; node && i < shadow->child_count; i++) {
        struct shadow *child = shadow->children[i];
        struct tree_node *live = is_new ? NULL : child->live;
        unsigned at = is_new ? node->child_count : child->at + come - go;
        bool link;

        if (live && child->hides) {
            child->gone = tree_unlink(node, at);
            go++;
            live = NULL;
        }
        link = child->made && !live;
        if (link) {
            tree_link(node, at, live = child->made);
            child->made = NULL;
            come++;
        } else if (child->made && !child->implied) {
            tree_replace(live, child->made);
        }
        perform(shadows, child, live, link);
    }
}

void shadows_perform(struct shadows *shadows, struct tree_node *tree)
{
    if (shadows->root->made)
        tree_replace(tree, shadows->root->made);
    perform(shadows, shadows->root, tree, false);
}

bool shadow_tell(struct shadow *shadow, bool removed, const struct tree_node **gone,
                 const struct tree_perms **before)
{
    if (shadow->told) return false;
    *gone = shadow->gone;
    *before = shadow->made && !shadow->implied ? &shadow->made->perms : NULL;
    shadow->told = *gone || !removed;
    return shadow->told;
}
