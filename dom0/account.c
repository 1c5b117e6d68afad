/* SPDX-License-Identifier: MIT */
/* See account.h. A record for each domain of which something is held. */
#include "dom0/account.h"

/* Numbers of domains follow each other: hardly two share one. */
#define BUCKETS 64u

const struct account_rule account_rules[HELD_KINDS] = {
    [HELD_NODES]        = { "nodes", 1000 },
    [HELD_NODE_BYTES]   = { "node bytes", 1024u * 1024 },
    [HELD_TRANSACTIONS] = { "transactions", 512u * 1024 },
    [HELD_WATCHES]      = { "watches", 128u * 1024 },
    [HELD_EVENTS]       = { "events", 32u * 1024 },
    [HELD_RING]         = { "ring", 32u * 1024 },
    [HELD_CONSOLE]      = { "console", 32u * 1024 },
    [HELD_DEVICES]      = { "devices", 1024u * 1024 },
};

struct account {
    struct account *next;
    uint16_t domid;
    size_t held[HELD_KINDS];
};

static struct account *accounts[BUCKETS];
static size_t (*memory_left)(void);

void account_start(size_t (*left)(void))
{
    memory_left = left;
}

bool account_memory_is_low(void)
{
    return memory_left && memory_left() < ACCOUNT_RESERVE / 2;
}

static struct account *find(uint16_t domid)
{
    struct account *account = accounts[domid % BUCKETS];

    while (account && account->domid != domid)
        account = account->next;
    return account;
}

static struct account *find_or_make(uint16_t domid)
{
    struct account *account = find(domid);

    if (!account && (account = calloc(1, sizeof(*account)))) {
        account->domid = domid;
        account->next = accounts[domid % BUCKETS];
        accounts[domid % BUCKETS] = account;
    }
    return account;
}

size_t account_held(uint16_t domid, enum held kind)
{
    const struct account *account = find(domid);

    return account ? account->held[kind] : 0;
}

/* What it holds by its own doing; the rest the operator gave it. */
static size_t own_doing(uint16_t domid)
{
    return account_held(domid, HELD_NODE_BYTES) + account_held(domid, HELD_TRANSACTIONS) +
           account_held(domid, HELD_WATCHES) + account_held(domid, HELD_EVENTS);
}

static bool is_left(uint16_t domid, size_t amount)
{
    if (!memory_left || memory_left() >= ACCOUNT_RESERVE) return true;
    return domid && !account_memory_is_low() && own_doing(domid) + amount <= ACCOUNT_LITTLE;
}

int account_check(uint16_t domid, enum held kind, size_t amount)
{
    size_t held = account_held(domid, kind), quota = account_rules[kind].quota;

    if (domid == 0 && kind != HELD_EVENTS) return 0;
    if (held > quota || amount > quota - held) return refused(-ENOSPC);
    return is_left(domid, amount) ? 0 : refused(-ENOMEM);
}

bool account_known(uint16_t domid)
{
    return find_or_make(domid);
}

int account_add(uint16_t domid, enum held kind, size_t amount)
{
    struct account *account = find_or_make(domid);

    if (!account) return refused(-ENOMEM);
    account->held[kind] += amount;
    return 0;
}

int account_charge(uint16_t domid, enum held kind, size_t amount)
{
    int error = account_check(domid, kind, amount);

    return error ? error : account_add(domid, kind, amount);
}

static bool is_empty(const struct account *account)
{
    for (unsigned kind = 0; kind < HELD_KINDS; kind++)
        if (account->held[kind])
            return false;
    return true;
}

/* The record of a domain that holds nothing goes, too. */
void account_credit(uint16_t domid, enum held kind, size_t amount)
{
    struct account **link = &accounts[domid % BUCKETS], *account;

    while (*link && (*link)->domid != domid)
        link = &(*link)->next;
    account = *link;
    if (!account) return;
    account->held[kind] -= amount;
    if (is_empty(account)) {
        *link = account->next;
        free(account);
    }
}
