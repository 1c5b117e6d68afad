/* SPDX-License-Identifier: MIT */
/* domctl for saving and restoring: a domain that goes on, vector registers, MSRs, callbacks. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "domctl_host.h"

#define AREA 832u                       /* x87, SSE, AVX */
#define ALL  7u


static uint8_t areas[3][AREA];
static struct { uint64_t masks[2]; uint8_t area[AREA]; } saved;

static int set_up_state(void **state)
{
    set_up(state);
    xsave_mask = ALL;
    xsave_size = AREA;
    for (unsigned int i = 0; i < 3; i++) {
        memset(areas[i], 0, AREA);
        guest_vcpus[i].hw.xsave_area = areas[i];
        guest_vcpus[i].hw.xcr0 = 3;
    }
    memset(&saved, 0, sizeof(saved));
    saved.masks[0] = 3;
    saved.masks[1] = ALL;
    saved.area[512] = ALL;              /* which parts there are */
    saved.area[600] = 0x5a;
    op.u.vcpuextstate = (struct xen_domctl_vcpuextstate){ .vcpu = 1, .xfeature_mask = ALL,
                                                          .size = sizeof(saved) };
    op.u.vcpuextstate.buffer.p = (uint64_t *)&saved;
    return 0;
}

static void going_on(void **state)
{
    assert_int_equal(domctl(XEN_DOMCTL_resumedomain, DOMID_SELF), -EINVAL);
    assert_int_equal(domctl(XEN_DOMCTL_resumedomain, GUEST), -EINVAL);
    guest.life = DOMAIN_DYING;
    guest.shutdown_code = SHUTDOWN_suspend;
    assert_int_equal(domctl(XEN_DOMCTL_resumedomain, GUEST), -EINVAL);
    assert_int_equal(did.reconsidered, 0);
    guest.life = DOMAIN_SHUT_DOWN;
    assert_int_equal(domctl(XEN_DOMCTL_resumedomain, GUEST), 0);
    assert_int_equal(guest.life, DOMAIN_ALIVE);
    assert_int_equal(did.reconsidered, 1);
    assert_int_equal(guest.shutdown_code, -1);
}

/* Pages around the one that cannot be had. */
static uint8_t *around;

static int map_around(void **state)
{
    around = mmap((uint8_t *)NOT_THERE - 4096, 3 * 4096, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return around == MAP_FAILED || set_up_state(state) ? -1 : 0;
}

static void state_half_of_which_can_be_written(void **state)
{
    op.u.vcpuextstate.buffer.p = (uint64_t *)(around + 4096 - 16);      /* not the registers */
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuextstate, GUEST), -EFAULT);
    op.u.vcpuextstate.buffer.p = (uint64_t *)(around + 2 * 4096 - 16);  /* not the two words */
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuextstate, GUEST), -EFAULT);
    op.u.vcpuextstate.buffer.p = (uint64_t *)(around + 2 * 4096);
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuextstate, GUEST), 0);
}

/* Of who calls neither can be had, nor does he need to go on. */
static void of_the_caller(void **state)
{
    caller.vcpus[0] = &self;
    op.u.vcpuextstate.vcpu = 0;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuextstate, DOMID_SELF), -EINVAL);
    op.u.vcpuextstate.size = 16;
    assert_int_equal(domctl(XEN_DOMCTL_setvcpuextstate, DOMID_SELF), -EINVAL);
    op.u.vcpuextstate.size = op.u.vcpuextstate.xfeature_mask = 0;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuextstate, DOMID_SELF), -EINVAL);
    caller.life = DOMAIN_SHUT_DOWN;
    assert_int_equal(domctl(XEN_DOMCTL_resumedomain, DOMID_SELF), -EINVAL);
    assert_int_equal(caller.life, DOMAIN_SHUT_DOWN);
    assert_int_equal(did.vcpu_pauses, 0);
}

static void getting_state(void **state)
{
    areas[1][600] = 0x77;
    op.u.vcpuextstate.size = op.u.vcpuextstate.xfeature_mask = 0;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuextstate, GUEST), 0);
    assert_int_equal(op.u.vcpuextstate.size, 16 + AREA);
    assert_int_equal(op.u.vcpuextstate.xfeature_mask, ALL);
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuextstate, GUEST), 0);
    assert_int_equal(saved.masks[0], 3);
    assert_int_equal(saved.masks[1], ALL);
    assert_memory_equal(saved.area, areas[1], AREA);
    op.u.vcpuextstate.size--;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuextstate, GUEST), -EINVAL);
    op.u.vcpuextstate.size++;
    op.u.vcpuextstate.xfeature_mask = 3;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuextstate, GUEST), -EINVAL);
    op.u.vcpuextstate.xfeature_mask = 0;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuextstate, GUEST), -EINVAL);
    op.u.vcpuextstate.xfeature_mask = ALL;
    op.u.vcpuextstate.size = 0;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuextstate, GUEST), -EINVAL);
    op.u.vcpuextstate.size = 16 + AREA;
    op.u.vcpuextstate.vcpu = 3;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuextstate, GUEST), -ESRCH);
    op.u.vcpuextstate.vcpu = 1;
    op.u.vcpuextstate.buffer.p = NOT_THERE;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuextstate, GUEST), -EFAULT);
    xsave_mask = 0;
    op.u.vcpuextstate.size = op.u.vcpuextstate.xfeature_mask = 0;
    assert_int_equal(domctl(XEN_DOMCTL_getvcpuextstate, GUEST), 0);
    assert_int_equal(op.u.vcpuextstate.size, 0);
}

static void setting_state(void **state)
{
    saved.masks[0] = 1;                         /* less is switched on than it ever had */
    memcpy(saved.area + MXCSR_OFFSET, &(uint32_t){ 0xffff }, 4);
    assert_int_equal(domctl(XEN_DOMCTL_setvcpuextstate, GUEST), 0);
    assert_int_equal(guest_vcpus[1].hw.xcr0, 1);
    saved.masks[0] = 3;
    assert_int_equal(domctl(XEN_DOMCTL_setvcpuextstate, GUEST), 0);
    assert_memory_equal(saved.area, areas[1], AREA);
    assert_int_equal(guest_vcpus[1].hw.xcr0, 3);
    saved.masks[0] = ALL;
    op.u.vcpuextstate.size = 16 + 576;          /* of a machine that has less: the rest is zero */
    assert_int_equal(domctl(XEN_DOMCTL_setvcpuextstate, GUEST), 0);
    assert_int_equal(guest_vcpus[1].hw.xcr0, ALL);
    assert_int_equal(areas[1][600], 0);
    op.u.vcpuextstate.size = 16;                /* nothing at all: as it was */
    assert_int_equal(domctl(XEN_DOMCTL_setvcpuextstate, GUEST), 0);
    assert_int_equal(areas[1][512], ALL);
}

static void refused_with(long error)
{
    uint8_t before[AREA];

    memcpy(before, areas[1], AREA);
    assert_int_equal(domctl(XEN_DOMCTL_setvcpuextstate, GUEST), error);
    assert_memory_equal(before, areas[1], AREA);
    assert_int_equal(guest_vcpus[1].hw.xcr0, 3);
    memset(saved.area, 0, AREA);
    saved.masks[0] = 3;
    saved.masks[1] = ALL;
    saved.area[512] = ALL;
    op.u.vcpuextstate.size = sizeof(saved);
}

static void state_that_cannot_be_set(void **state)
{
    static const uint64_t bad[] = { 0, 2, 5, 0x21, 8 };

    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
        saved.masks[0] = bad[i];
        refused_with(-EOPNOTSUPP);
    }
    saved.masks[0] = ALL, saved.masks[1] = 3;           /* on, and never had */
    saved.area[512] = 3;
    refused_with(-EOPNOTSUPP);
    saved.masks[1] = ALL | 1ul << 9;                    /* more than this machine has */
    refused_with(-EOPNOTSUPP);
    saved.masks[1] = 3;                                 /* there is a part that it never had */
    refused_with(-EOPNOTSUPP);
    for (unsigned int at = 520; at < 576; at += 8) {
        saved.area[at + 7] = 0x80;
        refused_with(-EINVAL);
    }
    saved.area[MXCSR_OFFSET + 2] = 1;
    refused_with(-EINVAL);
    op.u.vcpuextstate.size = 16 + 575;
    refused_with(-EINVAL);
    op.u.vcpuextstate.size = 16 + AREA + 1;
    refused_with(-EINVAL);
    op.u.vcpuextstate.size = 15;
    refused_with(-EINVAL);
    answers.no_memory = true;
    refused_with(-ENOMEM);
    answers.no_memory = false;
    op.u.vcpuextstate.vcpu = 3;
    refused_with(-ESRCH);
    op.u.vcpuextstate.vcpu = 1;
    op.u.vcpuextstate.buffer.p = NOT_THERE;
    refused_with(-EFAULT);
    op.u.vcpuextstate.buffer.p = (uint64_t *)&saved;
    xsave_mask = 0;
    refused_with(-EINVAL);
}

static void callbacks(void **state)
{
    struct xen_domctl_ext_vcpucontext *c = &op.u.ext_vcpucontext;

    *c = (struct xen_domctl_ext_vcpucontext){ .vcpu = 1, .size = 32,
        .syscall32_callback_eip = 0x1000, .sysenter_callback_eip = 0x2000,
        .sysenter_disables_events = 1 };
    assert_int_equal(domctl(XEN_DOMCTL_set_ext_vcpucontext, GUEST), 0);
    *c = (struct xen_domctl_ext_vcpucontext){ .vcpu = 1 };
    assert_int_equal(domctl(XEN_DOMCTL_get_ext_vcpucontext, GUEST), 0);
    assert_int_equal(c->syscall32_callback_eip, 0x1000);
    assert_int_equal(c->sysenter_callback_eip, 0x2000);
    assert_int_equal(c->syscall32_disables_events, 0);
    assert_int_equal(c->sysenter_disables_events, 1);
    assert_int_equal(c->size, sizeof(*c));
    c->size = 31;
    assert_int_equal(domctl(XEN_DOMCTL_set_ext_vcpucontext, GUEST), -EINVAL);
    c->size = 32;
    c->syscall32_callback_eip = 1ul << 60;
    assert_int_equal(domctl(XEN_DOMCTL_set_ext_vcpucontext, GUEST), -EINVAL);
    c->syscall32_callback_eip = 0;
    c->sysenter_callback_eip = 1ul << 60;
    assert_int_equal(domctl(XEN_DOMCTL_set_ext_vcpucontext, GUEST), -EINVAL);
    c->vcpu = 3;
    assert_int_equal(domctl(XEN_DOMCTL_set_ext_vcpucontext, GUEST), -ESRCH);
    assert_int_equal(domctl(XEN_DOMCTL_get_ext_vcpucontext, GUEST), -ESRCH);
    assert_int_equal(guest_vcpus[1].entry.syscall32.rip, 0x1000);
    assert_int_equal(guest_vcpus[1].entry.sysenter.rip, 0x2000);
}

static xen_domctl_vcpu_msr_t msr;

static long msrs(uint32_t command, uint32_t count)
{
    op.u.vcpu_msrs.vcpu = 1;
    op.u.vcpu_msrs.msr_count = count;
    return domctl(command, GUEST);
}

static void getting_msrs(void **state)
{
    struct xen_domctl_vcpu_msrs *o = &op.u.vcpu_msrs;

    memset(o, 0, sizeof(*o));
    assert_int_equal(msrs(XEN_DOMCTL_get_vcpu_msrs, 9), 0);
    assert_int_equal(o->msr_count, 1);                  /* of them at most */
    answers.no_msr = true;
    assert_int_equal(msrs(XEN_DOMCTL_get_vcpu_msrs, 9), 0);
    assert_int_equal(o->msr_count, 0);
    o->msrs.p = &msr;
    assert_int_equal(msrs(XEN_DOMCTL_get_vcpu_msrs, 0), 0);
    assert_int_equal(msrs(XEN_DOMCTL_get_vcpu_msrs, 1), 0);
    assert_true(o->msr_count == 0 && msr.index == 0);   /* it is zero */
    guest_vcpus[1].hw.tsc_aux = 0x1002;
    assert_int_equal(msrs(XEN_DOMCTL_get_vcpu_msrs, 0), -ENOBUFS);
    assert_true(o->msr_count == 1 && msr.index == 0);
    assert_int_equal(msrs(XEN_DOMCTL_get_vcpu_msrs, 2), 0);
    assert_int_equal(o->msr_count, 1);
    assert_true(msr.index == 0xc0000103 && !msr.reserved && msr.value == 0x1002);
    o->msrs.p = NOT_THERE;
    assert_int_equal(msrs(XEN_DOMCTL_get_vcpu_msrs, 1), -EFAULT);
    o->vcpu = 3;
    assert_int_equal(domctl(XEN_DOMCTL_get_vcpu_msrs, GUEST), -ESRCH);
    o->vcpu = 0;
    assert_int_equal(domctl(XEN_DOMCTL_get_vcpu_msrs, DOMID_SELF), -EINVAL);
}

static void setting_msrs(void **state)
{
    const xen_domctl_vcpu_msr_t good = { .index = 0xc0000103, .value = 0xffffffff };
    struct xen_domctl_vcpu_msrs *o = &op.u.vcpu_msrs;

    memset(o, 0, sizeof(*o));
    msr = good;
    assert_int_equal(msrs(XEN_DOMCTL_set_vcpu_msrs, 0), 0);
    assert_int_equal(msrs(XEN_DOMCTL_set_vcpu_msrs, 2), -EINVAL);
    o->msrs.p = NOT_THERE;
    assert_int_equal(msrs(XEN_DOMCTL_set_vcpu_msrs, 1), -EFAULT);
    o->msrs.p = &msr;
    msr.index++;
    assert_int_equal(msrs(XEN_DOMCTL_set_vcpu_msrs, 1), -EINVAL);
    msr = good, msr.reserved = 1;
    assert_int_equal(msrs(XEN_DOMCTL_set_vcpu_msrs, 1), -EINVAL);
    msr = good, msr.value++;
    assert_int_equal(msrs(XEN_DOMCTL_set_vcpu_msrs, 1), -EINVAL);
    msr = good;
    answers.no_msr = true;
    assert_int_equal(msrs(XEN_DOMCTL_set_vcpu_msrs, 1), -EINVAL);
    answers.no_msr = false;
    assert_int_equal(guest_vcpus[1].hw.tsc_aux, 0);
    assert_int_equal(did.vcpu_pauses, 0);
    assert_int_equal(msrs(XEN_DOMCTL_set_vcpu_msrs, 1), 0);
    assert_int_equal(guest_vcpus[1].hw.tsc_aux, 0xffffffff);
    assert_int_equal(did.vcpu_pauses, 1);
    o->vcpu = 3;
    assert_int_equal(domctl(XEN_DOMCTL_set_vcpu_msrs, GUEST), -ESRCH);
    o->vcpu = o->msr_count = 0;
    assert_int_equal(domctl(XEN_DOMCTL_set_vcpu_msrs, DOMID_SELF), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(going_on, set_up_state, tear_down),
        cmocka_unit_test_setup_teardown(state_half_of_which_can_be_written, map_around, tear_down),
        cmocka_unit_test_setup_teardown(of_the_caller, set_up_state, tear_down),
        cmocka_unit_test_setup_teardown(getting_state, set_up_state, tear_down),
        cmocka_unit_test_setup_teardown(setting_state, set_up_state, tear_down),
        cmocka_unit_test_setup_teardown(state_that_cannot_be_set, set_up_state, tear_down),
        cmocka_unit_test_setup_teardown(getting_msrs, set_up_state, tear_down),
        cmocka_unit_test_setup_teardown(setting_msrs, set_up_state, tear_down),
        cmocka_unit_test_setup_teardown(callbacks, set_up_state, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
