/* SPDX-License-Identifier: MIT */
/*
 * Page types under a storm: a pool of frames is written, mapped, pinned, unpinned, hooked into
 * tables, used as descriptor tables, as user base, granted, cleared and given back, in random order
 * (seed=N and steps=N choose another one). Most calls are rightly refused; every few hundred steps
 * the hypervisor recounts all references (Domus), and at the end, when everything is undone, each
 * frame must be an ordinary page again. A count that was off by one anywhere shows as one of the
 * two. Idea: invariants I1 to I4; XSA-299, 310 (references lost or doubled on partial validation),
 * 109, 113, 242.
 */
#include "../lib/test.h"

#include <abi/domus.h>

#define POOL  24
#define SLOTS 16
/* slot 1 of the L4: the window whose L1 entries are the slots */
#define SPARE_VA 0x0000008000000000UL
#define HOOK_SLOT 2                         /* slot 2 of the L4: random trees */

static uint64_t seed;
static uint64_t *frame[POOL];               /* their home addresses */
static uint64_t slot_entry[SLOTS], hook_entry;
static struct { void *va; grant_handle_t handle; } granted[4];
static unsigned int taken, refused;

static unsigned int random_below(unsigned int n)
{
    return (unsigned int)(next_random(&seed) >> 20) % n;
}

static uint64_t *any_frame(void)
{
    return frame[random_below(POOL)];
}

/* An entry that may well be valid: a table or a page of the pool. */
static uint64_t any_entry(void)
{
    static const uint64_t flags[] = { PROT_TABLE,         PROT_TABLE,  PROT_RW,       PROT_RO,
                                      PROT_RW | PTE_USER, PTE_PRESENT, 0x80 | PROT_RW };

    if (random_below(4) == 0) return 0;
    return virt_to_machine(any_frame()) | flags[random_below(7)];
}

static void note(long result)
{
    if (result < 0)
        refused++;
    else
        taken++;
}

static long pin_any(void)
{
    static const unsigned int pin[] = { MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE,
                                        MMUEXT_PIN_L3_TABLE, MMUEXT_PIN_L4_TABLE };

    return mmuext_mfn(pin[random_below(4)], virt_to_mfn(any_frame()));
}

static long home_any(void)
{
    uint64_t *page = any_frame();
    uint64_t protection = random_below(3) ? PROT_RO : PROT_RW;

    return HYPERVISOR_update_va_mapping((unsigned long)page, virt_to_machine(page) | protection,
                                        UVMF_INVLPG);
}

static long content_any(void)
{
    return try_write64(&any_frame()[random_below(4) ? random_below(8) : random_below(512)],
                       any_entry());
}

static long descriptors_any(void)
{
    unsigned long mfn = virt_to_mfn(any_frame());
    struct mmuext_op ldt = { .cmd = MMUEXT_SET_LDT,
                             .arg1.linear_addr = (unsigned long)any_frame(),
                             .arg2.nr_ents = 512 };

    switch (random_below(5)) {
    case 0:  return HYPERVISOR_set_gdt(&mfn, 512);
    case 1:  return HYPERVISOR_set_gdt(NULL, 0);
    case 2:  return HYPERVISOR_mmuext_op(&ldt, 1, NULL, DOMID_SELF);
    case 3:  ldt.arg2.nr_ents = 0; return HYPERVISOR_mmuext_op(&ldt, 1, NULL, DOMID_SELF);
    default:
        return HYPERVISOR_update_descriptor(virt_to_machine(any_frame()) + random_below(8) * 8,
                                            0x00cff3000000ffffUL);
    }
}

/* The LDT is only looked at when a selector of it is loaded. */
static long use_ldt(void)
{
    void load(void *selector)
    {
        asm volatile("mov %0, %%gs; mov %1, %%gs"
                     :
                     : "r"((unsigned int)(unsigned long)selector), "r"(0));
    }

    return trap_in(load, (void *)(unsigned long)(random_below(8) << 3 | 7));
}

static long unmap_grant(unsigned int i)
{
    struct gnttab_unmap_grant_ref unmap = { .host_addr = (unsigned long)granted[i].va,
                                            .handle = granted[i].handle };

    granted[i].handle = ~0u;
    (void)HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1);
    return unmap.status;
}

/* The reference is given back at once: a mapped one stays in use, and is swept up when its turn
 * comes again. */
static grant_ref_t refs[4];

static long grant_any(void)
{
    unsigned int i = random_below(4);
    struct gnttab_map_grant_ref map = { .host_addr = (unsigned long)granted[i].va,
                                        .dom = own_domid(),
                                        .flags = GNTMAP_host_map |
                                                 (random_below(2) ? GNTMAP_readonly : 0) };

    if (granted[i].handle != ~0u) return unmap_grant(i);
    if (refs[i] && grant_end_access(refs[i]) == -EBUSY) return -EBUSY;
    refs[i] = (grant_ref_t)grant_page(own_domid(), any_frame(), false);
    map.ref = refs[i];
    (void)HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &map, 1);
    if (map.status == GNTST_okay)
        granted[i].handle = map.handle;
    return map.status;
}

static long clear_or_copy(void)
{
    struct mmuext_op op = { .cmd = random_below(2) ? MMUEXT_CLEAR_PAGE : MMUEXT_COPY_PAGE,
                            .arg1.mfn = virt_to_mfn(any_frame()),
                            .arg2.src_mfn = virt_to_mfn(any_frame()) };

    return HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

/* A frame that nothing maps but its home: given back, and another taken in its place. */
static long exchange_one(void)
{
    unsigned int i = random_below(POOL);
    unsigned long pfn = virt_to_pfn(frame[i]);
    xen_pfn_t mfn = pfn_to_mfn(pfn);
    struct xen_memory_exchange exchange = { .in = { .nr_extents = 1, .domid = DOMID_SELF },
                                            .out = { .nr_extents = 1, .domid = DOMID_SELF } };
    xen_pfn_t out = pfn;

    if (HYPERVISOR_update_va_mapping((unsigned long)frame[i], 0, UVMF_INVLPG)) return -EBUSY;
    set_xen_guest_handle(exchange.in.extent_start, &mfn);
    set_xen_guest_handle(exchange.out.extent_start, &out);
    long result = HYPERVISOR_memory_op(XENMEM_exchange, &exchange);
    if (result == 0 && exchange.nr_exchanged == 1)
        p2m[pfn] = out;
    (void)HYPERVISOR_update_va_mapping((unsigned long)frame[i], virt_to_machine(frame[i]) | PROT_RO,
                                       UVMF_INVLPG);
    return result;
}

static void step(void)
{
    switch (random_below(16)) {
    case 0: case 1:   note(pin_any()); break;
    case 2: case 3:   note(mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(any_frame()))); break;
    case 4:           note(home_any()); break;
    case 5: case 6:   note(content_any()); break;
    case 7:
    case 8:
        note(write_entry(virt_to_machine(any_frame()) + random_below(8) * 8, any_entry()));
        break;
    case 9:           note(write_entry(slot_entry[random_below(SLOTS)], any_entry())); break;
    case 10:          note(write_entry(hook_entry, any_entry())); break;
    case 11:          note(descriptors_any()); break;
    case 12:
        note(random_below(4) ? use_ldt()
                             : mmuext_mfn(MMUEXT_NEW_USER_BASEPTR,
                                          random_below(3) ? virt_to_mfn(any_frame()) : 0));
        break;
    case 13:          note(grant_any()); break;
    case 14:          note(clear_or_copy()); break;
    default:          note(random_below(4) ? home_any() : exchange_one()); break;
    }
}

static bool recounted(uint64_t at)
{
    static struct domus_audit audit;
    long violations = is_dom0() && on_domus() ? HYPERVISOR_domus_op(DOMUS_audit, &audit) : 0;

    if (violations)
        test_failure(__FILE__, __LINE__, "step %lu: %ld violations, mfn %lx: %s", at, violations,
                     audit.first_bad_mfn, audit.first_bad);
    return violations == 0;
}

/* Everything that refers to the pool goes; then nothing may hold a frame in a type. */
static void undo_all(void)
{
    struct mmuext_op ldt = { .cmd = MMUEXT_SET_LDT };

    CHECK_IS(write_entry(hook_entry, 0), 0);
    CHECK_IS(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, 0), 0);
    CHECK_IS(HYPERVISOR_set_gdt(NULL, 0), 0);
    CHECK_IS(HYPERVISOR_mmuext_op(&ldt, 1, NULL, DOMID_SELF), 0);
    for (unsigned int i = 0; i < SLOTS; i++)
        CHECK_IS(write_entry(slot_entry[i], 0), 0);
    for (unsigned int i = 0; i < 4; i++)
        if (granted[i].handle != ~0u)
            CHECK_IS(unmap_grant(i), 0);
    for (unsigned int i = 0; i < POOL; i++)
        (void)mmuext_mfn(MMUEXT_UNPIN_TABLE, virt_to_mfn(frame[i]));
    CHECK_IS(mmuext_mfn(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
    for (unsigned int i = 0; i < POOL; i++)
        CHECK_IS(HYPERVISOR_update_va_mapping((unsigned long)frame[i],
                                              virt_to_machine(frame[i]) | PROT_RW, UVMF_INVLPG),
                 0);
}

void test_main(void)
{
    uint64_t steps = number_option("steps", 30000);

    seed = number_option("seed", 0xd0305);
    NEED(pt_populate(SPARE_VA) == 0);
    for (unsigned int i = 0; i < SLOTS; i++)
        slot_entry[i] = virt_to_machine(pt_walk(SPARE_VA, 1) + i);
    hook_entry = (uint64_t)kernel_root_mfn << PAGE_SHIFT | HOOK_SLOT * 8;
    for (unsigned int i = 0; i < POOL; i++)
        NEED((frame[i] = alloc_zeroed_page()) != NULL);
    for (unsigned int i = 0; i < 4; i++) {
        NEED((granted[i].va = vspace_alloc(1)) != NULL);
        granted[i].handle = ~0u;
    }
    for (uint64_t i = 0; i < steps; i++) {
        step();
        if (i % 500 == 0 && !recounted(i))
            break;
    }
    undo_all();
    printk("random-tables: %u calls taken, %u refused\n", taken, refused);
    CHECK(taken > steps / 20);
}
