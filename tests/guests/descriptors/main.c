/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables of our own: a GDT page and an LDT page can be given and used; a descriptor that
 * would give more than ring 3 (DPL 0, a gate, a TSS), and a table page that we could still write,
 * are refused; a selector outside is #GP. Idea: invariant I2 for descriptor pages; XSA-110,
 * XSA-214, XSA-298.
 */
#include "../lib/test.h"

#define CODE64_DPL3 0x00affb000000ffffUL
#define DATA_DPL3   0x00cff3000000ffffUL
#define CODE64_DPL0 0x00af9b000000ffffUL
#define TSS_DPL3    0x0000eb0000000067UL
#define CALL_GATE   0x0000ec0000330000UL

static uint64_t *gdt, *ldt;

static void take_selector(void *selector)
{
    asm volatile("mov %0, %%gs\n\txor %%eax, %%eax\n\tmov %%eax, %%gs"
                 :
                 : "r"((unsigned int)(unsigned long)selector)
                 : "eax");
}

static int load(unsigned int selector)
{
    return trap_in(take_selector, (void *)(unsigned long)selector);
}

static void gdt_is_taken(void)
{
    unsigned long frame;

    gdt = alloc_zeroed_page();
    NEED(gdt != NULL);
    frame = virt_to_mfn(gdt);
    gdt[4] = DATA_DPL3;

    CHECK_REFUSED(HYPERVISOR_set_gdt(&frame, 512));                 /* still writable to us */
    NEED(page_set_readonly(gdt, true) == 0);
    CHECK_IS(HYPERVISOR_set_gdt(&frame, 512), 0);
    /* I2: it is a descriptor page now */
    CHECK_REFUSED(page_set_readonly(gdt, false));
    CHECK_IS(load(4 << 3 | 3), -1);
    CHECK_IS(load(5 << 3 | 3), TRAP_GP);                            /* an empty slot */
    CHECK_IS(trap_error & ~3UL, 5 << 3);
    CHECK_IS(load(511 << 3 | 3), TRAP_GP);
    /* beyond the limit, before the hypervisor's own */
    CHECK_IS(load(1000 << 3 | 3), TRAP_GP);
}

static long set(uint64_t *entry, uint64_t descriptor)
{
    return HYPERVISOR_update_descriptor(virt_to_machine(entry), descriptor);
}

/* A present system descriptor of DPL 3 would lead into ring 0: LDT, TSS, call, interrupt and trap
 * gates. None is taken as it is. */
static void system_descriptors(uint64_t *entry)
{
    for (uint64_t type = 0; type < 16; type++) {
        for (uint64_t dpl = 0; dpl < 4; dpl++) {
            uint64_t wanted = (CALL_GATE & ~(15UL << 40 | 3UL << 45)) | type << 40 | dpl << 45;

            /* 0 is harmless; Xen takes a call gate for a 32-bit guest's and emulates it at DPL 0 */
            if (type == 0 || type == 12) {
                if (set(entry, wanted) == 0)
                    CHECK(type == 0 || (!on_domus() && (*entry >> 45 & 3) == 0));
            } else {
                CHECK_REFUSED(set(entry, wanted));
            }
            /* not present: it only faults */
            CHECK_IS(set(entry, wanted & ~(1UL << 47)), 0);
        }
    }
    CHECK_IS(set(entry, 0), 0);
    CHECK_REFUSED(set(entry, TSS_DPL3));
    CHECK_REFUSED(set(entry, 0x00008b0000000067UL));                /* a busy one */
    CHECK_IS(*entry, 0);
}

/* A descriptor comes through update_descriptor or not at all. */
static void not_by_a_plain_store(uint64_t *entry)
{
    struct mmu_update update = { virt_to_machine(entry) | MMU_PT_UPDATE_PRESERVE_AD, DATA_DPL3 };

    CHECK_REFUSED(write_entry(virt_to_machine(entry), CALL_GATE));
    CHECK_REFUSED(write_entry(virt_to_machine(entry), DATA_DPL3));
    CHECK_REFUSED(HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF));
    CHECK_IS(*entry, 0);
    CHECK_IS(try_write64(entry, DATA_DPL3), -EFAULT);
    CHECK_IS(*entry, 0);
    CHECK_REFUSED(mmuext_mfn(MMUEXT_CLEAR_PAGE, virt_to_mfn(entry)));
}

static void descriptors_are_checked(void)
{
    CHECK_IS(set(&gdt[6], DATA_DPL3), 0);
    CHECK_IS(load(6 << 3 | 3), -1);
    CHECK_IS(set(&gdt[6], 0), 0);
    CHECK_IS(load(6 << 3 | 3), TRAP_GP);
    CHECK_IS(set(&gdt[7], CODE64_DPL3), 0);
    /* A DPL of 0 is refused or raised to 3; a system descriptor is never accepted as it is. */
    if (set(&gdt[8], CODE64_DPL0) == 0)
        CHECK_IS(gdt[8] >> 45 & 3, 3);
    system_descriptors(&gdt[10]);
    /* long and 32-bit at once: reserved; it would only fault */
    if (on_domus()) {
        CHECK_REFUSED(set(&gdt[11], CODE64_DPL3 | 1UL << 54));
        CHECK_IS(gdt[11], 0);
    }
    not_by_a_plain_store(&gdt[12]);
    /* Elsewhere it is a store like any other, of a descriptor: but a page table is no place for
     * it. */
    uint64_t *page = alloc_zeroed_page();
    NEED(page != NULL);
    CHECK_IS(set(&page[1], DATA_DPL3), 0);
    CHECK_IS(page[1] | 1UL << 40, DATA_DPL3 | 1UL << 40);
    CHECK_REFUSED(set(ADDRESS(pt_walk((unsigned long)page, 1)), 0));
    free_page(page);
    CHECK_REFUSED(HYPERVISOR_update_descriptor((uint64_t)foreign_mfn() << PAGE_SHIFT, DATA_DPL3));
    CHECK_REFUSED(HYPERVISOR_update_descriptor(virt_to_machine(&gdt[6]) + 4, DATA_DPL3));
    CHECK_REFUSED(HYPERVISOR_update_descriptor(~0xfffUL, DATA_DPL3));
}

static void bad_tables_are_refused(void)
{
    uint64_t *dirty = alloc_zeroed_page();
    unsigned long frame = foreign_mfn(), frames[20];

    CHECK_REFUSED(HYPERVISOR_set_gdt(&frame, 512));
    CHECK_REFUSED(HYPERVISOR_set_gdt((unsigned long *)0x1000, 512));
    for (int i = 0; i < 20; i++)
        frames[i] = virt_to_mfn(gdt);
    /* into the hypervisor's reserved entries */
    CHECK_REFUSED(HYPERVISOR_set_gdt(frames, 8192));
    frame = ~0UL;
    CHECK_REFUSED(HYPERVISOR_set_gdt(&frame, 512));

    /* A page with a TSS or a gate in it may not become a GDT, wherever it stands; of two pages,
     * both are looked at. */
    NEED(dirty != NULL);
    for (unsigned int i = 0; i < 512; i += i == 0 ? 3 : 508) {
        static const uint64_t bad[] = { TSS_DPL3, CALL_GATE, 0x0000e20000000000UL /* an LDT */ };

        for (unsigned int b = 0; b < 3; b++) {
            dirty[i] = bad[b];
            NEED(page_set_readonly(dirty, true) == 0);
            frames[0] = virt_to_mfn(gdt);
            frames[1] = frame = virt_to_mfn(dirty);
            if (bad[b] != CALL_GATE || on_domus()) {
                CHECK_REFUSED(HYPERVISOR_set_gdt(&frame, 512));
                CHECK_REFUSED(HYPERVISOR_set_gdt(frames, 513));
            }
            CHECK_IS(page_set_readonly(dirty, false), 0);
        }
        dirty[i] = 0;
    }
    /* all that was refused left the old one as it was */
    CHECK_IS(load(4 << 3 | 3), -1);
    /* What a page has when it becomes one is raised to ring 3, too. */
    dirty[0] = CODE64_DPL0;
    dirty[511] = DATA_DPL3 & ~(3UL << 45);
    NEED(page_set_readonly(dirty, true) == 0);
    frame = virt_to_mfn(dirty);
    if (HYPERVISOR_set_gdt(&frame, 512) == 0) {
        CHECK_IS(dirty[0] >> 45 & 3, 3);
        CHECK_IS(dirty[511] >> 45 & 3, 3);
        CHECK_IS(load(511 << 3 | 3), -1);
        CHECK_REFUSED(HYPERVISOR_set_gdt(frames + 1, 14 * 512 + 1));
        /* A shorter one, then one of two pages, of which the second goes with the next. */
        frames[0] = frame;
        frames[1] = virt_to_mfn(gdt);
        CHECK_IS(HYPERVISOR_set_gdt(frames, 1024), 0);
        CHECK_IS(load((512 + 4) << 3 | 3), -1);
        CHECK_IS(HYPERVISOR_set_gdt(frames + 1, 512), 0);
        CHECK_IS(load((512 + 4) << 3 | 3), TRAP_GP);
    }
    CHECK_IS(page_set_readonly(dirty, false), 0);
    free_page(dirty);
}

static long set_ldt(const void *address, unsigned long entries)
{
    struct mmuext_op op = { .cmd = MMUEXT_SET_LDT,
                            .arg1.linear_addr = (unsigned long)address,
                            .arg2.nr_ents = entries };

    return HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

static void ldt_is_taken(void)
{
    ldt = alloc_zeroed_page();
    NEED(ldt != NULL);
    ldt[2] = DATA_DPL3;
    NEED(page_set_readonly(ldt, true) == 0);
    CHECK_IS(set_ldt(ldt, 512), 0);
    CHECK_IS(load(2 << 3 | 7), -1);
    CHECK_IS(load(3 << 3 | 7), TRAP_GP);
    CHECK_IS(load(600 << 3 | 7), TRAP_GP);
    CHECK_REFUSED(set_ldt(ldt, 8193));
    CHECK_REFUSED(set_ldt((char *)ldt + 8, 16));
    CHECK_REFUSED(set_ldt((void *)0x800000000000UL, 16));
    CHECK_IS(set_ldt(NULL, 0), 0);
    CHECK_IS(load(2 << 3 | 7), TRAP_GP);
    /* no LDT any more: an ordinary page */
    CHECK_IS(page_set_readonly(ldt, false), 0);
}

void test_main(void)
{
    gdt_is_taken();
    descriptors_are_checked();
    bad_tables_are_refused();
    ldt_is_taken();
    CHECK_IS(HYPERVISOR_set_gdt(NULL, 0), 0);
    CHECK_IS(page_set_readonly(gdt, false), 0);
}
