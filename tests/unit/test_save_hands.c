/* SPDX-License-Identifier: MIT */
/* dom0's hands on a guest that is saved or restored: what each asks the hypervisor, and what it
 * says when there is less than it asked for, or no memory of dom0's own. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/save/hands.h"
#include "dom0/xc/control.h"
#include <pvguest/errno.h>
#include <pvguest/hypercalls.h>
#include <pvguest/thread.h>
#include <pvguest/traps.h>

unsigned allocations_until_failure;
static struct xen_domctl asked;
static unsigned int calls;
static size_t state_size;
static uint64_t set_rax;
static long answer;

int control_domain(struct xen_domctl *op)
{
    calls++;
    asked = *op;
    if (op->cmd == XEN_DOMCTL_getvcpuextstate)
        op->u.vcpuextstate.size = state_size;
    if (op->cmd == XEN_DOMCTL_getvcpucontext)
        op->u.vcpucontext.ctxt.p->user_regs.rax = 0;
    if (op->cmd == XEN_DOMCTL_setvcpucontext)
        set_rax = op->u.vcpucontext.ctxt.p->user_regs.rax;
    return 0;
}
int domain_get_info(domid_t domid, struct xen_domctl_getdomaininfo *info)
{
    *info = (struct xen_domctl_getdomaininfo){ .domain = domid, .max_vcpu_id = 3,
                                               .shared_info_frame = 77, .tot_pages = 100,
                                               .max_pages = 120 };
    return 0;
}
long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    calls++;
    return answer;
}
int try_read64(const void *at, uint64_t *word)
{
    *word = 5;
    return 0;
}
void *map_frames(const unsigned long *mfns, size_t count, uint64_t bits, domid_t domid, int *errors)
{
    return ERR_PTR(-EPERM);
}
void unmap_frames(void *pages, size_t count)
{
}
void thread_yield(void)
{
}

static struct guest guest;
static int set_up(void **state)
{
    calls = 0;
    answer = 0;
    allocations_until_failure = 0;
    state_size = 64;
    assert_int_equal(guest_of(9, &guest), 0);
    return 0;
}

static void what_is_known(void **state)
{
    assert_true(guest.domid == 9 && guest.vcpus == 4 && guest.shared_mfn == 77 &&
                guest.pages == 100 && guest.most == 120);
}

static void frames(void **state)
{
    unsigned long wanted[4] = { 0, 1, 2, 3 };

    assert_null(guest.hands->map(&guest, wanted, 4, true));
    assert_int_equal(guest.hands->pfn_of(&guest, 3), 5);
    assert_int_equal(guest.hands->pfn_of(&guest, MACH2PHYS_NR_ENTRIES), ABSENT);
    answer = 4;
    assert_int_equal(guest.hands->populate(&guest, wanted, 4), 0);
    answer = 3;                                         /* what there was */
    assert_int_equal(guest.hands->populate(&guest, wanted, 4), -ENOMEM);
    answer = -EPERM;
    assert_int_equal(guest.hands->populate(&guest, wanted, 4), -EPERM);
}

static void vector_registers(void **state)
{
    void *words = NULL;
    size_t size = 0;

    assert_int_equal(guest.hands->get_xsave(&guest, 2, &words, &size), 0);
    assert_true(words && size == 64 && asked.u.vcpuextstate.vcpu == 2 &&
                asked.u.vcpuextstate.buffer.p == words && calls == 2);
    free(words);
    words = NULL;
    allocations_until_failure = 1;
    assert_int_equal(guest.hands->get_xsave(&guest, 2, &words, &size), -ENOMEM);
    assert_null(words);
    state_size = 0;                                     /* there is none */
    assert_int_equal(guest.hands->get_xsave(&guest, 2, &words, &size), 0);
    assert_null(words);
}

/* It hears that it goes on: the answer to its call is 1. */
static void goes_on(void **state)
{
    set_rax = 99;
    assert_int_equal(guest_go_on(&guest), 0);
    assert_int_equal(set_rax, 1);
    assert_true(asked.cmd == XEN_DOMCTL_resumedomain && asked.domain == 9 && calls == 3);
    calls = 0;
    allocations_until_failure = 1;
    assert_int_equal(guest_go_on(&guest), -ENOMEM);
    assert_int_equal(calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_known, set_up), cmocka_unit_test_setup(frames, set_up),
        cmocka_unit_test_setup(vector_registers, set_up), cmocka_unit_test_setup(goes_on, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
