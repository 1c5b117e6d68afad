/* SPDX-License-Identifier: MIT */
/*
 * Blocks that are one in the machine, too: what is asked of the hypervisor, in which order; and
 * when it is refused, or there is no memory, all is as it was.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <cmocka.h>
#include <pvguest/bits.h>
#include <pvguest/hypercalls.h>

#define FIRST 0x20ul                            /* the block's pfn */

unsigned long *p2m, nr_pages = 64, image_pages;
static unsigned long list[64];
static uint64_t entries[64], queued[64];        /* of the direct map */
static char steps[400];
static long answer;
static unsigned long exchanged, blocks_out, order_wanted;
static bool no_pages;
unsigned allocations_until_failure;

void *alloc_pages(unsigned int order)
{
    assert_int_equal(order, order_wanted);
    if (no_pages) return NULL;
    blocks_out++;
    return pfn_to_virt(FIRST);
}
void free_pages(void *va, unsigned int order)
{
    assert_true(va == pfn_to_virt(FIRST) && order == order_wanted);
    strcat(steps, "free ");
    blocks_out--;
}
void pt_set_va(unsigned long va, uint64_t value)
{
    queued[(va - DIRECT_BASE) / 4096] = value;
}
void pt_flush_tlb(void)
{
    strcat(steps, "tlb ");
}
int pt_flush(void)
{
    strcat(steps, "flush ");
    memcpy(entries, queued, sizeof(entries));
    return 0;
}
long host_hypercall(unsigned long nr, unsigned long cmd, unsigned long arg, unsigned long c,
                    unsigned long d, unsigned long e)
{
    struct xen_memory_exchange *op = (void *)arg, want = {
        .in = { .extent_start = op->in.extent_start, .nr_extents = 1ul << order_wanted,
                .domid = DOMID_SELF },
        .out = { .extent_start = op->out.extent_start, .nr_extents = 1,
                 .extent_order = (unsigned int)order_wanted, .domid = DOMID_SELF,
                 .mem_flags = XENMEMF_address_bits(31) },
    };

    assert_true(nr == __HYPERVISOR_memory_op && cmd == XENMEM_exchange);
    assert_memory_equal(op, &want, sizeof(want));
    assert_int_equal(*op->out.extent_start.p, FIRST);
    for (unsigned long i = 0; i < 1ul << order_wanted; i++) {
        assert_int_equal(op->in.extent_start.p[i], 1000 + 3 * (FIRST + i));
        assert_int_equal(entries[FIRST + i], 0);        /* not mapped any more */
    }
    strcat(steps, "exchange ");
    if (answer == 0)
        *op->out.extent_start.p = 0x5000;
    op->nr_exchanged = exchanged;
    return answer;
}

static void try(unsigned int order, long error, unsigned long done, bool good)
{
    char *block, *page = pfn_to_virt(FIRST);

    order_wanted = order;
    answer = error;
    exchanged = done;
    *steps = '\0';
    for (unsigned long i = 0; i < 64; i++) {
        list[i] = 1000 + 3 * i;
        entries[i] = queued[i] = list[i] << 12 | PROT_RW;
    }
    memset(page, 0x77, 17 * 4096);
    block = alloc_machine_contiguous(order, 31);
    assert_ptr_equal(block, good ? page : NULL);
    assert_string_equal(steps, good ? "tlb flush exchange tlb flush "
                                    : "tlb flush exchange tlb flush free ");
    for (unsigned long i = 0; i < 64; i++) {
        bool in = i >= FIRST && i < FIRST + (1ul << order);

        assert_int_equal(list[i], in && good ? 0x5000 + i - FIRST : 1000 + 3 * i);
        assert_int_equal(entries[i], list[i] << 12 | PROT_RW);
    }
    for (unsigned long i = 0; i < 17 * 4096; i++)
        assert_int_equal(page[i], good && i < 4096ul << order ? 0 : 0x77);
    assert_int_equal(blocks_out, good);
    blocks_out = 0;
}

static void exchanges(void **state)
{
    for (unsigned int order = 0; order < 5; order++) {
        try(order, 0, 1ul << order, true);
        try(order, -12, 0, false);
        try(order, 0, (1ul << order) - 1, false);
    }
}

static void no_memory(void **state)
{
    order_wanted = 2;
    *steps = '\0';
    no_pages = true;
    assert_null(alloc_machine_contiguous(2, 31));
    assert_string_equal(steps, "");
    no_pages = false;
    allocations_until_failure = 1;
    assert_null(alloc_machine_contiguous(2, 31));
    assert_string_equal(steps, "free ");
    assert_int_equal(blocks_out, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(exchanges), cmocka_unit_test(no_memory) };

    p2m = list;
    mmap((void *)DIRECT_BASE, 64 * 4096, PROT_READ | PROT_WRITE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
