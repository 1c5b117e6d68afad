/* SPDX-License-Identifier: MIT */
/*
 * The end of a domain that holds much: everything a domain can hold, down to a table half validated
 * when a call of its was interrupted, leaves nothing behind: as many pages are free as before. What
 * others have of it stays until they let go. Idea: XSA-45, 310 (interrupted pins), 252, invariant
 * I10.
 */
#include "../lib/other.h"

#include <pvguest/bits.h>

#define SIZE    64u

static struct other other;

/* Pages of the hypervisor that it showed to a domain which has ended, and that we have mapped
 * still: nobody else gets them meanwhile. */
static void shared_pages_of_the_dead(void)
{
    static xen_pfn_t frames[256];
    struct xen_domctl gone = { .cmd = XEN_DOMCTL_destroydomain };
    struct shared_info *shared;
    uint64_t *grants;
    int id;

    other_begin(&other, 16);
    shared = other_shared_info(&other);
    grants = grant_frames(other.id, 1);
    unmap_frames(ADDRESS(other.mailbox), 1);
    unmap_frames(other.data, 1);
    gone.domain = other.id;
    CHECK_IS(domctl(&gone), 0);
    fill_page(ADDRESS(shared));
    fill_page(grants);
    id = domain_make(256);
    NEED(id > 0 && domain_populate((domid_t)id, frames, 256, 0) == 256);
    CHECK_IS(words_other_than(ADDRESS(shared), OTHER_PATTERN), 0);
    CHECK_IS(words_other_than(grants, OTHER_PATTERN), 0);
    domain_unmake((domid_t)id);
    unmap_frames(shared, 1);
    unmap_frames(grants, 1);
    CHECK(COMES(domain_pages(other.id) < 0));
}

/* ---- the end of one that holds much ---- */

/* Tables of the other domain, written while they are plain pages: an L2 of `count` full L1s, at its
 * page numbers from `first` on. */
static void build_big_tree(const struct other *o, unsigned int first, unsigned int count)
{
    uint64_t *l2 = other_map(o, first);

    for (unsigned int t = 0; t < count; t++) {
        uint64_t *l1 = other_map(o, first + 1 + t);

        l2[t] = (uint64_t)o->frame[first + 1 + t] << PAGE_SHIFT | PROT_TABLE;
        for (unsigned int i = 0; i < 512; i++)
            l1[i] = (uint64_t)o->frame[OTHER_FREE + i % 4] << PAGE_SHIFT | PROT_RO;
        unmap_frames(l1, 1);
    }
    unmap_frames(l2, 1);
    for (unsigned int pfn = first; pfn <= first + count; pfn++) {
        struct mmu_update update = { (uint64_t)o->frame[OTHER_L1] << PAGE_SHIFT | pfn * 8,
                                     (uint64_t)o->frame[pfn] << PAGE_SHIFT | PROT_RO };
        NEED(HYPERVISOR_mmu_update(&update, 1, NULL, (o->id + 1U) << 16 | o->id) == 0);
    }
}

static unsigned long page_info(domid_t id, xen_pfn_t frame)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getpageframeinfo3, .domain = id };
    xen_pfn_t list[1] = { frame };

    op.u.getpageframeinfo3.num = 1;
    set_xen_guest_handle(op.u.getpageframeinfo3.array, list);
    NEED(domctl(&op) == 0);
    return list[0];
}

/* It pins a tree that takes long; our timer interrupts that; we end it before it goes on. True: the
 * table was half way then. */
static bool ended_within_a_pin(unsigned int delay_us)
{
    enum { FIRST = OTHER_FREE + 4, TABLES = 100 };
    struct mmuext_op pin = { .cmd = MMUEXT_PIN_L2_TABLE };
    unsigned long info;
    bool parked;

    other_begin(&other, FIRST + 1 + TABLES);
    build_big_tree(&other, FIRST, TABLES);
    pin.arg1.mfn = other.frame[FIRST];
    memcpy(other.data, &pin, sizeof(pin));
    other_call(&other, __HYPERVISOR_xen_version, XENVER_version, 0, 0, 0);
    other_ask(&other, __HYPERVISOR_mmuext_op, OTHER_VA(OTHER_DATA), 1, 0, DOMID_SELF);
    /* it runs meanwhile, and is interrupted by our timer */
    (void)vcpu_poll(NULL, 0, now_ns() + delay_us * NS_PER_US);
    other_pause(&other, true);
    info = page_info(other.id, other.frame[FIRST]);
    parked = info == XEN_DOMCTL_PFINFO_L2TAB;                       /* a table, and not pinned */
    other_end(&other);
    return parked;
}

static void parked_tables(void)
{
    long before;
    unsigned int parked = 0;

    /* the first of its kind fills caches that stay */
    (void)ended_within_a_pin(50);
    before = free_pages_of_machine();
    for (unsigned int i = 0; i < 40; i++) {
        parked += ended_within_a_pin(20 + i * 25);
        CHECK(free_again(before));
    }
    printk("other-memory: %u domains ended with a table half way\n", parked);
    if (on_domus())
        CHECK(parked > 0);
}

/* Grants mapped and given, ports of all kinds, descriptor tables, a registered vcpu_info, user
 * tables, pins: all at once. */
static void ask_well(unsigned long number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4)
{
    CHECK_IS(other_call(&other, number, a1, a2, a3, a4), 0);
}

/* Mapped, refused, unmapped, copied from: no reference to the domain is left, or it would stay in
 * memory for ever. */
static void we_use_their_grants(unsigned int pfn)
{
    uint64_t *ours = alloc_zeroed_page();
    struct grant_map map;

    NEED(ours);
    other_grant(&other, 10, own_domid(), other.frame[pfn], GTF_permit_access | GTF_readonly);
    CHECK_IS(grant_map(other.id, 10, true, &map), 0);
    CHECK_IS(grant_unmap(&map), 0);
    CHECK_REFUSED(grant_map(other.id, 10, false, &map));
    CHECK_REFUSED(grant_map(other.id, 11, true, &map));
    CHECK_IS(grant_copy_from(ours, other.id, 10, 0, 64), 0);
    CHECK_REFUSED(grant_copy_to(other.id, 10, 0, ours, 64));
    /* tables of a domain that there is not, frames of this one */
    struct mmu_update update = { entry_address(ours, 1), 0 };
    CHECK_REFUSED(HYPERVISOR_mmu_update(&update, 1, NULL, 4243u << 16 | other.id));
    free_page(ours);
}

static void hold_much(void)
{
    enum { GDT = OTHER_FREE, LDT, INFO, TABLE, USER };
    struct vcpu_register_vcpu_info info = { .mfn = other.frame[INFO], .offset = 64 };
    struct mmuext_op op = { .cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = other.frame[TABLE] };
    struct gnttab_map_grant_ref map = {
        .host_addr = OTHER_VA(USER + 1), .flags = GNTMAP_host_map, .ref = 9, .dom = other.id
    };
    struct evtchn_bind_virq virq = { .virq = VIRQ_TIMER };
    struct evtchn_bind_ipi ipi = { .vcpu = 0 };
    uint64_t frame = other.frame[GDT];

    for (unsigned int pfn = GDT; pfn <= USER; pfn++)
        if (pfn != INFO)
            ask_well(__HYPERVISOR_update_va_mapping, OTHER_VA(pfn),
                     (uint64_t)other.frame[pfn] << PAGE_SHIFT | PROT_RO, UVMF_INVLPG, 0);
    memcpy(other.data, &frame, sizeof(frame));
    ask_well(__HYPERVISOR_set_gdt, OTHER_VA(OTHER_DATA), 512, 0, 0);
    memcpy(other.data, &info, sizeof(info));
    ask_well(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, OTHER_VA(OTHER_DATA), 0);
    /* what was pending before is found again: all is looked at */
    struct vcpu_info *there = other_map(&other, INFO);
    there = (struct vcpu_info *)(void *)((char *)there + 64);
    CHECK(there->evtchn_upcall_pending == 1 && there->evtchn_pending_sel == ~0UL);
    unmap_frames((char *)there - 64, 1);
    memcpy(other.data, &op, sizeof(op));
    ask_well(__HYPERVISOR_mmuext_op, OTHER_VA(OTHER_DATA), 1, 0, DOMID_SELF);
    op.cmd = MMUEXT_NEW_USER_BASEPTR;
    op.arg1.mfn = other.frame[USER];
    memcpy(other.data, &op, sizeof(op));
    ask_well(__HYPERVISOR_mmuext_op, OTHER_VA(OTHER_DATA), 1, 0, DOMID_SELF);
    other_grant(&other, 9, other.id, other.frame[USER + 2], GTF_permit_access);
    CHECK_IS(other_grant_op(&other, GNTTABOP_map_grant_ref, &map, sizeof(map)), 0);
    CHECK_IS(map.status, GNTST_okay);
    we_use_their_grants(USER + 3);
    CHECK_IS(
        other_op(&other, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, &virq, sizeof(virq)),
        0);
    CHECK_IS(other_op(&other, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, &ipi, sizeof(ipi)),
             0);
}

/* Not what caches keep. */
static bool is_back(long pages)
{
    for (uint64_t until = now_ns() + 10 * NS_PER_S; now_ns() < until; vcpu_yield())
        if (free_pages_of_machine() >= pages) return true;
    return false;
}

/* A timer that is set, too: when its time comes, the memory that it was in is somebody else's. All
 * comes back, but for caches that stay: the next one may grow them once more, if what the last one
 * had is not yet free. */
static void all_at_once(void)
{
    uint64_t when = now_ns() + 2 * NS_PER_S;
    unsigned int whole = 0;

    for (unsigned int i = 0; i < 8 && whole < 3; i++) {
        long before = free_pages_of_machine();

        other_begin(&other, SIZE);
        hold_much();
        ask_well(__HYPERVISOR_set_timer_op, when, 0, 0, 0);
        other_end(&other);
        whole += is_back(before);
    }
    CHECK_IS(whole, 3);
    CHECK_IS(vcpu_poll(NULL, 0, when + 10 * NS_PER_MS), 0);
}

/* The last vCPU that goes down takes the domain with it. */
static void the_last_vcpu(void)
{
    struct xen_domctl info = { .cmd = XEN_DOMCTL_getdomaininfo };
    uint64_t until = now_ns() + 10 * NS_PER_S;

    other_begin(&other, 16);
    other_ask(&other, __HYPERVISOR_vcpu_op, VCPUOP_down, 0, 0, 0);
    do {
        vcpu_yield();
        info.domain = other.id;
        NEED(domctl(&info) == 0);
    } while (!(info.u.getdomaininfo.flags & XEN_DOMINF_shutdown) && now_ns() < until);
    CHECK(info.u.getdomaininfo.flags & XEN_DOMINF_shutdown);
    CHECK_IS(info.u.getdomaininfo.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask,
             SHUTDOWN_poweroff);
    CHECK(!other_done(&other));
    other_end(&other);
}

void test_main(void)
{
    the_last_vcpu();
    shared_pages_of_the_dead();
    all_at_once();
    parked_tables();
}
