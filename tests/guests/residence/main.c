/* SPDX-License-Identifier: MIT */
/*
 * The longest that a guest can keep ring 0 busy with one entry: each call at its worst, long lists,
 * and multicalls of the costly ones. The guest only makes the calls; who counts instructions
 * between two guest instructions is QEMU, with the plugin tools/residence.c (test_residence.py). It
 * runs as dom0, which may call everything. Idea: XSA-45, 58, 127, 149, 246 (operations that do not
 * give way).
 * machine: vcpus
 * on xen: SKIP
 */
#include "../lib/vcpus.h"
#include "crash.h"
#include <xen/domctl.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/sysctl.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <abi/domus.h>

#define TABLES 40

static uint64_t *l2, *tables[TABLES];
static uint8_t *pages[512];
static struct multicall_entry calls[CALLS];

void many(unsigned long number, const unsigned long arguments[6])
{
    for (unsigned int i = 0; i < CALLS; i++) {
        calls[i] = (struct multicall_entry){ .op = number };
        memcpy(calls[i].args, arguments, sizeof(calls[i].args));
    }
    CHECK_IS(HYPERVISOR_multicall(calls, CALLS), 0);
}

/* ---- page tables ---- */

static void fill(uint64_t *table, uint64_t flags)
{
    static struct mmu_update updates[512];

    for (unsigned int i = 0; i < 512; i++)
        updates[i] = (struct mmu_update){ virt_to_machine(table) + i * 8,
                                          (uint64_t)virt_to_mfn(pages[i]) << PAGE_SHIFT | flags };
    CHECK_IS(HYPERVISOR_mmu_update(updates, 512, NULL, DOMID_SELF), 0);
}

static void link_tables(bool in)
{
    static struct mmu_update updates[TABLES];

    for (unsigned int t = 0; t < TABLES; t++)
        updates[t] = (struct mmu_update){
            virt_to_machine(l2 + t),
            in ? (uint64_t)virt_to_mfn(tables[t]) << PAGE_SHIFT | PROT_TABLE : 0
        };
    CHECK_IS(HYPERVISOR_mmu_update(updates, TABLES, NULL, DOMID_SELF), 0);
    for (unsigned int t = 0; t < CALLS; t++)
        calls[t] = (struct multicall_entry){ .op = __HYPERVISOR_mmu_update,
                                             .args = { address(&updates[t % TABLES]), 1, 0,
                                                       DOMID_SELF } };
    CHECK_IS(HYPERVISOR_multicall(calls, CALLS), 0);
}

static void page_tables(uint64_t flags)
{
    for (unsigned int t = 0; t < TABLES; t++)
        fill(tables[t], flags);
    /* into a page that is no table yet: plain stores */
    link_tables(true);
    CHECK_IS(mmuext_mfn(MMUEXT_PIN_L2_TABLE, virt_to_mfn(l2)), 0);
    link_tables(false);
    /* into a table: each entry validates a table of 512 */
    link_tables(true);
    CHECK_IS(mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(l2)), 0);
    for (unsigned int t = 0; t < TABLES; t++)
        fill(tables[t], 0);
}

/* Tables of nothing become valid and cease to be. */
static void empty_tables(void)
{
    static const unsigned int pins[] = { MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE,
                                         MMUEXT_PIN_L3_TABLE, MMUEXT_PIN_L4_TABLE };
    static struct mmu_update updates[512];
    static struct mmuext_op ops[512];
    unsigned long upper = virt_to_mfn(tables[1]);

    for (unsigned int level = 0; level < 4; level++) {
        for (unsigned int i = 0; i < 512; i++)
            ops[i] = (struct mmuext_op){ .cmd = i % 2 ? MMUEXT_UNPIN_TABLE : pins[level],
                                         .arg1.mfn = virt_to_mfn(tables[0]) };
        CHECK_IS(HYPERVISOR_mmuext_op(ops, 512, NULL, DOMID_SELF), 0);
        if (!level)
            continue;
        /* what was an L4 still has the entries that are the hypervisor's own */
        fill(tables[0], 0);
        CHECK_IS(mmuext_mfn(pins[level], upper), 0);
        for (unsigned int i = 0; i < 512; i++)
            updates[i] = (struct mmu_update){
                virt_to_machine(tables[1]) + 511 * 8,
                i % 2 ? 0 : (uint64_t)virt_to_mfn(tables[0]) << PAGE_SHIFT | PROT_TABLE
            };
        CHECK_IS(HYPERVISOR_mmu_update(updates, 512, NULL, DOMID_SELF), 0);
        CHECK_IS(mmuext_mfn(MMUEXT_UNPIN_TABLE, upper), 0);
    }
}

static void frames_by_number(void)
{
    static struct mmuext_op clear[512], copy[512];
    struct mmuext_op flush = { .cmd = MMUEXT_TLB_FLUSH_ALL };

    for (unsigned int i = 0; i < 512; i++) {
        clear[i] = (struct mmuext_op){ .cmd = MMUEXT_CLEAR_PAGE,
                                       .arg1.mfn = virt_to_mfn(tables[i % TABLES]) };
        copy[i] = (struct mmuext_op){ .cmd = MMUEXT_COPY_PAGE,
                                      .arg1.mfn = virt_to_mfn(tables[i % TABLES]),
                                      .arg2.src_mfn = virt_to_mfn(pages[i]) };
    }
    CHECK_IS(HYPERVISOR_mmuext_op(clear, 512, NULL, DOMID_SELF), 0);
    CHECK_IS(HYPERVISOR_mmuext_op(copy, 512, NULL, DOMID_SELF), 0);
    for (unsigned int i = 0; i < 512; i++)          /* onto itself */
        copy[i].arg2.src_mfn = copy[i].arg1.mfn;
    CHECK_IS(HYPERVISOR_mmuext_op(copy, 512, NULL, DOMID_SELF), 0);
    MANY(__HYPERVISOR_mmuext_op, address(clear), 1, 0, DOMID_SELF);
    MANY(__HYPERVISOR_mmuext_op, address(&flush), 1, 0, DOMID_SELF);
    MANY(__HYPERVISOR_update_va_mapping, address(pages[1]),
         (uint64_t)virt_to_mfn(pages[1]) << PAGE_SHIFT | PROT_RW, UVMF_TLB_FLUSH | UVMF_ALL);
    CHECK_IS(HYPERVISOR_mmuext_op(clear, TABLES, NULL, DOMID_SELF), 0);
}

/* ---- grants ---- */

static void grants(void)
{
    static struct gnttab_copy copies[256];
    static struct gnttab_map_grant_ref maps[128];
    static struct gnttab_unmap_grant_ref unmaps[128];
    static unsigned long frames[128];
    uint8_t *area;

    for (unsigned int i = 0; i < 128; i++)
        frames[i] = virt_to_mfn(pages[i]);
    area = map_frames(frames, 128, PROT_RO, DOMID_SELF, NULL);
    NEED(area && is_dom0());
    for (unsigned int i = 0; i < 256; i++)
        copies[i] = (struct gnttab_copy){
            .source = { .u.gmfn = virt_to_mfn(pages[i]), .domid = DOMID_SELF },
            .dest = { .u.gmfn = virt_to_mfn(pages[i + 256]), .domid = DOMID_SELF },
            .len = PAGE_SIZE
        };
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_copy, copies, 256), 0);
    CHECK_IS(copies[255].status, GNTST_okay);
    MANY(__HYPERVISOR_grant_table_op, GNTTABOP_copy, address(copies), 16);
    /* within a page, a little further: from the end down */
    for (unsigned int i = 0; i < 256; i++) {
        copies[i].dest = copies[i].source;
        copies[i].dest.offset = 1;
        copies[i].len = PAGE_SIZE - 1;
    }
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_copy, copies, 256), 0);
    CHECK_IS(copies[255].status, GNTST_okay);

    for (unsigned int i = 0; i < 128; i++) {
        grant_ref_t ref = (grant_ref_t)grant_page(0, pages[i], false);

        maps[i] = (struct gnttab_map_grant_ref){ .host_addr = address(area) + i * PAGE_SIZE,
                                                 .flags = GNTMAP_host_map,
                                                 .ref = ref,
                                                 .dom = 0 };
    }
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, maps, 128), 0);
    for (unsigned int i = 0; i < 128; i++) {
        CHECK_IS(maps[i].status, GNTST_okay);
        unmaps[i] = (struct gnttab_unmap_grant_ref){ .host_addr = maps[i].host_addr,
                                                     .handle = maps[i].handle };
    }
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, unmaps, 128), 0);
    for (unsigned int i = 0; i < 128; i++)
        CHECK_IS(unmaps[i].status, GNTST_okay);
}

/* ---- memory ---- */

long control(struct xen_domctl *op, uint32_t command, domid_t domain)
{
    op->cmd = command;
    op->domain = domain;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    return HYPERVISOR_domctl(op);
}

/* None of them becomes free when it is given back; all of them do when the table that maps them
 * goes. */
static void given_back_while_mapped(struct xen_memory_reservation *r, const xen_pfn_t frames[512])
{
    static struct mmu_update updates[512];

    for (unsigned int i = 0; i < 512; i++)
        updates[i] = (struct mmu_update){ virt_to_machine(tables[0]) + i * 8,
                                          (uint64_t)frames[i] << PAGE_SHIFT | PROT_RO };
    CHECK_IS(HYPERVISOR_mmu_update(updates, 512, NULL, DOMID_SELF), 0);
    CHECK_IS(mmuext_mfn(MMUEXT_PIN_L1_TABLE, virt_to_mfn(tables[0])), 0);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_decrease_reservation, r), (long)r->nr_extents);
    CHECK_IS(mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(tables[0])), 0);
    fill(tables[0], 0);
}

/* And 2 MiB of them, which are one extent. */
static void extent_given_back_while_mapped(void)
{
    static xen_pfn_t frames[512];
    struct xen_memory_reservation r = { .nr_extents = 1, .extent_order = 9, .domid = DOMID_SELF };

    set_xen_guest_handle(r.extent_start, frames);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_increase_reservation, &r), 1);
    for (unsigned int i = 1; i < 512; i++)
        frames[i] = frames[0] + i;
    given_back_while_mapped(&r, frames);
}

static void reservations(void)
{
    static xen_pfn_t extents[512];
    struct xen_memory_reservation r = { .nr_extents = 4, .extent_order = 9, .domid = DOMID_SELF };
    struct xen_domctl op = { .u.max_mem.max_memkb = 512 << 10 };

    CHECK_IS(control(&op, XEN_DOMCTL_max_mem, DOMID_SELF), 0);
    set_xen_guest_handle(r.extent_start, extents);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_increase_reservation, &r), 4);
    for (unsigned int e = 0; e < 4; e++)
        CHECK_IS(extents[e] & 511, 0);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r), 4);
    r.nr_extents = 512;
    r.extent_order = 0;
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_increase_reservation, &r), 512);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r), 512);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_increase_reservation, &r), 512);
    given_back_while_mapped(&r, extents);
    extent_given_back_while_mapped();
    r.nr_extents = 1;
    r.extent_order = 4;
    extents[0] = 0;
    set_xen_guest_handle(r.extent_start, (xen_pfn_t *)NULL);
    MANY(__HYPERVISOR_memory_op, XENMEM_increase_reservation, address(&r));
}

/*
 * Memory below an address that no frame lies below, while the heap is in pieces: of each extent
 * every other block is free, so it looks at the pieces of all sizes in vain.
 */
#define ORDERS 5
#define EXTENTS ((1 << ORDERS) - 1)
static xen_pfn_t large[EXTENTS];

static void every_other_block(unsigned int which)
{
    static xen_pfn_t blocks[256];
    struct xen_memory_reservation r = { .domid = DOMID_SELF };
    const xen_pfn_t *base = large;

    set_xen_guest_handle(r.extent_start, blocks);
    for (unsigned int order = 0; order < ORDERS; order++)
        for (unsigned int extent = 0; extent < 1u << order; extent++, base++) {
            r.extent_order = order;
            r.nr_extents = 256 >> order;
            for (unsigned int i = 0; i < r.nr_extents; i++)
                blocks[i] = *base + ((2 * i + which) << order);
            CHECK_IS(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r), (long)r.nr_extents);
        }
}

static void low_memory(void)
{
    static xen_pfn_t none;
    struct xen_memory_reservation r = { .nr_extents = EXTENTS,
                                        .extent_order = 9,
                                        .domid = DOMID_SELF };

    set_xen_guest_handle(r.extent_start, large);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_increase_reservation, &r), EXTENTS);
    every_other_block(0);
    r = (struct xen_memory_reservation){ .nr_extents = 1,
                                         .mem_flags = XENMEMF_address_bits(13),
                                         .domid = DOMID_SELF };
    set_xen_guest_handle(r.extent_start, &none);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_increase_reservation, &r), 0);
    MANY(__HYPERVISOR_memory_op, XENMEM_increase_reservation, address(&r));
    every_other_block(1);
}

/* ---- descriptors, traps, contexts ---- */

/* A page of descriptors that is refused for its last. */
static void refused_descriptors(void)
{
    uint64_t *page = (uint64_t *)(void *)pages[0];
    unsigned long frame = virt_to_mfn(page);

    for (unsigned int i = 0; i < 511; i++)
        page[i] = 0x00cff3000000ffff;               /* data */
    page[511] = 0x00008c0000000000;                 /* a call gate */
    NEED(page_set_readonly(page, true) == 0);
    CHECK_IS(HYPERVISOR_set_gdt(&frame, 512), -EINVAL);
    MANY(__HYPERVISOR_set_gdt, address(&frame), 512);
    NEED(page_set_readonly(page, false) == 0);
    memset(page, 0, PAGE_SIZE);
}

static void tables_of_the_cpu(void)
{
    static struct trap_info traps[257];
    static struct mmuext_op ldts[512];
    unsigned long frames[14];

    for (unsigned int i = 0; i < 14; i++)
        frames[i] = virt_to_mfn(tables[i]);
    CHECK_IS(HYPERVISOR_set_gdt(frames, 14 * 512), 0);
    MANY(__HYPERVISOR_set_gdt, address(frames), 14 * 512);
    frames[13] = ~0UL;                              /* refused at the last */
    CHECK_IS(HYPERVISOR_set_gdt(frames, 14 * 512) < 0, 1);
    MANY(__HYPERVISOR_set_gdt, address(frames), 14 * 512);
    CHECK_IS(HYPERVISOR_set_gdt(frames, 0), 0);
    for (unsigned int i = 0; i < 512; i++)
        ldts[i] = (struct mmuext_op){ .cmd = MMUEXT_SET_LDT,
                                      .arg1.linear_addr = address(pages[i % 2]),
                                      .arg2.nr_ents = i < 511 ? 512 : 0 };
    CHECK_IS(HYPERVISOR_mmuext_op(ldts, 512, NULL, DOMID_SELF), 0);
    for (unsigned int i = 0; i < 256; i++)
        traps[i] = (struct trap_info){ .vector = 200,
                                       .cs = FLAT_KERNEL_CS,
                                       .address = address(pages[0]) };
    CHECK_IS(HYPERVISOR_set_trap_table(traps), 0);
    MANY(__HYPERVISOR_set_trap_table, address(traps));
    MANY(__HYPERVISOR_set_trap_table, 0);
    refused_descriptors();
}

/*
 * A long call, and behind it the turn of a vCPU of which each selector is in a page of its LDT that
 * nobody has looked at, and that is refused for its last descriptor.
 */
#define SELECTORS 6
#define IN_PAGE(n) ((n) << 12 | 7)
static uint8_t *ldt;
static volatile bool arrived;

static void down(unsigned long id)
{
    arrived = true;
    for (;;)
        HYPERVISOR_vcpu_op(VCPUOP_down, 1, NULL);
}

static void with_an_ldt(struct vcpu_guest_context *c)
{
    c->user_regs.ds = IN_PAGE(0);
    c->user_regs.es = IN_PAGE(1);
    c->user_regs.fs = IN_PAGE(2);
    c->user_regs.gs = IN_PAGE(3);
    c->user_regs.cs = IN_PAGE(4);
    c->user_regs.ss = IN_PAGE(5);
    c->ldt_base = address(ldt);
    c->ldt_ents = SELECTORS * 512;
    c->failsafe_callback_eip = address(down);
    for (unsigned int i = 0; i < 32; i++)
        c->trap_ctxt[i] = (struct trap_info){ .vector = (uint8_t)i,
                                              .cs = FLAT_KERNEL_CS,
                                              .address = address(down) };
}

static void selectors(void)
{
    struct mmuext_op clear = { .cmd = MMUEXT_CLEAR_PAGE, .arg1.mfn = virt_to_mfn(tables[0]) };
    unsigned long frames[SELECTORS];

    for (unsigned int p = 0; p < SELECTORS; p++) {
        uint64_t *page = (uint64_t *)(void *)pages[p];

        for (unsigned int i = 0; i < 511; i++)
            page[i] = p == 4 ? 0x00affb000000ffff : 0x00cff3000000ffff;     /* code, data */
        page[511] = 0x00008c0000000000;
        NEED(page_set_readonly(page, true) == 0);
        frames[p] = virt_to_mfn(page);
    }
    ldt = map_frames(frames, SELECTORS, PROT_RO, DOMID_SELF, NULL);
    NEED(!IS_ERR(ldt));
    shared_info.vcpu_info[1].evtchn_upcall_mask = 1;
    NEED(vcpu_prepare_with(1, down, with_an_ldt) == 0);
    for (unsigned int i = 0; i < CALLS; i++)
        calls[i] = (struct multicall_entry){ .op = __HYPERVISOR_mmuext_op,
                                             .args = { address(&clear), 1, 0, DOMID_SELF } };
    calls[0] = (struct multicall_entry){ .op = __HYPERVISOR_vcpu_op, .args = { VCPUOP_up, 1, 0 } };
    calls[1] = (struct multicall_entry){ .op = __HYPERVISOR_sched_op,
                                         .args = { SCHEDOP_yield, 0 } };
    CHECK_IS(HYPERVISOR_multicall(calls, CALLS), 0);
    while (!arrived || HYPERVISOR_vcpu_op(VCPUOP_is_up, 1, NULL))
        HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
    unmap_frames(ldt, SELECTORS);
    for (unsigned int p = 0; p < SELECTORS; p++) {
        NEED(page_set_readonly(pages[p], false) == 0);
        memset(pages[p], 0, PAGE_SIZE);
    }
}

/* ---- short calls, many times ---- */

/* With every port in use, the search for a free one is the longest. */
static void all_ports(struct evtchn_alloc_unbound *alloc)
{
    struct evtchn_close close = { .port = alloc->port };
    evtchn_port_t last_port = 0;

    while (HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, alloc) == 0)
        last_port = alloc->port;
    MANY(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, address(alloc));
    for (; close.port <= last_port; close.port++)
        CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_close, &close), 0);
}

static void short_calls(void)
{
    static struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
    static char text[1024];
    static struct sched_poll poll = { .nr_ports = 128, .timeout = 1 };
    static evtchn_port_t ports[128];
    static struct xen_sysctl info = { .cmd = XEN_SYSCTL_physinfo,
                                      .interface_version = XEN_SYSCTL_INTERFACE_VERSION };
    static struct vcpu_runstate_info runstate;
    static struct domus_last_error refusal;

    MANY(__HYPERVISOR_xen_version, XENVER_commandline, address(text));
    MANY(__HYPERVISOR_xen_version, XENVER_capabilities, address(text));
    MANY(__HYPERVISOR_sysctl, address(&info));
    MANY(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0, address(&runstate));
    MANY(__HYPERVISOR_set_timer_op, now_ns() + NS_PER_S);
    MANY(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
    CHECK_IS(HYPERVISOR_update_va_mapping(~0ul << 12, ~0ul, 0) < 0, 1);
    MANY(__HYPERVISOR_domus_op, DOMUS_last_error, address(&refusal));
    MANY(__HYPERVISOR_mmu_update, 8, 1, 8, DOMID_SELF);
    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc), 0);
    for (unsigned int i = 0; i < 128; i++)
        ports[i] = alloc.port;
    set_xen_guest_handle(poll.ports, ports);
    CHECK_IS(HYPERVISOR_sched_op(SCHEDOP_poll, &poll), 0);
    MANY(__HYPERVISOR_sched_op, SCHEDOP_poll, address(&poll));
    all_ports(&alloc);
    for (unsigned int i = 0; i < 16; i++)
        CHECK_IS(HYPERVISOR_console_io(CONSOLEIO_write, 0, text), 0);
}

/* A repeated string instruction on a port that we may use: done by ring 0, element by element. */
static void strings(void)
{
    struct physdev_set_iopl iopl = { .iopl = 1 };
    unsigned long count = 4096;
    const void *from = pages[0];

    if (HYPERVISOR_physdev_op(PHYSDEVOP_set_iopl, &iopl) != 0) return;
    __asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(0x80) : "memory");
    CHECK_IS(count, 0);
}

/* Short calls again, whose argument is under all the breakpoints that there are: each time that
 * ring 0 reads or writes it is an exception of its own. */
static void breakpoints(void)
{
    static union { struct evtchn_status status; struct vcpu_runstate_info runstate; } watched;

    watched.status = (struct evtchn_status){ .dom = DOMID_SELF, .port = 1 };
    for (int i = 0; i < 4; i++)
        CHECK_IS(HYPERVISOR_set_debugreg(i, address(&watched) + 8 * (unsigned long)i), 0);
    CHECK_IS(HYPERVISOR_set_debugreg(7, 0xbbbb00ff), 0);        /* eight bytes, read and written */
    MANY(__HYPERVISOR_event_channel_op, EVTCHNOP_status, address(&watched.status));
    MANY(__HYPERVISOR_memory_op, XENMEM_increase_reservation, address(&watched));
    MANY(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0, address(&watched.runstate));
    CHECK_IS(HYPERVISOR_set_debugreg(7, 0), 0);
}

/* ---- a domain, made and destroyed ---- */

static void a_domain(void)
{
    static xen_pfn_t extents[4];
    static struct xen_domctl op;
    struct xen_memory_reservation r = { .nr_extents = 4, .extent_order = 9 };
    domid_t domain;

    op.u.createdomain = (struct xen_domctl_createdomain){ .max_vcpus = 32,
                                                          .max_evtchn_port = 4095,
                                                          .max_grant_frames = 64,
                                                          .max_maptrack_frames = 64,
                                                          .grant_opts = XEN_DOMCTL_GRANT_version(
                                                              1) };
    NEED(control(&op, XEN_DOMCTL_createdomain, 0) == 0);
    domain = op.domain;
    op.u.max_vcpus.max = 32;
    CHECK_IS(control(&op, XEN_DOMCTL_max_vcpus, domain), 0);
    op.u.max_mem.max_memkb = 16 << 10;
    CHECK_IS(control(&op, XEN_DOMCTL_max_mem, domain), 0);
    r.domid = domain;
    set_xen_guest_handle(r.extent_start, extents);
    for (unsigned int e = 0; e < 4; e++)
        extents[e] = e * 512;
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_populate_physmap, &r), 4);
    for (unsigned int port = 0; port < 4000; port++) {
        struct evtchn_alloc_unbound alloc = { .dom = domain, .remote_dom = DOMID_SELF };

        if (HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc) != 0)
            break;
        if (port == 3999)
            CHECK_IS(alloc.port, 4000);
    }
    struct evtchn_reset reset = { .dom = domain };

    CHECK_IS(HYPERVISOR_event_channel_op(EVTCHNOP_reset, &reset), 0);
    struct gnttab_setup_table setup = { .dom = domain, .nr_frames = 64 };
    static xen_pfn_t frames[64];

    set_xen_guest_handle(setup.frame_list, frames);
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 1), 0);
    CHECK_IS(setup.status, GNTST_okay);
    told(domain, extents[0]);
    CHECK_IS(control(&op, XEN_DOMCTL_destroydomain, domain), 0);
}

/* --- domains kept in memory by one grant mapping each; all these end at once --- */

static domid_t large_domain(grant_entry_v1_t **table)
{
    static struct xen_domctl op;
    static xen_pfn_t frames[64];
    struct gnttab_setup_table setup = { .nr_frames = 64 };

    op.u.createdomain = (struct xen_domctl_createdomain){ .max_vcpus = 32,
                                                          .max_evtchn_port = 4095,
                                                          .max_grant_frames = 64,
                                                          .max_maptrack_frames = 1,
                                                          .grant_opts = XEN_DOMCTL_GRANT_version(
                                                              1) };
    NEED(control(&op, XEN_DOMCTL_createdomain, 0) == 0);
    setup.dom = op.domain;
    op.u.max_vcpus.max = 32;
    CHECK_IS(control(&op, XEN_DOMCTL_max_vcpus, setup.dom), 0);
    op.u.max_mem.max_memkb = 64;
    CHECK_IS(control(&op, XEN_DOMCTL_max_mem, setup.dom), 0);
    set_xen_guest_handle(setup.frame_list, frames);
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 1), 0);
    CHECK_IS(setup.status, GNTST_okay);
    *table = map_frames(frames, 1, PROT_RW, setup.dom, NULL);
    NEED(!IS_ERR(*table));
    return setup.dom;
}

#define DEAD 16                                     /* as many as one batch of unmappings */
static void dead_domains(void)
{
    static struct gnttab_unmap_grant_ref unmaps[DEAD];
    static struct xen_domctl op;
    unsigned long frames[DEAD];
    uint8_t *area;

    for (unsigned int i = 0; i < DEAD; i++)
        frames[i] = virt_to_mfn(pages[i]);
    area = map_frames(frames, DEAD, PROT_RO, DOMID_SELF, NULL);
    NEED(!IS_ERR(area));
    for (unsigned int i = 0; i < DEAD; i++) {
        grant_entry_v1_t *table;
        domid_t domain = large_domain(&table);
        struct gnttab_map_grant_ref map = { .host_addr = address(area) + i * PAGE_SIZE,
                                            .flags = GNTMAP_host_map,
                                            .ref = 8,
                                            .dom = domain };
        xen_pfn_t frame = 0;
        struct xen_memory_reservation r = { .nr_extents = 1, .domid = domain };

        set_xen_guest_handle(r.extent_start, &frame);
        CHECK_IS(HYPERVISOR_memory_op(XENMEM_populate_physmap, &r), 1);
        table[8] = (grant_entry_v1_t){ .flags = GTF_permit_access,
                                       .domid = 0,
                                       .frame = (uint32_t)frame };
        CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &map, 1), 0);
        CHECK_IS(map.status, GNTST_okay);
        unmaps[i] = (struct gnttab_unmap_grant_ref){ .host_addr = map.host_addr,
                                                     .handle = map.handle };
        unmap_frames(table, 1);
        CHECK_IS(control(&op, XEN_DOMCTL_destroydomain, domain), 0);
    }
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, unmaps, DEAD), 0);
    for (unsigned int i = 0; i < DEAD; i++)
        CHECK_IS(unmaps[i].status, GNTST_okay);
}

/* Each of a list is refused; the hypervisor may say so in a line each (loglevel=3). */
static void refused(void)
{
    struct mmu_update update = { .ptr = 7 };

    MANY(__HYPERVISOR_set_segment_base, 99, 0);
    MANY(__HYPERVISOR_mmu_update, address(&update), 1, 0, DOMID_SELF);
}

void test_main(void)
{
    if (!on_domus())
        test_skip("what is measured is Domus");
    refused();
    if (number_option("refused", 0)) return;
    for (unsigned int i = 0; i < 512; i++)
        NEED((pages[i] = alloc_page()) != NULL);
    for (unsigned int t = 0; t < TABLES; t++)
        tables[t] = new_table();
    l2 = new_table();
    page_tables(PROT_RO);
    page_tables(PROT_RW);
    empty_tables();
    frames_by_number();
    grants();
    reservations();
    low_memory();
    tables_of_the_cpu();
    selectors();
    short_calls();
    strings();
    a_domain();
    a_crash(virt_to_mfn(tables[0]));
    dead_domains();
    a_crowd();
    many_crashes();
    breakpoints();
    asked_at_length();
    every_row();
}
