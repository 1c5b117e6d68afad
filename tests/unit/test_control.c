/* SPDX-License-Identifier: MIT */
/* What dom0's toolstack asks the hypervisor, field by field, piece by piece, and what it makes of
 * the answers. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/xc/control.h"
#include <abi/domus.h>
#include <pvguest/errno.h>
#include <pvguest/hypercalls.h>
#include <pvguest/thread.h>

static struct xen_domctl asked[4];
static unsigned int calls, yields, destroys_left;
static long destroy_answer;
static int system_error;
static uint32_t cpus;
static uint64_t pages_free, bits[2];
static uint64_t pieces[8], given;

void thread_yield(void)
{
    yields++;
}

static void note_bits(const struct xen_domctl *op)
{
    assert_true(op->u.vcpuaffinity.cpumap_hard.nr_bits == 64 &&
                op->u.vcpuaffinity.cpumap_soft.nr_bits == 64);
    memcpy(&bits[0], op->u.vcpuaffinity.cpumap_hard.bitmap.p, 8);
    memcpy(&bits[1], op->u.vcpuaffinity.cpumap_soft.bitmap.p, 8);
}

static long domctl(struct xen_domctl *op)
{
    assert_int_equal(op->interface_version, XEN_DOMCTL_INTERFACE_VERSION);
    assert_true(calls < 4);
    asked[calls++] = *op;
    if (op->cmd == XEN_DOMCTL_setvcpuaffinity || op->cmd == XEN_DOMCTL_getvcpuaffinity)
        note_bits(op);
    if (op->cmd == XEN_DOMCTL_createdomain)
        op->domain = 21;
    return 0;
}

static long system_call(struct xen_sysctl *op)
{
    assert_int_equal(op->interface_version, XEN_SYSCTL_INTERFACE_VERSION);
    assert_int_equal(op->cmd, XEN_SYSCTL_physinfo);
    op->u.physinfo.nr_cpus = cpus;
    op->u.physinfo.free_pages = pages_free;
    return system_error;
}

long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    if (nr == __HYPERVISOR_domctl) return domctl((struct xen_domctl *)a);
    if (nr == __HYPERVISOR_sysctl) return system_call((struct xen_sysctl *)a);
    if (nr == __HYPERVISOR_memory_op) {
        const struct xen_memory_reservation *r = (const void *)b;

        assert_true(a == XENMEM_populate_physmap && r->domid == 9 && given < 8);
        pieces[given++] = r->nr_extents;
        return (long)r->nr_extents;
    }
    assert_true(a == DOMUS_destroy && b == 9);
    if (destroys_left && destroys_left--) return -EAGAIN;
    return destroy_answer;
}

static int set_up(void **state)
{
    memset(asked, 0, sizeof(asked));
    calls = yields = destroys_left = 0;
    destroy_answer = system_error = 0;
    given = 0;
    return 0;
}

static void a_new_domain(void **state)
{
    const xen_domain_handle_t handle = { 1, 2, [15] = 3 };
    const struct xen_domctl_createdomain *made = &asked[0].u.createdomain;
    struct build_request request = { .vcpus = 3 };
    domid_t domid = 0;

    assert_int_equal(domain_create(&request, handle, &domid), 0);
    assert_int_equal(domid, 21);
    assert_true(asked[0].cmd == XEN_DOMCTL_createdomain && asked[0].domain == 0);
    assert_true(made->max_vcpus == 3 && made->max_evtchn_port == 4095);
    assert_true(made->max_grant_frames == -1 && made->max_maptrack_frames == 8);
    assert_int_equal(made->grant_opts, XEN_DOMCTL_GRANT_version(1));
    assert_memory_equal(made->handle, handle, sizeof(handle));
    assert_true(asked[1].cmd == XEN_DOMCTL_max_vcpus && asked[1].domain == 21 &&
                asked[1].u.max_vcpus.max == 3);
    calls = 0;
    request.grant_frames = 5;
    request.maptrack_frames = 6;
    assert_int_equal(domain_create(&request, handle, &domid), 0);
    assert_true(made->max_grant_frames == 5 && made->max_maptrack_frames == 6);
}

/* Others have their turn between two steps; real Xen knows no steps. */
static void an_end_by_steps(void **state)
{
    destroys_left = 3;
    assert_int_equal(domain_destroy(9), 0);
    assert_true(yields == 3 && calls == 0);
    destroy_answer = -ENOSYS;
    assert_int_equal(domain_destroy(9), 0);
    assert_true(calls == 1 && asked[0].cmd == XEN_DOMCTL_destroydomain && asked[0].domain == 9);
    destroy_answer = -ESRCH;
    assert_int_equal(domain_destroy(9), -ESRCH);
    assert_int_equal(calls, 1);
}

static void affinities(void **state)
{
    uint64_t hard = 5, soft = 9;

    assert_int_equal(domain_get_affinity(9, 2, &hard, &soft), 0);
    assert_true(asked[0].domain == 9 && asked[0].u.vcpuaffinity.vcpu == 2 &&
                asked[0].u.vcpuaffinity.flags == (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT));
    assert_true(bits[0] == 5 && bits[1] == 9);
    for (unsigned int which = 0; which < 8; which++) {
        calls = 0;
        assert_int_equal(domain_set_affinity(9, 1, which & 1 ? 6 : 0, which & 2 ? 7 : 0, which & 4),
                         0);
        assert_int_equal(asked[0].u.vcpuaffinity.flags,
                         (which & 1 ? XEN_VCPUAFFINITY_HARD : 0) |
                             (which & 2 ? XEN_VCPUAFFINITY_SOFT : 0) |
                             (which & 4 ? XEN_VCPUAFFINITY_FORCE : 0));
        assert_true(asked[0].u.vcpuaffinity.vcpu == 1 && asked[0].domain == 9);
        assert_true(bits[0] == (which & 1 ? 6 : 0) && bits[1] == (which & 2 ? 7 : 0));
    }
}

/* Piece by piece, and others' turn behind each. */
static void memory_comes_in_pieces(void **state)
{
    static unsigned long frames[70];

    assert_int_equal(domain_populate(9, frames, 70), 0);
    assert_true(given == 3 && pieces[0] == 32 && pieces[1] == 32 && pieces[2] == 6);
    assert_int_equal(yields, 3);
    for (unsigned long i = 0; i < 70; i++)
        assert_int_equal(frames[i], i);
}

static void the_machine(void **state)
{
    static const struct { uint32_t count; uint64_t map; } rows[] = {
        { 0, 0 }, { 1, 1 }, { 2, 3 }, { 63, ~0ul >> 1 }, { 64, ~0ul }, { 65, ~0ul }, { 1000, ~0ul },
    };

    for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cpus = rows[i].count;
        assert_true(machine_cpus() == rows[i].map);
    }
    pages_free = 1234;
    assert_int_equal(machine_free_pages(), 1234);
    system_error = -EPERM;
    assert_int_equal(machine_free_pages(), 0);
    assert_int_equal(machine_cpus(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_new_domain, set_up),
        cmocka_unit_test_setup(an_end_by_steps, set_up),
        cmocka_unit_test_setup(affinities, set_up),
        cmocka_unit_test_setup(memory_comes_in_pieces, set_up),
        cmocka_unit_test_setup(the_machine, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
