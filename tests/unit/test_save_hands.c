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
static unsigned int failing_call;               /* the how-manieth of the toolstack's; 0: none */
static struct {
    unsigned long number, op, third, domid;
    struct mmuext_op mmuext;
    struct xen_memory_reservation reservation;
    uint64_t bits;
    size_t unmapped;
} called;
static void *pages;                             /* that are mapped; NULL: they cannot be */
static bool unreadable;

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
    if (op->cmd == XEN_DOMCTL_get_vcpu_msrs)
        op->u.vcpu_msrs.msr_count = 3;
    return calls == failing_call ? -EPERM : 0;
}
int domain_get_info(domid_t domid, struct xen_domctl_getdomaininfo *info)
{
    if (failing_call) return -ESRCH;
    *info = (struct xen_domctl_getdomaininfo){ .domain = domid, .max_vcpu_id = 3,
                                               .shared_info_frame = 77, .tot_pages = 100,
                                               .max_pages = 120 };
    return 0;
}
long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    calls++;
    called.number = nr;
    called.op = a;
    called.third = c;
    called.domid = d;
    if (nr == __HYPERVISOR_mmuext_op)
        called.mmuext = *(const struct mmuext_op *)a;
    else
        called.reservation = *(const struct xen_memory_reservation *)b;
    return answer;
}
int try_read64(const void *at, uint64_t *word)
{
    *word = 5;
    return unreadable ? -EFAULT : 0;
}
void *map_frames(const unsigned long *mfns, size_t count, uint64_t bits, domid_t domid, int *errors)
{
    assert_int_equal(domid, 9);
    called.bits = bits;
    return pages ? pages : ERR_PTR(-EPERM);
}
void unmap_frames(void *at, size_t count)
{
    assert_ptr_equal(at, pages);
    called.unmapped = count;
}
void thread_yield(void)
{
}

static struct guest guest;
static int set_up(void **state)
{
    calls = 0;
    answer = 0;
    failing_call = 0;
    allocations_until_failure = 0;
    state_size = 64;
    pages = NULL;
    unreadable = false;
    memset(&called, 0, sizeof(called));
    memset(&asked, 0, sizeof(asked));
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
    assert_int_equal(guest.hands->pfn_of(&guest, MACH2PHYS_NR_ENTRIES - 1), 5);
    unreadable = true;
    assert_int_equal(guest.hands->pfn_of(&guest, 3), ABSENT);
    pages = wanted;
    assert_ptr_equal(guest.hands->map(&guest, wanted, 4, true), pages);
    assert_int_equal(called.bits, PROT_RW);
    assert_ptr_equal(guest.hands->map(&guest, wanted, 4, false), pages);
    assert_int_equal(called.bits, PROT_RO);
    guest.hands->unmap(&guest, pages, 4);
    assert_int_equal(called.unmapped, 4);
    answer = 4;
    assert_int_equal(guest.hands->populate(&guest, wanted, 4), 0);
    assert_true(called.reservation.nr_extents == 4 && called.reservation.domid == 9 &&
                called.reservation.extent_start.p == wanted);
    answer = 3;                                         /* what there was */
    assert_int_equal(guest.hands->populate(&guest, wanted, 4), -ENOMEM);
    assert_int_equal(called.op, XENMEM_populate_physmap);
    answer = -EPERM;
    assert_int_equal(guest.hands->populate(&guest, wanted, 4), -EPERM);
    assert_int_equal(guest.hands->release(&guest, wanted, 3), -EPERM);
    answer = 3;
    assert_int_equal(guest.hands->release(&guest, wanted, 3), 0);
    assert_true(called.op == XENMEM_decrease_reservation && called.reservation.nr_extents == 3 &&
                called.reservation.domid == 9 && called.reservation.extent_start.p == wanted);
    assert_int_equal(guest.hands->release(&guest, wanted, 4), -EBUSY);
}

static void types_and_pins(void **state)
{
    static const unsigned int pins[] = { MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE,
                                         MMUEXT_PIN_L3_TABLE, MMUEXT_PIN_L4_TABLE };
    uint64_t words[3] = { 1, 2, 3 };

    assert_int_equal(guest.hands->types(&guest, words, 3), 0);
    assert_true(asked.cmd == XEN_DOMCTL_getpageframeinfo3 && asked.domain == 9 &&
                asked.u.getpageframeinfo3.num == 3 && asked.u.getpageframeinfo3.array.p == words);
    for (unsigned int level = 1; level <= 4; level++) {
        answer = level == 4 ? -EINVAL : 0;
        assert_int_equal(guest.hands->pin(&guest, level, 55 + level), answer);
        assert_int_equal(called.mmuext.cmd, pins[level - 1]);
        assert_true(called.mmuext.arg1.mfn == 55 + level && called.domid == 9 && !called.third);
    }
    assert_int_equal(guest.hands->unpin(&guest, 70), -EINVAL);
    assert_true(called.mmuext.cmd == MMUEXT_UNPIN_TABLE && called.mmuext.arg1.mfn == 70 &&
                called.domid == 9);
}

static void contexts(void **state)
{
    struct vcpu_guest_context context = { .user_regs.rax = 3 };
    uint8_t extended[EXTENDED_SIZE] = { [0] = 1, [127] = 77 };
    uint64_t words[8];

    assert_int_equal(guest.hands->get_vcpu(&guest, 2, &context), 0);
    assert_true(asked.cmd == XEN_DOMCTL_getvcpucontext && asked.u.vcpucontext.vcpu == 2 &&
                asked.u.vcpucontext.ctxt.p == &context);
    assert_int_equal(guest.hands->set_vcpu(&guest, 3, &context), 0);
    assert_true(asked.cmd == XEN_DOMCTL_setvcpucontext && asked.u.vcpucontext.vcpu == 3 &&
                asked.u.vcpucontext.ctxt.p == &context && asked.domain == 9);
    assert_int_equal(guest.hands->set_extended(&guest, 2, extended), 0);
    assert_true(asked.cmd == XEN_DOMCTL_set_ext_vcpucontext && asked.domain == 9 &&
                asked.u.ext_vcpucontext.vcpu == 2 && ((uint8_t *)&asked.u)[127] == 77);
    assert_int_equal(guest.hands->get_extended(&guest, 3, extended), 0);
    assert_true(asked.cmd == XEN_DOMCTL_get_ext_vcpucontext && asked.domain == 9 &&
                asked.u.ext_vcpucontext.vcpu == 3 && extended[0] == 3 && extended[127] == 0);
    assert_int_equal(guest.hands->set_xsave(&guest, 1, words, sizeof(words)), 0);
    assert_true(asked.cmd == XEN_DOMCTL_setvcpuextstate && asked.domain == 9 &&
                asked.u.vcpuextstate.vcpu == 1 && asked.u.vcpuextstate.size == sizeof(words) &&
                asked.u.vcpuextstate.buffer.p == words);
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

static void msrs(void **state)
{
    xen_domctl_vcpu_msr_t room[MOST_MSRS];
    unsigned count = 0;

    assert_int_equal(guest.hands->get_msrs(&guest, 2, room, &count), 0);
    assert_true(asked.cmd == XEN_DOMCTL_get_vcpu_msrs && asked.domain == 9 &&
                asked.u.vcpu_msrs.vcpu == 2 && asked.u.vcpu_msrs.msr_count == MOST_MSRS &&
                asked.u.vcpu_msrs.msrs.p == room && count == 3);
    assert_int_equal(guest.hands->set_msr(&guest, 3, room + 1), 0);
    assert_true(asked.cmd == XEN_DOMCTL_set_vcpu_msrs && asked.domain == 9 &&
                asked.u.vcpu_msrs.vcpu == 3 && asked.u.vcpu_msrs.msr_count == 1 &&
                asked.u.vcpu_msrs.msrs.p == room + 1);
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

/* What the hypervisor says is said on, and nothing more is asked. */
static void what_is_refused(void **state)
{
    unsigned long wanted[4] = { 0, 1, 2, 3 };
    struct vcpu_guest_context context;
    uint8_t extended[EXTENDED_SIZE];
    uint64_t words[3];
    xen_domctl_vcpu_msr_t msr;
    unsigned count;
    void *vectors = NULL;
    size_t size;

    assert_int_equal(guest.hands->populate(&guest, wanted, 4), -ENOMEM);   /* not one of them */
    failing_call = 1;
    assert_int_equal(guest_of(9, &guest), -ESRCH);
#define IS_REFUSED(call) calls = 0; assert_int_equal(guest.hands->call, -EPERM)
    IS_REFUSED(types(&guest, words, 3));
    IS_REFUSED(get_vcpu(&guest, 2, &context));
    IS_REFUSED(set_vcpu(&guest, 2, &context));
    IS_REFUSED(get_extended(&guest, 2, extended));
    IS_REFUSED(set_extended(&guest, 2, extended));
    IS_REFUSED(set_xsave(&guest, 2, words, 8));
    IS_REFUSED(get_msrs(&guest, 2, &msr, &count));
    IS_REFUSED(set_msr(&guest, 2, &msr));
    calls = 0;
    assert_int_equal(guest.hands->get_xsave(&guest, 2, &vectors, &size), -EPERM);
    assert_true(!vectors && calls == 1);
    for (failing_call = 1; failing_call <= 3; failing_call++) {
        calls = 0;
        assert_int_equal(guest_go_on(&guest), -EPERM);
        assert_int_equal(calls, failing_call);
    }
    calls = 0;
    failing_call = 2;
    assert_int_equal(guest.hands->get_xsave(&guest, 2, &vectors, &size), -EPERM);
    free(vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_known, set_up), cmocka_unit_test_setup(frames, set_up),
        cmocka_unit_test_setup(types_and_pins, set_up), cmocka_unit_test_setup(contexts, set_up),
        cmocka_unit_test_setup(vector_registers, set_up), cmocka_unit_test_setup(msrs, set_up),
        cmocka_unit_test_setup(goes_on, set_up),
        cmocka_unit_test_setup(what_is_refused, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
