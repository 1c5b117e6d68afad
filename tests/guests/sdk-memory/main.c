/* SPDX-License-Identifier: MIT */
/*
 * The SDK's memory: the allocators give distinct memory and take it back; P2M and M2P are inverse;
 * every page has one mapping and it can be turned read-only; the page-table queue keeps its order,
 * batches, and reports a refusal; frames map elsewhere, one by one with a result each; pages
 * consecutive in the machine can be had; a page's frame can be lent back; a guarded access survives
 * a fault.
 */
#include "../lib/test.h"
#include <pvguest/balloon.h>
#include <pvguest/bits.h>

static void allocators(void)
{
    unsigned long before = free_page_count();
    void *blocks[11];
    char *small[200];
    bool good = true;

    for (unsigned int order = 0; order < 11; order++) {
        blocks[order] = alloc_pages(order);
        NEED(blocks[order]);
        CHECK_IS(virt_to_pfn(blocks[order]) & ((1UL << order) - 1), 0);
        memset(blocks[order], (int)order, PAGE_SIZE << order);
    }
    for (unsigned int order = 0; order < 11; order++) {
        const unsigned char *bytes = blocks[order];

        for (size_t i = 0; i < PAGE_SIZE << order; i += 509)
            good = good && bytes[i] == order;
        free_pages(blocks[order], order);
    }
    CHECK(good);
    CHECK_IS(free_page_count(), before);
    CHECK(!alloc_pages(40));

    for (unsigned int i = 0; i < ARRAY_SIZE(small); i++) {
        small[i] = malloc(i * i + 1);
        NEED(small[i]);
        memset(small[i], (int)i, i * i + 1);
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(small); i++)
        good = good && small[i][0] == (char)i && small[i][i * i] == (char)i;
    CHECK(good);
    small[10] = realloc(small[10], 5000);
    CHECK(small[10] && small[10][100] == 10);
    for (unsigned int i = 0; i < ARRAY_SIZE(small); i++)
        free(small[i]);
    CHECK(!malloc(~0UL));
    CHECK(!calloc(1UL << 40, 1UL << 40));
}

static void translation(void)
{
    bool inverse = true;
    unsigned long va = (unsigned long)alloc_page();

    for (unsigned long pfn = 0; pfn < nr_pages; pfn += 7)
        inverse = inverse && mfn_to_pfn(pfn_to_mfn(pfn)) == pfn;
    CHECK(inverse);
    CHECK_IS((*pt_walk(va, 1) & PTE_MFN_MASK) >> PAGE_SHIFT, virt_to_mfn((void *)va));
    CHECK(!pt_walk(0x123456789000, 1));
    CHECK_IS(try_write64((void *)va, 1), 0);
    CHECK_IS(page_set_readonly((void *)va, true), 0);
    CHECK_IS(try_write64((void *)va, 2), -EFAULT);
    CHECK_IS(page_set_readonly((void *)va, false), 0);
    CHECK_IS(try_write64((void *)va, 3), 0);
    free_page((void *)va);
}

static void guarded_access(void)
{
    uint64_t word = 1;
    char bytes[8] = "";
    uint8_t byte;

    CHECK_IS(try_read64((void *)0x10, &word), -EFAULT);
    CHECK_IS(word, 1);
    CHECK_IS(try_read64((void *)0x8000000000000000UL, &word), -EFAULT);     /* not canonical: #GP */
    CHECK_IS(try_read64("letters", &word), 0);
    CHECK(!memcmp(&word, "letters", 8));
    CHECK_IS(try_read8("letters", &byte), 0);
    CHECK_IS(byte, 'l');
    CHECK_IS(try_read8((void *)0x10, &byte), -EFAULT);
    CHECK_IS(byte, 'l');
    memset(bytes, 'x', sizeof(bytes));
    CHECK_IS(try_write8(bytes + 1, 'y'), 0);
    CHECK(!memcmp(bytes, "xyx", 3));
    CHECK_IS(try_write8((void *)0x10, 1), -EFAULT);
    CHECK_IS(try_copy(bytes, "domus", 6), 0);
    CHECK(!strcmp(bytes, "domus"));
    CHECK_IS(try_copy((void *)0x10, bytes, 8), -EFAULT);
    void divide(void *zero) { *(volatile int *)zero = 100 / *(volatile int *)zero; }
    int zero = 0;
    CHECK_IS(catch_trap(divide, &zero, NULL, NULL), TRAP_DE);
    void store(void *address) { *(volatile int *)address = 1; }
    uint64_t error, address;
    CHECK_IS(catch_trap(store, (void *)0x7000, &error, &address), TRAP_PF);
    CHECK_IS(address, 0x7000);
    CHECK(error & PF_WRITE);
    CHECK_IS(catch_trap(store, &zero, NULL, NULL), -1);
}

static void queue_of_updates(void)
{
    char *area = vspace_alloc(300);
    uint64_t *pages[2] = { alloc_page(), alloc_page() };
    struct pt_statistics before;
    uint64_t word;

    NEED(!IS_ERR(area));
    *pages[0] = 100;
    *pages[1] = 101;
    before = pt_statistics;
    for (unsigned long i = 0; i < 300; i++)
        pt_set_va((unsigned long)area + i * PAGE_SIZE,
                  virt_to_mfn(pages[i & 1]) << PAGE_SHIFT | PROT_RO);
    CHECK_IS(pt_flush(), 0);
    CHECK(pt_statistics.hypercalls - before.hypercalls < 10);
    CHECK_IS(pt_statistics.updates - before.updates, 300);
    CHECK(!try_read64(area + 299 * PAGE_SIZE, &word) && word == 101);

    /* Order: the last update of an entry wins; the flush behind it makes it visible. */
    CHECK(!try_read64(area, &word) && word == 100);
    pt_set_va((unsigned long)area, 0);
    pt_set_va((unsigned long)area, virt_to_mfn(pages[1]) << PAGE_SHIFT | PROT_RO);
    pt_invlpg((unsigned long)area);
    pt_set_va((unsigned long)area + PAGE_SIZE, 0);
    pt_flush_tlb();
    CHECK_IS(pt_flush(), 0);
    CHECK(!try_read64(area, &word) && word == 101);
    CHECK_IS(try_read64(area + PAGE_SIZE, &word), -EFAULT);

    /* A refusal is told once. */
    pt_set(virt_to_machine(pt_walk((unsigned long)area, 1)), (uint64_t)1 << 50 | PROT_RW);
    CHECK(pt_flush() < 0);
    CHECK_IS(pt_flush(), 0);
    unmap_frames(area, 300);
    CHECK_IS(try_read64(area, &word), -EFAULT);
    free_page(pages[0]);
    free_page(pages[1]);
}

static void tables_by_queue(void)
{
    uint64_t *table = alloc_zeroed_page(), word;
    unsigned long va = MAP_BASE + (1UL << 38), mfn = virt_to_mfn(table);

    NEED(!pt_populate(va));
    NEED(!page_set_readonly(table, true));
    pt_pin(1, mfn);
    CHECK_IS(pt_flush(), 0);
    CHECK(try_write64(table, 0) == -EFAULT || !*table);     /* nobody writes a page table */
    CHECK(page_set_readonly(table, false) < 0);
    pt_unpin(mfn);
    CHECK_IS(pt_flush(), 0);
    CHECK_IS(page_set_readonly(table, false), 0);
    CHECK_IS(map_page(va, mfn, PROT_RW, DOMID_SELF), 0);
    *table = 77;
    CHECK(!try_read64((void *)va, &word) && word == 77);
    CHECK_IS(map_page(va, 0, 0, DOMID_SELF), 0);
    CHECK_IS(try_read64((void *)va, &word), -EFAULT);
    free_page(table);
}

static void frames_elsewhere(void)
{
    unsigned long mfns[100];
    uint64_t *pages[100], *alias;
    int errors[100];
    bool good = true;

    for (unsigned int i = 0; i < 100; i++) {
        pages[i] = alloc_page();
        *pages[i] = i;
        mfns[i] = virt_to_mfn(pages[i]);
    }
    alias = map_frames(mfns, 100, PROT_RO, DOMID_SELF, NULL);
    NEED(!IS_ERR(alias));
    for (unsigned int i = 0; i < 100; i++)
        good = good && alias[i * 512] == i;
    CHECK(good);
    unmap_frames(alias, 100);
    mfns[50] = 1UL << 36;
    CHECK(IS_ERR(map_frames(mfns, 100, PROT_RO, DOMID_SELF, NULL)));
    alias = map_frames(mfns, 100, PROT_RO, DOMID_SELF, errors);
    NEED(!IS_ERR(alias));
    for (unsigned int i = 0; i < 100; i++)
        good = good && (i == 50 ? errors[i] < 0 : errors[i] == 0 && alias[i * 512] == i);
    CHECK(good);
    unmap_frames(alias, 100);
    for (unsigned int i = 0; i < 100; i++)
        free_page(pages[i]);
}

static void consecutive_in_the_machine(void)
{
    unsigned long before = free_page_count();
    uint64_t *block = alloc_machine_contiguous(3, 32);
    bool good = true;

    NEED(block);
    for (unsigned long i = 0; i < 8; i++) {
        good = good && virt_to_mfn(block + i * 512) == virt_to_mfn(block) + i &&
               block[i * 512] == 0;
        good = good && mfn_to_virt(virt_to_mfn(block) + i) == block + i * 512;
        block[i * 512] = i;
    }
    CHECK(good);
    free_pages(block, 3);
    CHECK_IS(free_page_count(), before);
    /* No frame has so small a number that 12 bits name its bytes: nothing comes of it, and nothing
     * is lost. */
    CHECK(!alloc_machine_contiguous(1, 12));
    CHECK_IS(free_page_count(), before);
    block = alloc_pages(1);
    NEED(block);
    block[0] = block[512] = 1;
    free_pages(block, 1);
}

static void lent_back(void)
{
    domid_t self = DOMID_SELF;
    long owned = HYPERVISOR_memory_op(XENMEM_current_reservation, &self);
    uint64_t *page = alloc_zeroed_page(), word;
    unsigned long pfn = virt_to_pfn(page);

    NEED(balloon_give(page) == 0);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_current_reservation, &self), owned - 1);
    CHECK_IS(p2m[pfn], INVALID_MFN);
    CHECK_IS(try_read64(page, &word), -EFAULT);
    NEED(balloon_take(page) == 0);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_current_reservation, &self), owned);
    CHECK_IS(mfn_to_pfn(p2m[pfn]), pfn);
    CHECK_IS(try_write64(page, 8), 0);
    free_page(page);
}

void test_main(void)
{
    allocators();
    translation();
    guarded_access();
    queue_of_updates();
    tables_by_queue();
    frames_elsewhere();
    consecutive_in_the_machine();
    lent_back();
}
