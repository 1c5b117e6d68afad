/* SPDX-License-Identifier: MIT */
/*
 * The command perf: what each domain has the hypervisor do (DOMUS_counters), since it began or
 * since the operator said -r. The hypervisor's counts only grow; what they were at -r is kept here,
 * and a domain that is made afterwards has none of it.
 */
#include "dom0/xl/info.h"
#include "dom0/xl/verbs.h"
#include <abi/domus.h>
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>

enum { HYPERCALLS, REFUSED, EXCEPTIONS, EMULATED, TABLES, EVENTS, SWITCHES, COUNTS };

static const struct { const char *name; int width; } columns[COUNTS] = {
    [HYPERCALLS] = { "hypercalls", 11 }, [REFUSED] = { "refused", 8 },
    [EXCEPTIONS] = { "exceptions", 11 }, [EMULATED] = { "emulated", 9 },
    [TABLES] = { "tables", 8 },          [EVENTS] = { "events", 9 },
    [SWITCHES] = { "switches", 9 },
};

struct counts {
    struct counts *next;
    domid_t domid;
    uint64_t of[COUNTS];
};

static struct counts *before;           /* At the last -r. */

/* 0, or the hypervisor's errno. */
static int ask(domid_t domid, struct counts *counts)
{
    static struct domus_counters said;
    long error;

    memset(&said, 0, sizeof(said));
    said.domid = domid;
    error = HYPERVISOR_domus_op(DOMUS_counters, &said);
    *counts = (struct counts){
        .domid = domid,
        .of = { [REFUSED] = said.refused, [EXCEPTIONS] = said.exceptions,
                [EMULATED] = said.emulated, [TABLES] = said.emulated_pte,
                [EVENTS] = said.events, [SWITCHES] = said.switches },
    };
    for (size_t i = 0; i < ARRAY_SIZE(said.hypercalls); i++)
        counts->of[HYPERCALLS] += said.hypercalls[i];
    return (int)error;
}

static void forget(void)
{
    for (struct counts *next; before; before = next) {
        next = before->next;
        free(before);
    }
}

/* From now on; without memory for it, since its beginning. */
static void begin_anew(void)
{
    struct xen_domctl_getdomaininfo info;

    forget();
    for (domid_t next = 0; info_next(next, &info); next = (domid_t)(info.domain + 1)) {
        struct counts *now = malloc(sizeof(*now));

        if (!now || ask(info.domain, now)) {
            free(now);
            continue;
        }
        now->next = before;
        before = now;
    }
}

static void row(const struct counts *now)
{
    const struct counts *then = before;

    while (then && then->domid != now->domid)
        then = then->next;
    printk("%-24s %5u", info_name(now->domid), now->domid);
    for (unsigned i = 0; i < COUNTS; i++)
        printk("%*lu", columns[i].width,
               (unsigned long)(now->of[i] - (then ? then->of[i] : 0)));
    printk("\n");
}

bool verb_perf(const struct call *call)
{
    struct xen_domctl_getdomaininfo info;
    struct counts now;
    int error = ask(0, &now);

    if (error) {
        printk("Error: this hypervisor does not count: %s\n", errno_name(error));
        return false;
    }
    if (verb_option(call, 'r')) {
        begin_anew();
        return true;
    }
    printk("%-24s %5s", "Name", "ID");
    for (unsigned i = 0; i < COUNTS; i++)
        printk("%*s", columns[i].width, columns[i].name);
    printk("\n");
    for (domid_t next = 0; info_next(next, &info); next = (domid_t)(info.domain + 1))
        if (!ask(info.domain, &now))
            row(&now);
    return true;
}
