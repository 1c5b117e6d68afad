/* SPDX-License-Identifier: MIT */
/*
 * The SDK's single changes of page tables: tables that are missing are made, one for each level,
 * and made read-only before they are hooked in; without memory, or when the hypervisor refuses,
 * what was there before is there still, and nothing is lost.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <pvguest/errno.h>
#include <pvguest/mm.h>
#include "masked_host.h"
#include <pvguest/spinlock.h>

#define VA 0xffffa00012345000ul

unsigned allocations_until_failure;

/* --- the SDK and the hypervisor --------------------------------------------------------------- */

unsigned long kernel_root_mfn;
static uint64_t *root;
static unsigned int pages, refuse_mapping, refuse_queue;
static const void *readonly[8];         /* what was made so, in its order */
static unsigned int readonly_count;

void *alloc_zeroed_page(void)
{
    if (allocation_fails()) return NULL;
    pages++;
    return memset(aligned_alloc(4096, 4096), 0, 4096);
}

void free_pages(void *va, unsigned int order)
{
    pages--;
    free(va);
}

static bool queued_ok;

void pt_set(uint64_t entry, uint64_t value)
{
    queued_ok = !refuse_queue || --refuse_queue;
    assert_ptr_equal(readonly[readonly_count - 1],
                     mfn_to_virt((value & PTE_MFN_MASK) >> PAGE_SHIFT));
    if (queued_ok)
        *(uint64_t *)(uintptr_t)entry = value;
}

int pt_flush(void)
{
    return queued_ok ? 0 : -EINVAL;
}

static unsigned long mapped_va;
static uint64_t mapped_entry;
static domid_t mapped_of;

long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    if (refuse_mapping && --refuse_mapping == 0) return -EPERM;
    mapped_va = a;
    mapped_entry = b;
    mapped_of = nr == __HYPERVISOR_update_va_mapping_otherdomain ? (domid_t)d : DOMID_SELF;
    assert_int_equal(c, UVMF_INVLPG | (several_cpus ? UVMF_ALL : 0));
    if (a != VA && !(b & PTE_WRITE)) {
        assert_true(readonly_count < 8);
        readonly[readonly_count++] = (void *)a;
    }
    return 0;
}

static int set_up(void **state)
{
    pages = refuse_mapping = refuse_queue = readonly_count = allocations_until_failure = 0;
    queued_ok = true;
    root = alloc_zeroed_page();
    kernel_root_mfn = virt_to_mfn(root);
    return 0;
}

static void free_tables(uint64_t *table, unsigned int level)
{
    for (unsigned int i = 0; level > 1 && i < 512; i++)
        if (table[i] & PTE_PRESENT)
            free_tables(mfn_to_virt((table[i] & PTE_MFN_MASK) >> PAGE_SHIFT), level - 1);
    free_pages(table, 0);
}

static int tear_down(void **state)
{
    allocations_until_failure = 0;
    free_tables(root, 4);
    assert_int_equal(pages, 0);         /* each page is in the tables, or was given back */
    return 0;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void missing_tables_are_made(void **state)
{
    assert_null(pt_walk(VA, 1));
    assert_ptr_equal(pt_walk(VA, 4), &root[VA >> 39 & 511]);
    assert_int_equal(pt_populate(VA), 0);
    assert_int_equal(pages, 4);
    assert_non_null(pt_walk(VA, 1));
    assert_int_equal((uintptr_t)pt_walk(VA, 1) % 4096, (VA >> 12 & 511) * 8);
    assert_int_equal(pt_populate(VA + 0x1000), 0);
    assert_int_equal(pages, 4);
    assert_int_equal(pt_populate(VA + 0x200000), 0);
    assert_int_equal(pages, 5);
    assert_int_equal(map_page(VA, 77, PROT_RO, DOMID_SELF), 0);
    assert_true(mapped_va == VA && mapped_entry == (77 << 12 | PROT_RO) && mapped_of == DOMID_SELF);
    assert_int_equal(map_page(VA, 77, PROT_RO, 5), 0);
    assert_true(mapped_va == VA && mapped_entry == (77 << 12 | PROT_RO) && mapped_of == 5);
    assert_int_equal(map_page(VA, 77, 0, DOMID_SELF), 0);
    assert_int_equal(mapped_entry, 0);
    for (unsigned int bit = 1; bit < 64; bit++) {       /* what else is in it says nothing */
        root[100] = 1ul << bit;
        assert_null(pt_walk(100ul << 39 | 5ul << 30, 3));
    }
    root[100] = 0;
    several_cpus = true;                        /* all forget it */
    assert_int_equal(map_page(VA, 78, PROT_RO, DOMID_SELF), 0);
    assert_int_equal(map_page(VA, 78, PROT_RO, 5), 0);
    assert_int_equal(mapped_of, 5);
    assert_int_equal(map_page(VA + 0x400000, 78, PROT_RO, DOMID_SELF), 0);
    several_cpus = false;
    assert_false(masked);
}

/* The n-th table cannot be had, or made read-only, or hooked in: those before it stay. */
static void tables_that_cannot_be_made(void **state)
{
    for (unsigned int i = 1; i <= 3; i++) {
        allocations_until_failure = i;
        assert_int_equal(pt_populate(VA), -ENOMEM);
        assert_int_equal(pages, i);
        assert_non_null(pt_walk(VA, 5 - i));
        assert_true(i == 1 || !pt_walk(VA, 4 - i));
        tear_down(state);
        set_up(state);
        refuse_mapping = i;
        assert_int_equal(pt_populate(VA), -EPERM);
        assert_int_equal(pages, i);
        tear_down(state);
        set_up(state);
        refuse_queue = i;
        assert_int_equal(map_page(VA, 77, PROT_RO, 5), -EINVAL);
        assert_int_equal(pages, i);
        assert_true(mapped_entry & PTE_WRITE);  /* the page that was not needed is as it was */
        assert_false(masked);
        tear_down(state);
        set_up(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(missing_tables_are_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tables_that_cannot_be_made, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
