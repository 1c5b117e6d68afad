/* SPDX-License-Identifier: MIT */
/*
 * The balloon: what is asked of the hypervisor, in which order, and what the P2M and the page's
 * mapping are after it; and after each refusal all is as it was.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pvguest/balloon.h>
#include <pvguest/bits.h>
#include <pvguest/hypercalls.h>

#define PFN 0x21ul

unsigned long *p2m, nr_pages = 64, image_pages;
static unsigned long list[64], mapped;          /* the frame that the page is mapped to; or 0 */
static char steps[200];
static long answer;
static int map_error;

int map_page(unsigned long va, unsigned long mfn, uint64_t prot, domid_t owner)
{
    assert_true(va == (unsigned long)pfn_to_virt(PFN) && owner == DOMID_SELF);
    assert_true(prot == PROT_RW || (prot == 0 && mfn == 0));
    if (map_error) return map_error;
    strcat(steps, prot ? "map " : "unmap ");
    mapped = mfn;
    return 0;
}

long host_hypercall(unsigned long nr, unsigned long cmd, unsigned long arg, unsigned long c,
                    unsigned long d, unsigned long e)
{
    struct xen_memory_reservation *op = (void *)arg, want = {
        .extent_start = op->extent_start, .nr_extents = 1, .domid = DOMID_SELF
    };
    bool gives = cmd == XENMEM_decrease_reservation;

    assert_int_equal(nr, __HYPERVISOR_memory_op);
    assert_true(gives || cmd == XENMEM_populate_physmap);
    assert_memory_equal(op, &want, sizeof(want));
    assert_int_equal(*op->extent_start.p, gives ? 1000 : PFN);
    assert_int_equal(mapped, 0);                /* while it is mapped it is not free */
    strcat(steps, gives ? "decrease " : "populate ");
    if (!gives && answer == 1)
        *op->extent_start.p = 2000;
    return answer;
}

static void begin(unsigned long frame, long answers)
{
    *steps = '\0';
    list[PFN] = frame;
    mapped = frame == INVALID_MFN ? 0 : frame;
    answer = answers;
    map_error = 0;
}

static void is(unsigned long frame, const char *how)
{
    assert_string_equal(steps, how);
    assert_int_equal(list[PFN], frame);
    assert_int_equal(mapped, frame == INVALID_MFN ? 0 : frame);
}

static void gives(void **state)
{
    begin(1000, 1);
    assert_int_equal(balloon_give(pfn_to_virt(PFN)), 0);
    is(INVALID_MFN, "unmap decrease ");
}

static void gives_nothing(void **state)
{
    begin(1000, 0);
    assert_int_equal(balloon_give(pfn_to_virt(PFN)), -EINVAL);
    is(1000, "unmap decrease map ");
    begin(1000, -EPERM);
    assert_int_equal(balloon_give(pfn_to_virt(PFN)), -EPERM);
    is(1000, "unmap decrease map ");
    begin(1000, 1);
    map_error = -EFAULT;
    assert_int_equal(balloon_give(pfn_to_virt(PFN)), -EFAULT);
    is(1000, "");
}

static void takes(void **state)
{
    begin(INVALID_MFN, 1);
    assert_int_equal(balloon_take(pfn_to_virt(PFN)), 0);
    is(2000, "populate map ");
}

static void takes_nothing(void **state)
{
    begin(INVALID_MFN, 0);
    assert_int_equal(balloon_take(pfn_to_virt(PFN)), -ENOMEM);
    is(INVALID_MFN, "populate ");
    begin(INVALID_MFN, -EPERM);
    assert_int_equal(balloon_take(pfn_to_virt(PFN)), -EPERM);
    is(INVALID_MFN, "populate ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives), cmocka_unit_test(gives_nothing),
        cmocka_unit_test(takes), cmocka_unit_test(takes_nothing),
    };

    p2m = list;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
