/* SPDX-License-Identifier: MIT */
/* The other domain (other.h): made with domctl, filled through foreign mappings, and started at
 * other_code.asm. */
#include "other.h"

#include <pvguest/errno.h>
#include <xen/sysctl.h>

extern const char other_code[], other_code_end[];

/* ---- domains ---- */

int domain_maptrack_frames = -1;

long domctl(struct xen_domctl *op)
{
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    return HYPERVISOR_domctl(op);
}

static long with_number(uint32_t command, domid_t id)
{
    struct xen_domctl op = { .cmd = command, .domain = id };

    return domctl(&op);
}

int domain_make(unsigned int max_pages)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_createdomain },
                      more = { .cmd = XEN_DOMCTL_max_vcpus };
    long error;

    if (!is_dom0())
        test_skip("only dom0 makes other domains");
    op.u.createdomain.max_vcpus = 1;
    op.u.createdomain.max_evtchn_port = 4095;
    op.u.createdomain.max_grant_frames = -1;
    op.u.createdomain.max_maptrack_frames = domain_maptrack_frames;
    op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
    error = domctl(&op);
    if (error) return (int)error;
    more.domain = op.domain;
    more.u.max_vcpus.max = 1;
    NEED(domctl(&more) == 0);
    more = (struct xen_domctl){ .cmd = XEN_DOMCTL_max_mem, .domain = op.domain };
    more.u.max_mem.max_memkb = max_pages * (PAGE_SIZE / 1024);
    NEED(domctl(&more) == 0);
    return (int)op.domain;
}

long domain_pages(domid_t id)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo, .domain = id };
    long error = domctl(&op);

    return error ? error : op.domain != id ? -ESRCH : (long)op.u.getdomaininfo.tot_pages;
}

void domain_unmake(domid_t id)
{
    NEED(with_number(XEN_DOMCTL_destroydomain, id) == 0);
    NEED(COMES(domain_pages(id) < 0));
}

/* ---- memory ---- */

long domain_populate(domid_t id, xen_pfn_t *frames, unsigned int count, unsigned int order)
{
    struct xen_memory_reservation r = { .nr_extents = count, .extent_order = order, .domid = id };

    for (unsigned int i = 0; i < count; i++)
        frames[i] = i << order;
    set_xen_guest_handle(r.extent_start, frames);
    return HYPERVISOR_memory_op(XENMEM_populate_physmap, &r);
}

static void populate(struct other *o)
{
    struct xen_memory_reservation r = { .nr_extents = o->pages, .domid = o->id };

    for (unsigned int i = 0; i < o->pages; i++)
        o->frame[i] = i;
    set_xen_guest_handle(r.extent_start, o->frame);
    NEED(HYPERVISOR_memory_op(XENMEM_populate_physmap, &r) == (long)o->pages);
}

/* Xen hands on what a living domain gave back as it is. */
static void clear_all(const struct other *o)
{
    struct mmuext_op op = { .cmd = MMUEXT_CLEAR_PAGE };

    for (unsigned int i = 0; i < o->pages && !on_domus(); i++) {
        op.arg1.mfn = o->frame[i];
        NEED(HYPERVISOR_mmuext_op(&op, 1, NULL, o->id) == 0);
    }
}

void *other_map(const struct other *o, unsigned int pfn)
{
    void *va = map_frames((const unsigned long *)&o->frame[pfn], 1, PROT_RW, o->id, NULL);

    NEED(!IS_ERR(va));
    return va;
}

static void write_page(const struct other *o, unsigned int pfn,
                       void (*write)(const struct other *o, uint64_t *page))
{
    void *page = other_map(o, pfn);

    write(o, page);
    unmap_frames(page, 1);
}

static uint64_t entry_of(const struct other *o, unsigned int pfn)
{
    return (uint64_t)o->frame[pfn] << PAGE_SHIFT | PROT_TABLE;
}
static void write_l4(const struct other *o, uint64_t *page)
{
    page[0] = entry_of(o, OTHER_L3);
}
static void write_l3(const struct other *o, uint64_t *page)
{
    page[0] = entry_of(o, OTHER_L2);
}
static void write_l2(const struct other *o, uint64_t *page)
{
    page[OTHER_BASE >> 21] = entry_of(o, OTHER_L1);
}

static unsigned long shared_info_frame(const struct other *o)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo, .domain = o->id };

    NEED(domctl(&op) == 0);
    return op.u.getdomaininfo.shared_info_frame;
}

static void write_l1(const struct other *o, uint64_t *page)
{
    page[o->pages] = (uint64_t)shared_info_frame(o) << PAGE_SHIFT | PROT_RW;
    for (unsigned int i = 0; i < o->pages; i++)
        page[i] = (uint64_t)o->frame[i] << PAGE_SHIFT | (i == OTHER_CODE ? PROT_EXEC
                                                         : i <= OTHER_L1 ? PROT_RO
                                                                         : PROT_RW);
}

static void write_code(const struct other *o, uint64_t *page)
{
    static const struct other_program calls = { other_code, other_code_end, NULL };
    const struct other_program *program = o->program ?: &calls;

    memcpy(page, program->start, (size_t)(program->end - program->start));
}

/* ---- life ---- */

struct shared_info *other_shared_info(const struct other *o)
{
    unsigned long frame = shared_info_frame(o);
    void *va = map_frames(&frame, 1, PROT_RW, o->id, NULL);

    NEED(!IS_ERR(va));
    return va;
}

/* Cleared, as toolstacks do. If it has no handler of events, they stay pending, for the test to
 * see. */
static void clear_shared_info(const struct other *o)
{
    struct shared_info *shared = other_shared_info(o);

    memset(shared, 0, PAGE_SIZE);
    shared->vcpu_info[0].evtchn_upcall_mask = !o->program;
    unmap_frames(shared, 1);
}

static void set_context(const struct other *o)
{
    static struct vcpu_guest_context context;
    struct xen_domctl op = { .cmd = XEN_DOMCTL_setvcpucontext, .domain = o->id };

    memset(&context, 0, sizeof(context));
    context.flags = VGCF_in_kernel | VGCF_online;
    context.user_regs.rip = OTHER_VA(OTHER_CODE);
    if (o->program)
        context.event_callback_eip = OTHER_VA(OTHER_CODE) +
                                     (uint64_t)(o->program->events - o->program->start);
    context.user_regs.rsp = context.kernel_sp = OTHER_VA(OTHER_STACK) + PAGE_SIZE;
    context.user_regs.rflags = 1 << 9;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = context.kernel_ss = FLAT_KERNEL_SS;
    context.ctrlreg[3] = xen_pfn_to_cr3(o->frame[OTHER_L4]);
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
    NEED(domctl(&op) == 0);
}

void other_begin(struct other *o, unsigned int pages)
{
    struct mmuext_op pin = { .cmd = MMUEXT_PIN_L4_TABLE };
    int id = domain_make(pages + 8);

    NEED(id > 0 && pages >= OTHER_FREE && pages <= OTHER_MAX);
    o->id = (domid_t)id;
    o->pages = pages;
    populate(o);
    clear_all(o);
    write_page(o, OTHER_L4, write_l4);
    write_page(o, OTHER_L3, write_l3);
    write_page(o, OTHER_L2, write_l2);
    write_page(o, OTHER_L1, write_l1);
    write_page(o, OTHER_CODE, write_code);
    pin.arg1.mfn = o->frame[OTHER_L4];
    NEED(HYPERVISOR_mmuext_op(&pin, 1, NULL, o->id) == 0);
    o->mailbox = other_map(o, OTHER_MAILBOX);
    o->data = other_map(o, OTHER_DATA);
    clear_shared_info(o);
    set_context(o);
    NEED(with_number(XEN_DOMCTL_unpausedomain, o->id) == 0);
}

void other_pause(const struct other *o, bool pause)
{
    NEED(with_number(pause ? XEN_DOMCTL_pausedomain : XEN_DOMCTL_unpausedomain, o->id) == 0);
}

void other_end(struct other *o)
{
    unmap_frames(ADDRESS(o->mailbox), 1);
    unmap_frames(o->data, 1);
    domain_unmake(o->id);
}

/* ---- calls ---- */

void other_ask(struct other *o, unsigned long number, uint64_t a1, uint64_t a2, uint64_t a3,
               uint64_t a4)
{
    o->mailbox->number = number;
    o->mailbox->argument[0] = a1;
    o->mailbox->argument[1] = a2;
    o->mailbox->argument[2] = a3;
    o->mailbox->argument[3] = a4;
    o->mailbox->state = MAILBOX_ASKED;
}

bool other_done(const struct other *o)
{
    return o->mailbox->state != MAILBOX_ASKED;
}

long other_call(struct other *o, unsigned long number, uint64_t a1, uint64_t a2, uint64_t a3,
                uint64_t a4)
{
    uint64_t until = now_ns() + 10 * NS_PER_S;

    other_ask(o, number, a1, a2, a3, a4);
    while (!other_done(o) && now_ns() < until)
        vcpu_yield();
    NEED(other_done(o));
    return (long)o->mailbox->result;
}

long other_op(struct other *o, unsigned long number, unsigned int command, void *argument,
              size_t bytes)
{
    long result;

    memcpy(o->data, argument, bytes);
    result = other_call(o, number, command, OTHER_VA(OTHER_DATA), 1, 0);
    memcpy(argument, o->data, bytes);
    return result;
}

long other_grant_op(struct other *o, unsigned int command, void *argument, size_t bytes)
{
    return other_op(o, __HYPERVISOR_grant_table_op, command, argument, bytes);
}

/* ---- what there is in the machine and in a page ---- */

static struct xen_sysctl_physinfo physinfo(void)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_physinfo,
                             .interface_version = XEN_SYSCTL_INTERFACE_VERSION };

    NEED(HYPERVISOR_sysctl(&op) == 0);
    return op.u.physinfo;
}

long free_pages_of_machine(void)
{
    return (long)physinfo().free_pages;
}

unsigned int cpus_of_machine(void)
{
    return physinfo().nr_cpus;
}

/* Xen frees and scrubs in its idle time. */
bool free_again(long pages)
{
    return COMES(free_pages_of_machine() >= pages);
}

unsigned int words_other_than(const uint64_t *page, uint64_t value)
{
    unsigned int count = 0;

    for (unsigned int i = 0; i < 512; i++)
        count += page[i] != value;
    return count;
}

void fill_page(uint64_t *page)
{
    for (unsigned int i = 0; i < 512; i++)
        page[i] = OTHER_PATTERN;
}

/* ---- its grant table, of which the first frame is seen here ---- */

void *grant_frames(domid_t domid, unsigned int count)
{
    unsigned long frames[8];
    struct gnttab_setup_table setup = { .dom = domid, .nr_frames = count };
    void *va;

    set_xen_guest_handle(setup.frame_list, frames);
    NEED(HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 1) == 0 &&
         setup.status == GNTST_okay);
    va = map_frames(frames, count, PROT_RW, domid, NULL);
    NEED(!IS_ERR(va));
    return va;
}

void other_grant(struct other *o, unsigned int ref, domid_t to, unsigned long mfn,
                 unsigned int flags)
{
    grant_entry_v1_t *table = grant_frames(o->id, 1);

    table[ref] = (grant_entry_v1_t){ .flags = (uint16_t)flags,
                                     .domid = to,
                                     .frame = (uint32_t)mfn };
    unmap_frames(table, 1);
}

uint16_t other_grant_flags(struct other *o, unsigned int ref)
{
    grant_entry_v1_t *table = grant_frames(o->id, 1);
    uint16_t flags = table[ref].flags;

    unmap_frames(table, 1);
    return flags;
}
