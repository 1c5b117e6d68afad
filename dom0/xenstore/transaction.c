/* SPDX-License-Identifier: MIT */
/*
 * Changes of XenStore's tree, one by one or in transactions. Called by server.c only.
 *
 * A transaction keeps what it has touched and made to itself (shadow.h), and a log of its changes
 * for the watches. At its end it is valid if every node it touched is as it was; then all of its
 * changes stand, or none. What it holds is charged to its client's account, and its end costs what
 * it has done, however large the tree is. Of that, what need not be at once is done in parts:
 * telling who watches, and freeing.
 */
#include "dom0/xenstore/internal.h"
#include "dom0/account.h"

struct logged_change {
    struct logged_change *next;
    struct shadow *shadow;
    enum change_kind kind;
    char path[];
};

struct xenstore_transaction {
    struct xenstore_transaction *next;
    uint32_t number;
    struct shadows shadows;
    bool committed;
    unsigned touched_count, change_count;
    struct logged_change *changes, **last_change;
};

/* A change that is none (making what there is, removing what there is not) is allowed, and nobody
 * hears of it. */
int change_commit(const struct change *change, struct xenstore_connection *by)
{
    struct tree_actor actor = by->actor;
    const struct tree_node *node = tree_find(xenstore_tree, change->path);
    struct tree_perms before;
    struct tree_node *gone = NULL;
    bool changed = true;
    int error = -EINVAL;

    if (node)
        before = node->perms;
    switch (change->kind) {
    case CHANGE_WRITE:
        error = tree_write(xenstore_tree, change->path, change->value, change->size, actor);
        break;
    case CHANGE_MKDIR:
        changed = !node;
        error = tree_write(xenstore_tree, change->path, NULL, 0, actor);
        break;
    case CHANGE_REMOVE:
        error = tree_remove(xenstore_tree, change->path, actor, &gone);
        changed = gone;
        break;
    case CHANGE_PERMS:
        error = tree_set_perms(xenstore_tree, change->path, change->perms, actor);
        break;
    }
    if (!error && changed)
        watch_fire(change->path, gone, node ? &before : NULL);
    if (gone)
        by->gone = gone;
    return error;
}

/* --- a domain that is gone --- */

/*
 * Else guests that help each other could leave behind as many nodes as they like, start after
 * start; and the next domain of that number would find open doors (XSA-419, XSA-322).
 * Everybody's nodes are looked at, so it is done in turns: between them the tree changes, but he is
 * gone, and brings nothing more into it.
 */
#define WORK_OF_A_TURN 64u                      /* In steps of tree_work. */

static struct {
    uint16_t domid;                             /* 0: nobody. */
    uint64_t until;                             /* What was made later is none of his. */
    struct tree_node *gone;                     /* Taken out of the tree, yet to be freed. */
    char path[XENSTORE_ABS_PATH_MAX + 1];       /* As far as the walk has come. */
} forgetting;

uint16_t change_forgetting(void)
{
    return forgetting.domid;
}

void change_forget(uint16_t domid)
{
    forgetting.domid = domid;
    forgetting.until = tree_latest();
    forgetting.path[0] = '\0';
    tree_withdraw(xenstore_tree, domid);
}

/* The next node of the walk: his own goes, with all below it. False: there is none. */
static bool forget_next(void)
{
    struct tree_node *parent, *node = tree_next(xenstore_tree, forgetting.path, forgetting.until,
                                                &parent);
    bool found;

    if (!node) return false;
    tree_withdraw(node, forgetting.domid);
    if (node->perms.entry[0].domid == forgetting.domid) {
        forgetting.gone = tree_unlink(parent, tree_place(parent, node->name, node->name_size,
                                                         &found));
        watch_fire(forgetting.path, node, NULL);
    }
    return true;
}

bool change_forget_some(void)
{
    unsigned begin = tree_work, nodes;

    while (tree_work - begin < WORK_OF_A_TURN) {
        nodes = WORK_OF_A_TURN - (tree_work - begin);
        if (forgetting.gone && tree_drop_some(forgetting.gone, &nodes)) {
            forgetting.gone = NULL;
        } else if (!forgetting.gone && !forget_next()) {
            forgetting.domid = 0;
            return true;
        }
    }
    return false;
}

/* --- life --- */

int transaction_start(struct xenstore_connection *connection, uint32_t *number)
{
    struct xenstore_transaction *transaction;
    int error;

    if (!connection->actor.privileged && connection->transaction_count >= XENSTORE_MAX_TRANSACTIONS)
        return refused(-ENOSPC);
    transaction = calloc(1, sizeof(*transaction));
    if (!transaction) return refused(-ENOMEM);
    error = shadows_open(&transaction->shadows, &connection->actor);
    if (error) {
        free(transaction);
        return error;
    }
    error = shadows_charge(&transaction->shadows, sizeof(*transaction));
    if (error) {
        (void)shadows_close_some(&transaction->shadows, &(unsigned){ 1 });
        free(transaction);
        return error;
    }
    /* 0 means "no transaction"; numbers in use are skipped. */
    do {
        connection->last_transaction++;
    } while (!connection->last_transaction ||
             transaction_find(connection, connection->last_transaction));
    transaction->number = connection->last_transaction;
    transaction->last_change = &transaction->changes;
    transaction->next = connection->transactions;
    connection->transactions = transaction;
    connection->transaction_count++;
    *number = transaction->number;
    return 0;
}

struct xenstore_transaction *transaction_find(struct xenstore_connection *connection,
                                              uint32_t number)
{
    struct xenstore_transaction *transaction = connection->transactions;

    while (transaction && transaction->number != number)
        transaction = transaction->next;
    return transaction;
}

/* --- in it --- */

static int touch(struct xenstore_transaction *transaction, const char *path, struct shadow **shadow)
{
    bool touched = shadows_touched(&transaction->shadows, path);
    int error;

    if (!touched && transaction->touched_count >= XENSTORE_MAX_TOUCHED) return refused(-ENOSPC);
    error = shadows_touch(&transaction->shadows, xenstore_tree, path, shadow);
    transaction->touched_count += !error && !touched;
    return error;
}

int transaction_look(struct xenstore_transaction *transaction, const char *path, struct seen *seen,
                     uint64_t *generation)
{
    struct shadow *shadow;
    struct seen nearest;
    int error = touch(transaction, path, &shadow);

    if (error) return error;
    *seen = shadows_see(&transaction->shadows, xenstore_tree, path, &nearest);
    if (!tree_allows(nearest.node, *transaction->shadows.actor, TREE_READ)) return refused(-EACCES);
    if (!seen->node) return refused(-ENOENT);
    *generation = seen->node->generation + transaction->change_count;
    return 0;
}

static int make_change(struct shadows *shadows, const struct change *change, bool *changed)
{
    *changed = true;
    switch (change->kind) {
    case CHANGE_WRITE:
        return shadows_write(shadows, xenstore_tree, change->path, change->value, change->size,
                             changed);
    case CHANGE_MKDIR:
        return shadows_write(shadows, xenstore_tree, change->path, NULL, 0, changed);
    case CHANGE_REMOVE:
        return shadows_remove(shadows, xenstore_tree, change->path, changed);
    case CHANGE_PERMS:
        return shadows_set_perms(shadows, xenstore_tree, change->path, change->perms);
    }
    return refused(-EINVAL);
}

int transaction_change(struct xenstore_transaction *transaction, const struct change *change)
{
    size_t size = sizeof(struct logged_change) + strlen(change->path) + 1;
    struct logged_change *logged;
    struct shadow *shadow;
    bool changed;
    int error;

    /* Each logged change counts as a touch, so that writing one node again and again is bounded
     * too. */
    if (transaction->touched_count >= XENSTORE_MAX_TOUCHED) return refused(-ENOSPC);
    error = touch(transaction, change->path, &shadow);
    error = error ? error : shadows_charge(&transaction->shadows, size);
    if (error) return error;
    logged = calloc(1, size);
    error = logged ? make_change(&transaction->shadows, change, &changed) : refused(-ENOMEM);
    if (error || !changed) {
        /* Its bytes stay charged until the end: the path was touched all the same. */
        free(logged);
        return error;
    }
    logged->kind = change->kind;
    logged->shadow = shadow;
    memcpy(logged->path, change->path, strlen(change->path) + 1);
    *transaction->last_change = logged;
    transaction->last_change = &logged->next;
    transaction->touched_count++;
    transaction->change_count++;
    return 0;
}

/* --- its end --- */

static int commit(struct xenstore_transaction *transaction)
{
    int error = shadows_valid(&transaction->shadows, xenstore_tree) ? 0 : refused(-EAGAIN);

    error = error ? error : shadows_prepare(&transaction->shadows, xenstore_tree);
    if (error) return error;
    shadows_perform(&transaction->shadows, xenstore_tree);
    transaction->committed = true;
    return 0;
}

int transaction_end(struct xenstore_connection *connection, uint32_t number, bool commit_it)
{
    struct xenstore_transaction *transaction = transaction_find(connection, number);
    struct xenstore_transaction **link = &connection->transactions;
    int error;

    if (!transaction) return refused(-ENOENT);
    error = commit_it ? commit(transaction) : 0;
    while (*link != transaction)
        link = &(*link)->next;
    *link = transaction->next;
    connection->transaction_count--;
    transaction->next = connection->ended;
    connection->ended = transaction;
    return error;
}

void transaction_end_all(struct xenstore_connection *connection)
{
    while (connection->transactions)
        (void)transaction_end(connection, connection->transactions->number, false);
}

static void tell_next(struct xenstore_transaction *transaction)
{
    struct logged_change *logged = transaction->changes;
    const struct tree_node *gone;
    const struct tree_perms *before;

    if (transaction->committed &&
        shadow_tell(logged->shadow, logged->kind == CHANGE_REMOVE, &gone, &before))
        watch_fire(logged->path, gone, before);
    transaction->changes = logged->next;
    tree_work++;
    free(logged);
}

/* One change of the transaction that has ended last, or so many nodes of it. */
static void finish(struct xenstore_connection *connection, unsigned nodes)
{
    struct xenstore_transaction *transaction = connection->ended;

    if (transaction->changes) {
        tell_next(transaction);
    } else if (shadows_close_some(&transaction->shadows, &nodes)) {
        connection->ended = transaction->next;
        free(transaction);
    }
}

bool change_finish_some(struct xenstore_connection *connection)
{
    unsigned begin = tree_work, done;

    while ((connection->ended || connection->gone) &&
           (done = tree_work - begin) < TREE_WORK_OF_A_PART) {
        unsigned nodes = TREE_WORK_OF_A_PART - done;

        if (!connection->gone)
            finish(connection, nodes);
        else if (tree_drop_some(connection->gone, &nodes))
            connection->gone = NULL;
    }
    return !connection->ended && !connection->gone;
}
