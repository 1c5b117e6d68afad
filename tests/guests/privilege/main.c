/* SPDX-License-Identifier: MIT */
/*
 * Who may do what: every operation of every hypercall, with arguments that are in order, as the
 * table of privileges says (pvguest-sdk/include/abi/privilege.tbl; a row without its function here
 * does not link). As dom0 each must succeed, on ourselves and, where the control domain may, on a
 * domain made for it; as a domU, aimed at dom0, at a neighbour and at ourselves, each must answer
 * exactly what the table says, and what we can see of ourselves and the machine is as before.
 * As dom0 of real Xen all succeed, too, but for those named below: so the arguments are in order.
 * Idea: XSA-59, 76, 94 and others: a check that was forgotten at one operation of many.
 * machine: vcpus (the second vCPU is brought up and down)
 */
#include "privilege.h"

enum who { any, own, others, control };

static const struct row {
    const char *hypercall, *name;
    enum who who;
    long refused, result;
    long (*call)(domid_t target);
} rows[] = {
#define OPERATION(hypercall, operation, who, refused, result) \
    { #hypercall, #operation, who, refused, result, try_##operation },
#include <abi/operation_list.h>
#undef OPERATION
};

domid_t self;
void *hole;

/* ---- what a refused call must not have changed ---- */

struct picture {
    long pages, limit, grant_frames;
    uint32_t wallclock_seconds, wallclock_ns;
    unsigned int ports;
};

static unsigned int open_ports(void)
{
    unsigned int n = 0;
    struct evtchn_status status = { .dom = DOMID_SELF };

    for (status.port = 1; status.port < 64; status.port++)
        n += HYPERVISOR_event_channel_op(EVTCHNOP_status, &status) == 0 &&
             status.status != EVTCHNSTAT_closed;
    return n;
}

static void look(struct picture *p)
{
    domid_t us = DOMID_SELF;
    struct gnttab_query_size size = { .dom = DOMID_SELF };

    memset(p, 0, sizeof(*p));
    p->pages = HYPERVISOR_memory_op(XENMEM_current_reservation, &us);
    p->limit = HYPERVISOR_memory_op(XENMEM_maximum_reservation, &us);
    p->grant_frames = HYPERVISOR_grant_table_op(GNTTABOP_query_size, &size, 1)
                          ? -1
                          : (long)size.nr_frames;
    p->wallclock_seconds = shared_info.wc_sec;
    p->wallclock_ns = shared_info.wc_nsec;
    p->ports = open_ports();
}

/*
 * What dom0 of real Xen is not asked: what only we have or only Xen has (idle times and a memory
 * map for dom0, what is refused by design), and interrupts, which there want a device behind them.
 */
static bool not_on_xen(const struct row *row)
{
    static const char *const names[] = { "XENPF_getidletime",       "XENMEM_memory_map",
                                         "XENPF_enter_acpi_sleep",  "EVTCHNOP_bind_pirq",
                                         "PHYSDEVOP_eoi",           "PHYSDEVOP_map_pirq",
                                         "PHYSDEVOP_unmap_pirq",    "PHYSDEVOP_irq_status_query",
                                         "PHYSDEVOP_get_free_pirq", "PHYSDEVOP_prepare_msix",
                                         "PHYSDEVOP_release_msix",  "XEN_DOMCTL_irq_permission",
                                         "GNTTABOP_transfer",       "GNTTABOP_swap_grant_ref",
                                         "GNTTABOP_cache_flush",    "GNTTABOP_get_status_frames",
                                         "EVTCHNOP_init_control",   "XENMEM_acquire_resource" };

    for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(row->name, names[i]) == 0)
            return true;
    return strcmp(row->hypercall, "domus_op") == 0;
}

/* ---- one row: what it says is one line, so that others may speak between rows only ---- */

static char said[120];

static long call(const struct row *row, const char *name, domid_t target)
{
    long result = row->call(target);

    if (result > 0)                             /* a number: which one, others look at */
        result = 1;
    snprintf(said + strlen(said), sizeof(said) - strlen(said), " %s=%ld", name, result);
    return result;
}

static void allowed(const struct row *row, const char *name, domid_t target)
{
    long result = call(row, name, target);

    if (result == row->result)
        test_passed();
    else
        test_failure(row->hypercall, 0, "%s on %s is %ld, not %ld", row->name, name, result,
                     row->result);
}

static void refused(const struct row *row, const char *name, domid_t target)
{
    struct picture before, after;
    long result;

    look(&before);
    result = call(row, name, target);
    look(&after);
    if (result != row->refused)
        test_failure(row->hypercall, 0, "%s on %s is %ld, not %ld", row->name, name, result,
                     row->refused);
    else if (memcmp(&before, &after, sizeof(before)))
        test_failure(row->hypercall, 0, "%s on %s is refused, but has changed something", row->name,
                     name);
    else
        test_passed();
}

static void as_dom0(const struct row *row)
{
    if (row->who != control)
        allowed(row, "self", DOMID_SELF);
    if (row->who == others || row->who == control)
        allowed(row, "victim", victim);
    else if (row->who == own)
        refused(row, "victim", victim);
}

static void as_domu(const struct row *row, domid_t neighbour)
{
    if (row->who == control)
        refused(row, "self", self);
    else
        allowed(row, "self", DOMID_SELF);
    if (row->who == any) return;
    refused(row, "dom0", 0);
    refused(row, "neighbour", neighbour);
}

void test_main(void)
{
    char number[8];
    domid_t neighbour = 0;

    if (!is_dom0() && !on_domus())
        test_skip("of what it may as a domU, the table is that of Domus");
    self = own_domid();
    NEED(hole = vspace_alloc(1));
    if (is_dom0())
        make_victim();
    else if (command_option("neighbour", number, sizeof(number)))
        neighbour = (domid_t)strtoul(number, NULL, 10);
    else
        test_skip("a domU needs a neighbour to aim at: neighbour=N");
    for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!on_domus() && not_on_xen(&rows[i]))
            continue;
        snprintf(said, sizeof(said), "row %s %s", rows[i].hypercall, rows[i].name);
        if (is_dom0())
            as_dom0(&rows[i]);
        else
            as_domu(&rows[i], neighbour);
        printk("%s\n", said);
    }
    vcpus_that_are_not_there();
    operations_that_are_not_there();
    no_way_around();
    tables_of_others(is_dom0() ? victim : neighbour);
    contiguous_memory();
    ports();
    if (is_dom0())
        CHECK_IS(destroy(victim), 0);
}
