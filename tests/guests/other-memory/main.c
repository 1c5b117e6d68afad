/* SPDX-License-Identifier: MIT */
/*
 * Memory that goes from one domain to another. Nobody finds in it what somebody left there: a
 * domain's pages, its grant table and its shared page are filled with a pattern, and the next
 * owner, whatever way it comes by the frames, must see zeroes. A frame that was given back stays
 * what it is while somebody has it mapped. Limits are kept when they are lowered below what is
 * there. Foreign mappings are of the domain that was named, and no one's page table can be had
 * writable. Idea: XSA-22, 100, 280, 385 (limits).
 */
#include "../lib/other.h"

#include <pvguest/bits.h>
#include <xen/sysctl.h>

#define SIZE    64u

static struct other other, next;

/* ---- nobody sees what another left ---- */

static void dirty_all(struct other *o)
{
    uint64_t *grants = grant_frames(o->id, 4), *shared = ADDRESS(other_shared_info(o));

    other_pause(o, true);
    for (unsigned int i = OTHER_FREE; i < o->pages; i++) {
        uint64_t *page = other_map(o, i);
        fill_page(page);
        unmap_frames(page, 1);
    }
    for (unsigned int i = 0; i < 4; i++)
        fill_page(grants + i * 512);
    fill_page(shared);
    unmap_frames(grants, 4);
    unmap_frames(shared, 1);
}

static void all_clean(domid_t id, const xen_pfn_t *frames, unsigned int count)
{
    unsigned int dirty = 0;
    uint64_t *grants = grant_frames(id, 4);

    for (unsigned int i = 0; i < count; i++) {
        uint64_t *page = map_frames((const unsigned long *)&frames[i], 1, PROT_RW, id, NULL);
        NEED(!IS_ERR(page));
        dirty += words_other_than(page, 0) != 0;
        unmap_frames(page, 1);
    }
    /* Xen leaves it to a living domain to clear what it gives back */
    if (on_domus())
        CHECK_IS(dirty, 0);
    for (unsigned int i = 0; i < 4; i++)
        CHECK_IS(words_other_than(grants + 512 * i, 0), 0);
    unmap_frames(grants, 4);
}

static unsigned int in_both(const xen_pfn_t *a, const xen_pfn_t *b, unsigned int count)
{
    unsigned int found = 0;

    for (unsigned int i = 0; i < count; i++)
        for (unsigned int j = 0; j < count; j++)
            found += a[i] == b[j];
    return found;
}

/* A new domain has, most likely, the frames of the one that has just ended. */
static void the_next_domain_sees_nothing(void)
{
    static xen_pfn_t frames[SIZE];
    struct xen_memory_reservation r = { .nr_extents = SIZE };
    struct shared_info *shared;
    int id;

    other_begin(&other, SIZE);
    dirty_all(&other);
    other_end(&other);
    id = domain_make(SIZE);
    NEED(id > 0);
    r.domid = next.id = (domid_t)id;
    for (unsigned int i = 0; i < SIZE; i++)
        frames[i] = i;
    set_xen_guest_handle(r.extent_start, frames);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_populate_physmap, &r), SIZE);
    /* which frames Xen takes is its business */
    if (on_domus())
        CHECK(in_both(other.frame, frames, SIZE) > SIZE / 2);
    all_clean(next.id, frames, SIZE);
    shared = other_shared_info(&next);
    /* it has a clock in it, so it is not all zero */
    for (unsigned int i = 0; i < 512; i++)
        CHECK(((uint64_t *)(void *)shared)[i] != OTHER_PATTERN);
    CHECK(shared->evtchn_pending[1] == 0 && shared->evtchn_mask[1] == 0);
    /* a vCPU begins without upcalls; Xen's toolstack sees to it */
    for (unsigned int i = 0; i < XEN_LEGACY_MAX_VCPUS && on_domus(); i++)
        CHECK_IS(shared->vcpu_info[i].evtchn_upcall_mask, 1);
    unmap_frames(shared, 1);
    domain_unmake(next.id);
}

/* The same by the ways in which a running domain comes by memory: populate, increase, exchange. */
static void we_see_nothing(void)
{
    static const unsigned int ways[] = { XENMEM_populate_physmap, XENMEM_increase_reservation };
    uint64_t *page = alloc_zeroed_page();
    unsigned long pfn = virt_to_pfn(page);
    domid_t self = DOMID_SELF;
    long owned = HYPERVISOR_memory_op(XENMEM_current_reservation, &self);

    for (unsigned int i = 0; i < 2; i++) {
        struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };
        xen_pfn_t frame = virt_to_mfn(page);

        fill_page(page);
        set_xen_guest_handle(r.extent_start, &frame);
        NEED(HYPERVISOR_update_va_mapping((unsigned long)page, 0, UVMF_INVLPG) == 0);
        CHECK_IS(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r), 1);
        CHECK_IS(HYPERVISOR_memory_op(XENMEM_current_reservation, &self), owned - 1);
        frame = pfn;
        CHECK_IS(HYPERVISOR_memory_op(ways[i], &r), 1);
        CHECK_IS(HYPERVISOR_memory_op(XENMEM_current_reservation, &self), owned);
        p2m[pfn] = frame;
        NEED(HYPERVISOR_update_va_mapping(
                 (unsigned long)page, (uint64_t)frame << PAGE_SHIFT | PROT_RW, UVMF_INVLPG) == 0);
        if (on_domus())
            CHECK_IS(words_other_than(page, 0), 0);
    }
    struct mmu_update update = { (uint64_t)virt_to_mfn(page) << PAGE_SHIFT | MMU_MACHPHYS_UPDATE,
                                 pfn };
    NEED(HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF) == 0);
    free_page(page);
}

/* ---- limits ---- */

static long set_limit(domid_t id, unsigned int pages)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_max_mem, .domain = id };

    op.u.max_mem.max_memkb = pages * 4;
    return domctl(&op);
}

static long give_back(domid_t id, xen_pfn_t *frames, unsigned int count)
{
    struct xen_memory_reservation r = { .nr_extents = count, .domid = id };

    set_xen_guest_handle(r.extent_start, frames);
    return HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r);
}

static void limits(void)
{
    static xen_pfn_t frames[32], more[32];
    int id = domain_make(16);

    NEED(id > 0);
    CHECK_IS(domain_populate((domid_t)id, frames, 32, 0), 16);
    CHECK_IS(domain_pages((domid_t)id), 16);
    CHECK_IS(domain_populate((domid_t)id, more, 1, 0), 0);
    CHECK_IS(set_limit((domid_t)id, 10), 0);                        /* below what it has */
    CHECK_IS(domain_populate((domid_t)id, more, 1, 0), 0);
    CHECK_IS(domain_pages((domid_t)id), 16);
    CHECK_IS(give_back((domid_t)id, frames, 6), 6);
    CHECK_IS(domain_pages((domid_t)id), 10);
    CHECK_IS(give_back((domid_t)id, frames, 1), 0);                 /* a second time */
    /* exactly at the limit */
    CHECK_IS(domain_populate((domid_t)id, more, 1, 0), 0);
    CHECK_IS(give_back((domid_t)id, frames + 6, 1), 1);
    /* two at once are one too many */
    CHECK_IS(domain_populate((domid_t)id, more, 1, 1), 0);
    CHECK_IS(domain_populate((domid_t)id, more, 2, 0), 1);
    CHECK_IS(domain_pages((domid_t)id), 10);
    CHECK_IS(set_limit((domid_t)id, 32), 0);
    CHECK_IS(domain_populate((domid_t)id, more + 1, 2, 3), 2);
    CHECK_IS(more[1] & 7, 0);                                       /* aligned to their size */
    CHECK_IS(domain_pages((domid_t)id), 26);
    CHECK_IS(mfn_to_pfn(more[2] + 5), 13);
    CHECK(domain_populate((domid_t)(id + 1), more, 1, 0) <= 0);
    domain_unmake((domid_t)id);
    CHECK(domain_populate((domid_t)id, more, 1, 0) <= 0);
}

/* Six pages are free, four of them for the list that the hypervisor makes: four frames are not to
 * be had, and two not lost. */
static void exchanged_for_what_is_not_there(domid_t id, xen_pfn_t *frames)
{
    uint64_t *area = alloc_machine_contiguous(2, 32);
    struct xen_memory_exchange x = {
        .in = { .nr_extents = 1, .extent_order = 2, .domid = DOMID_SELF },
        .out = { .nr_extents = 4, .domid = DOMID_SELF }
    };
    xen_pfn_t in = virt_to_mfn(area), out[4], kept = frames[0], give[6];

    for (unsigned int i = 0; i < 4; i++) {
        out[i] = virt_to_pfn(area) + i;
        give[i] = kept + i;
    }
    give[4] = kept + 8, give[5] = kept + 16;
    while (domain_populate(id, frames, 1, 0) == 1)
        ;
    CHECK_IS(free_pages_of_machine(), 0);
    CHECK_IS(give_back(id, give, 6), 6);
    for (unsigned int i = 0; i < 4; i++)
        NEED(HYPERVISOR_update_va_mapping((unsigned long)area + i * PAGE_SIZE, 0, UVMF_INVLPG) ==
             0);
    set_xen_guest_handle(x.in.extent_start, &in);
    set_xen_guest_handle(x.out.extent_start, out);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_exchange, &x), -ENOMEM);
    CHECK_IS(x.nr_exchanged, 0);
    CHECK_IS(free_pages_of_machine(), 6);
    for (unsigned int i = 0; i < 4; i++)
        CHECK_IS(HYPERVISOR_update_va_mapping((unsigned long)area + i * PAGE_SIZE,
                                              (uint64_t)(in + i) << PAGE_SHIFT | PROT_RW,
                                              UVMF_INVLPG),
                 0);
    free_pages(area, 2);
}

/* As much as the machine has: what could not be had is not counted, and all of it comes back. */
static void all_there_is(void)
{
    static xen_pfn_t frames[1024];
    long before = free_pages_of_machine(), done;
    int id = domain_make(1u << 22);

    NEED(id > 0);
    done = domain_populate((domid_t)id, frames, 1024, 9);
    CHECK_IS(domain_pages((domid_t)id), done * 512);
    NEED(done > 0);
    /* a machine of more than 2 GiB has more */
    CHECK(done == 1024 || domain_populate((domid_t)id, frames + 1023, 1, 9) == 0);
    CHECK_IS(domain_pages((domid_t)id), done * 512);
    if (on_domus())
        exchanged_for_what_is_not_there((domid_t)id, frames);
    domain_unmake((domid_t)id);
    CHECK(free_again(before - 512));
}

/* ---- memory that is kept for a domain ---- */

static long claim(struct xen_memory_reservation r)
{
    return HYPERVISOR_memory_op(XENMEM_claim_pages, &r);
}

static long claim_of(int id, unsigned long pages)
{
    return claim((struct xen_memory_reservation){ .domid = (domid_t)id, .nr_extents = pages });
}

static uint64_t kept_of_machine(void)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_physinfo,
                             .interface_version = XEN_SYSCTL_INTERFACE_VERSION };

    NEED(HYPERVISOR_sysctl(&op) == 0);
    return op.u.physinfo.outstanding_pages;
}

static void wrong_claims(int id)
{
    static xen_pfn_t frame;
    const struct xen_memory_reservation good = { .domid = (domid_t)id, .nr_extents = 16 };
    struct xen_memory_reservation bad = good;

    bad.extent_order = 1;
    CHECK_IS(claim(bad), -EINVAL);
    bad = good, bad.mem_flags = XENMEMF_address_bits(32);
    CHECK_IS(claim(bad), -EINVAL);
    bad = good;
    set_xen_guest_handle(bad.extent_start, &frame);
    CHECK_IS(claim(bad), -EINVAL);
    CHECK_IS(claim_of(id + 1, 16), -EINVAL);
    CHECK_IS(claim_of(DOMID_SELF, 0), -EINVAL);
    memcpy(other.data, &good, sizeof(good));
    CHECK_IS(other_call(&other, __HYPERVISOR_memory_op, XENMEM_claim_pages, OTHER_VA(OTHER_DATA),
                        0, 0), -EPERM);
}

static void claims(void)
{
    static xen_pfn_t frames[16];
    int id = domain_make(16);

    NEED(id > 0);
    wrong_claims(id);
    CHECK_IS(domain_populate((domid_t)id, frames, 4, 0), 4);
    CHECK_IS(claim_of(id, 4), -EINVAL);                             /* it has them */
    CHECK_IS(claim_of(id, 17), -EINVAL);                            /* it may not */
    CHECK_IS(kept_of_machine(), 0);
    CHECK_IS(claim_of(id, 16), 0);
    CHECK_IS(claim_of(id, 16), -EINVAL);                            /* one at a time */
    CHECK_IS(kept_of_machine(), 12);
    CHECK_IS(domain_populate((domid_t)id, frames, 4, 0), 4);
    CHECK_IS(kept_of_machine(), 8);
    CHECK_IS(claim_of(id, 0), 0);
    CHECK_IS(claim_of(id, 0), 0);
    CHECK_IS(kept_of_machine(), 0);
    CHECK_IS(set_limit((domid_t)id, 1u << 22), 0);
    CHECK_IS(claim_of(id, 1u << 22), -ENOMEM);                      /* there is no such machine */
    CHECK_IS(claim_of(id, 16), 0);
    domain_unmake((domid_t)id);
    CHECK_IS(kept_of_machine(), 0);
}

/* ---- foreign mappings ---- */

/* XSA-22: whose frame it is, says what number it has. */
static void the_numbers_of_frames(void)
{
    uint64_t *ours = alloc_zeroed_page();
    xen_pfn_t theirs = other.frame[OTHER_FREE], mine = virt_to_mfn(ours);
    struct mmu_update update = { theirs << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, 4711 };

    CHECK_IS(mfn_to_pfn(theirs), OTHER_FREE);
    CHECK_REFUSED(HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF));
    CHECK_IS(mfn_to_pfn(theirs), OTHER_FREE);
    CHECK_IS(HYPERVISOR_mmu_update(&update, 1, NULL, other.id), 0);
    CHECK_IS(mfn_to_pfn(theirs), 4711);
    update = (struct mmu_update){ mine << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, 4711 };
    CHECK_REFUSED(HYPERVISOR_mmu_update(&update, 1, NULL, other.id));
    memcpy(other.data, &update, sizeof(update));
    CHECK_REFUSED(
        other_call(&other, __HYPERVISOR_mmu_update, OTHER_VA(OTHER_DATA), 1, 0, DOMID_SELF));
    CHECK_IS(mfn_to_pfn(mine), virt_to_pfn(ours));
    free_page(ours);
}

/* Contiguous memory is for a domain that has devices. (Xen limits it to 2 MiB.) */
static void no_contiguous_memory_for_them(void)
{
    struct xen_memory_exchange x = {
        .in = { .nr_extents = 2, .domid = DOMID_SELF },
        .out = { .nr_extents = 1, .extent_order = 1, .domid = DOMID_SELF }
    };

    set_xen_guest_handle(x.in.extent_start, (xen_pfn_t *)(OTHER_VA(OTHER_DATA) + 512));
    set_xen_guest_handle(x.out.extent_start, (xen_pfn_t *)(OTHER_VA(OTHER_DATA) + 512));
    if (on_domus())
        CHECK_IS(other_op(&other, __HYPERVISOR_memory_op, XENMEM_exchange, &x, sizeof(x)), -EPERM);
}

/* Nor may they give away or take memory in our name. */
static void not_in_our_name(void)
{
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = own_domid() };
    uint64_t *ours = alloc_zeroed_page();
    xen_pfn_t frame = virt_to_mfn(ours);
    long before = domain_pages(own_domid());

    memcpy(other.data + 512, &frame, sizeof(frame));
    set_xen_guest_handle(r.extent_start, (xen_pfn_t *)(OTHER_VA(OTHER_DATA) + 512));
    CHECK(other_op(&other, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, &r, sizeof(r)) <=
          0);
    CHECK(other_op(&other, __HYPERVISOR_memory_op, XENMEM_populate_physmap, &r, sizeof(r)) <= 0);
    CHECK_IS(domain_pages(own_domid()), before);
    CHECK(is_ours(frame));
    free_page(ours);
}

/* A table of ours that is made beforehand names our frames only, in whatever name it is hooked
 * in. */
static void a_table_with_their_frames(void)
{
    uint64_t *l1 = alloc_zeroed_page();
    void *va = vspace_alloc(1);
    const uint64_t *l2 = pt_walk((unsigned long)va, 2);
    unsigned int free_slot = 0;

    NEED(l1 && l2);
    l2 = (const uint64_t *)((uintptr_t)l2 & PAGE_MASK);
    while (l2[free_slot])
        free_slot++;
    NEED(free_slot < 512);
    l1[0] = (uint64_t)other.frame[OTHER_FREE] << PAGE_SHIFT | PROT_RW;
    NEED(page_set_readonly(l1, true) == 0);
    struct mmu_update update = { virt_to_machine(l2 + free_slot),
                                 virt_to_machine(l1) | PROT_TABLE };
    CHECK_REFUSED(HYPERVISOR_mmu_update(&update, 1, NULL, other.id));
    CHECK_REFUSED(HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF));
    CHECK_REFUSED(mmuext_mfn(MMUEXT_PIN_L1_TABLE, virt_to_mfn(l1)));
    NEED(page_set_readonly(l1, false) == 0);
    free_page(l1);
    vspace_free(va, 1);
}

/* Bases and flushes are the caller's own. */
static void only_for_oneself(void)
{
    static const unsigned int commands[] = { MMUEXT_NEW_BASEPTR,     MMUEXT_NEW_USER_BASEPTR,
                                             MMUEXT_TLB_FLUSH_LOCAL, MMUEXT_TLB_FLUSH_ALL,
                                             MMUEXT_INVLPG_LOCAL,    MMUEXT_INVLPG_ALL,
                                             MMUEXT_SET_LDT };

    for (unsigned int i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        struct mmuext_op op = { .cmd = commands[i], .arg1.mfn = kernel_root_mfn };

        CHECK_REFUSED(HYPERVISOR_mmuext_op(&op, 1, NULL, other.id));
    }
}

static void foreign_mappings(void)
{
    uint64_t *va = vspace_alloc(1), *ours = alloc_zeroed_page();
    uint64_t their_page = other.frame[OTHER_FREE], slot = entry_address(va, 1);
    struct mmu_update update = { .ptr = slot };
    struct mmuext_op op = { .cmd = MMUEXT_CLEAR_PAGE, .arg1.mfn = their_page };

    NEED(va && ours);
    CHECK_REFUSED(map_page((unsigned long)va, their_page, PROT_RW, DOMID_SELF));
    CHECK_REFUSED(map_page((unsigned long)va, their_page, PROT_RO, DOMID_SELF));
    CHECK_REFUSED(map_page((unsigned long)va, their_page, PROT_RW, DOMID_XEN));
    CHECK_REFUSED(map_page((unsigned long)va, their_page, PROT_RW, next.id));
    CHECK_REFUSED(map_page((unsigned long)va, virt_to_mfn(ours), PROT_RW, other.id));
    CHECK_REFUSED(map_page((unsigned long)va, other.frame[OTHER_L1], PROT_RW, other.id));   /* I2 */
    CHECK_REFUSED(map_page((unsigned long)va, other.frame[OTHER_L4], PROT_RW, other.id));
    CHECK_IS(map_page((unsigned long)va, other.frame[OTHER_L1], PROT_RO, other.id), 0);
    CHECK_IS((va[OTHER_FREE] & PTE_MFN_MASK) >> PAGE_SHIFT, their_page);
    CHECK_IS(map_page((unsigned long)va, their_page, PROT_RW, other.id), 0);
    va[3] = 33;
    CHECK_IS(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF), -EINVAL);
    CHECK_IS(va[3], 33);
    CHECK_IS(HYPERVISOR_mmuext_op(&op, 1, NULL, other.id), 0);
    CHECK_IS(va[3], 0);
    op.arg1.mfn = virt_to_mfn(ours);
    ours[3] = 44;
    CHECK_REFUSED(HYPERVISOR_mmuext_op(&op, 1, NULL, other.id));
    CHECK_IS(ours[3], 44);
    op = (struct mmuext_op){ .cmd = MMUEXT_COPY_PAGE,
                             .arg1.mfn = virt_to_mfn(ours),
                             .arg2.src_mfn = their_page };
    CHECK_REFUSED(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF));
    CHECK_IS(ours[3], 44);
    CHECK_IS(map_page((unsigned long)va, 0, 0, DOMID_SELF), 0);
    only_for_oneself();

    /* An entry of their table, by us: it may name their frames, and ours only when we say so. */
    update.ptr = (uint64_t)other.frame[OTHER_L1] << PAGE_SHIFT | (other.pages + 1) * 8;
    update.val = their_page << PAGE_SHIFT | PROT_RW;
    CHECK_REFUSED(HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF));
    /* tables of ours, frames of theirs */
    CHECK_REFUSED(HYPERVISOR_mmu_update(&update, 1, NULL, other.id));
    CHECK_IS(HYPERVISOR_mmu_update(&update, 1, NULL, (other.id + 1U) << 16 | other.id), 0);
    update.val = virt_to_machine(ours) | PROT_RW;
    CHECK_REFUSED(HYPERVISOR_mmu_update(&update, 1, NULL, (other.id + 1U) << 16 | other.id));
    update.val = 0;
    CHECK_IS(HYPERVISOR_mmu_update(&update, 1, NULL, (other.id + 1U) << 16 | other.id), 0);
    /* Its frame as a table of ours. */
    CHECK_REFUSED(mmuext_mfn(MMUEXT_PIN_L1_TABLE, their_page));
    CHECK_REFUSED(mmuext_mfn(MMUEXT_UNPIN_TABLE, other.frame[OTHER_L4]));
    CHECK_REFUSED(mmuext_mfn(MMUEXT_NEW_BASEPTR, other.frame[OTHER_L4]));
    CHECK_REFUSED(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, other.frame[OTHER_L4]));
    the_numbers_of_frames();
    a_table_with_their_frames();
    vspace_free(va, 1);
    free_page(ours);
}

/* A table that they could not have is a page again at once, for us too; so is one that they have no
 * more. */
static void no_table_any_more(void)
{
    struct mmuext_op op = { .cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = other.frame[OTHER_FREE] };
    uint64_t *page = other_map(&other, OTHER_FREE), *va = vspace_alloc(1);

    NEED(va);
    for (unsigned int round = 0; round < 2; round++) {
        page[0] = (uint64_t)other.frame[OTHER_FREE + 1] << PAGE_SHIFT | PROT_RW;
        page[9] = round ? 0 : (uint64_t)other.frame[OTHER_L4] << PAGE_SHIFT | PROT_RW;
        unmap_frames(page, 1);
        CHECK_IS(other_call(&other, __HYPERVISOR_update_va_mapping, OTHER_VA(OTHER_FREE),
                            (uint64_t)other.frame[OTHER_FREE] << PAGE_SHIFT | PROT_RO, UVMF_INVLPG,
                            0),
                 0);
        op.cmd = MMUEXT_PIN_L1_TABLE;
        memcpy(other.data, &op, sizeof(op));
        if (round)
            CHECK_IS(
                other_call(&other, __HYPERVISOR_mmuext_op, OTHER_VA(OTHER_DATA), 1, 0, DOMID_SELF),
                0);
        else
            CHECK_REFUSED(
                other_call(&other, __HYPERVISOR_mmuext_op, OTHER_VA(OTHER_DATA), 1, 0, DOMID_SELF));
        op.cmd = MMUEXT_UNPIN_TABLE;
        memcpy(other.data, &op, sizeof(op));
        if (round)
            CHECK_IS(
                other_call(&other, __HYPERVISOR_mmuext_op, OTHER_VA(OTHER_DATA), 1, 0, DOMID_SELF),
                0);
        CHECK_IS(HYPERVISOR_update_va_mapping_otherdomain(
                     (unsigned long)va, (uint64_t)other.frame[OTHER_FREE] << PAGE_SHIFT | PROT_RW,
                     UVMF_INVLPG, other.id),
                 0);
        CHECK_IS(map_page((unsigned long)va, 0, 0, DOMID_SELF), 0);
        page = other_map(&other, OTHER_FREE);
        CHECK_IS(page[0] & PTE_MFN_MASK, (uint64_t)other.frame[OTHER_FREE + 1] << PAGE_SHIFT);
    }
    memset(page, 0, PAGE_SIZE);
    unmap_frames(page, 1);
    vspace_free(va, 1);
}

/* Frames that a domain without devices must not have, by its own calls: devices', the hypervisor's,
 * ours. */
static void what_they_may_not_map(void)
{
    uint64_t *ours = alloc_zeroed_page();
    unsigned long last = (unsigned long)HYPERVISOR_memory_op(XENMEM_maximum_ram_page, NULL);
    const unsigned long frames[] = { 0xb8,
                                     0xfebf0,
                                     0xfec00,
                                     0xfee00,
                                     last + 5,
                                     1UL << 38,
                                     PTE_MFN_MASK >> PAGE_SHIFT,
                                     virt_to_mfn(ours),
                                     foreign_mfn() };
    uint64_t *va = vspace_alloc(1);

    NEED(ours && va);
    for (unsigned int i = 0; i < sizeof(frames) / sizeof(frames[0]); i++)
        for (unsigned int write = 0; write < 2; write++) {
            uint64_t entry = (uint64_t)frames[i] << PAGE_SHIFT | (write ? PROT_RW : PROT_RO);

            CHECK_REFUSED(other_call(&other, __HYPERVISOR_update_va_mapping, OTHER_VA(OTHER_FREE),
                                     entry, UVMF_INVLPG, 0));
            CHECK_REFUSED(other_call(&other, __HYPERVISOR_update_va_mapping_otherdomain,
                                     OTHER_VA(OTHER_FREE), entry, UVMF_INVLPG, DOMID_IO));
            CHECK_REFUSED(other_call(&other, __HYPERVISOR_update_va_mapping_otherdomain,
                                     OTHER_VA(OTHER_FREE), entry, UVMF_INVLPG, own_domid()));
        }
    /* And we cannot have a device's page as if it were theirs. */
    CHECK_REFUSED(map_page((unsigned long)va, 0xfebf0, PROT_RW, other.id));
    CHECK_REFUSED(map_page((unsigned long)va, last + 5, PROT_RW, other.id));
    vspace_free(va, 1);
    free_page(ours);
}

/* Given back by its owner while we have it mapped: nobody else gets it until we let go. */
static void given_back_while_mapped(void)
{
    static xen_pfn_t frames[32];
    unsigned int pfn = OTHER_FREE + 1;
    uint64_t *va = other_map(&other, pfn);
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };
    xen_pfn_t frame = other.frame[pfn];
    long before = domain_pages(other.id);

    fill_page(va);
    CHECK_IS(other_call(&other, __HYPERVISOR_update_va_mapping, OTHER_VA(pfn), 0, UVMF_INVLPG, 0),
             0);
    memcpy(other.data + 256, &frame, sizeof(frame));
    set_xen_guest_handle(r.extent_start, (xen_pfn_t *)(OTHER_VA(OTHER_DATA) + 256));
    CHECK_IS(other_op(&other, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, &r, sizeof(r)),
             1);
    NEED(domain_populate(next.id, frames, 32, 0) == 32);
    for (unsigned int i = 0; i < 32; i++)
        CHECK(frames[i] != frame);
    CHECK_IS(words_other_than(va, OTHER_PATTERN), 0);
    unmap_frames(va, 1);
    CHECK_IS(domain_pages(other.id), before - 1);
    CHECK_REFUSED(other_call(&other, __HYPERVISOR_update_va_mapping, OTHER_VA(pfn),
                             (uint64_t)frame << PAGE_SHIFT | PROT_RW, UVMF_INVLPG, 0));
}

void test_main(void)
{
    int id;

    the_next_domain_sees_nothing();
    we_see_nothing();
    limits();
    all_there_is();
    other_begin(&other, SIZE);
    claims();
    id = domain_make(SIZE);
    NEED(id > 0);
    next.id = (domid_t)id;
    foreign_mappings();
    no_contiguous_memory_for_them();
    not_in_our_name();
    no_table_any_more();
    what_they_may_not_map();
    given_back_while_mapped();
    domain_unmake(next.id);
    other_end(&other);
}
