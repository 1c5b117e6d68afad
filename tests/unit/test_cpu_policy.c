/* SPDX-License-Identifier: MIT */
/*
 * What CPUs can do, asked for and said: the lists of leaves are such as libxc's parser takes (each
 * leaf with the subleaves it may have, once, and none else), sets of features, and a domain's own
 * list, which comes back as what of it there is.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail                                     /* the hypervisor has one, too */
#include "control/cpu_policy.h"
#include "control/domctl.h"
#include "domain/time.h"
#include "emulate/cpu_policy.h"
#include "machine/budget.h"
#include "memory/access.h"
#include "memory/heap.h"
#include "fail_host.h"

#define NOT_THERE 0x666000ul
#define ALONE     XEN_CPUID_NO_SUBLEAF

static struct cpu cpu;
static struct vcpu vcpu;
static struct domain caller, guest;
static bool no_memory;
static size_t held;

uint64_t host_cr4, xsave_mask, max_frame = 0x1000;
uint32_t xsave_size = 0x340;

uint64_t tsc_khz(void)
{
    return 1000000;
}

static unsigned int asked;
static bool longest;                            /* all subleaves that there could ever be */
static uint32_t last_extended = 0x80000028;

/* Three caches, one further subleaf of features, as many extended leaves as AMD's have. Which
 * subleaf is meant where there is but one, this CPU minds. */
struct cpuid_regs host_cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r = { ~0u, ~0u, ~0u, ~0u };

    asked += leaf == 0xd;
    switch (leaf) {
    case 0: r.a = subleaf ? 0 : 0x20; break;
    case 4: r.a = longest || subleaf < 3 ? 1 : 0x20; break;
    case 7: r.a = longest ? 9 : 1; break;
    case 0xb: break;
    case 0xd:
        r = longest || subleaf < 3 ? (struct cpuid_regs){ 7, 0x340, 0x340, 0 }
                                   : (struct cpuid_regs){ 0 };
        break;
    case 0x80000000: r.a = subleaf ? 0 : last_extended; break;
    default: r.d -= subleaf; break;
    }
    return r;
}

/* What asking for a leaf costs, and looking through what was chosen. */
#define COST_LEAF   150
#define COST_CHOSEN 12

static int spent_since(int before)
{
    return before - cpu.budget;
}

int copy_from_guest(void *to, vaddr_t from, size_t n)
{
    if (from.a == NOT_THERE) return -EFAULT;
    memcpy(to, (void *)from.a, n);
    return 0;
}
int copy_to_guest(vaddr_t to, const void *from, size_t n)
{
    if (to.a == NOT_THERE) return -EFAULT;
    memcpy((void *)to.a, from, n);
    return 0;
}
void *hv_alloc(size_t size)
{
    if (no_memory) return NULL;
    held += size;
    return calloc(1, size);
}
void hv_free(void *p, size_t size)
{
    if (p)
        held -= size;
    free(p);
}

static int set_up(void **state)
{
    caller = (struct domain){ .privileged = true };
    guest = (struct domain){ .id = 1 };
    vcpu = (struct vcpu){ .domain = &caller, .in_kernel = true };
    cpu.self = &cpu;
    cpu.running = &vcpu;
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
    cpu.budget = ENTRY_BUDGET;
    xsave_mask = 7;
    longest = false;
    return 0;
}

static int tear_down(void **state)
{
    hv_free(guest.cpu_policy, sizeof(*guest.cpu_policy));
    assert_int_equal(held, 0);
    return 0;
}

/* ---- lists ---- */

static xen_cpuid_leaf_t leaves[CPU_POLICY_LEAVES];

static int list_leaves(uint32_t index, uint32_t *room)
{
    struct xen_sysctl_cpu_policy op = {
        .index = index, .nr_leaves = *room, .nr_msrs = 7, .leaves.p = leaves
    };
    int error = sysctl_policy(&caller, &op);

    *room = op.nr_leaves;
    if (!error)
        assert_int_equal(op.nr_msrs, 0);
    return error;
}

/* The subleaves of a leaf, as a map of them; ALONE: bit 63. */
static uint64_t subleaves(uint32_t count, uint32_t leaf)
{
    uint64_t found = 0;

    for (uint32_t i = 0; i < count; i++)
        if (leaves[i].leaf == leaf) {
            uint64_t bit = 1ul << (leaves[i].subleaf == ALONE ? 63 : leaves[i].subleaf);

            assert_false(found & bit);
            found |= bit;
        }
    return found;
}

static void which_leaves(bool host, uint32_t count)
{
    for (uint32_t leaf = 0; leaf <= 0xd; leaf++)
        assert_int_equal(subleaves(count, leaf), leaf == 4     ? (host ? 15 : 15)
                                                 : leaf == 7   ? (host ? 3 : 1)
                                                 : leaf == 0xb ? 3
                                                 : leaf == 0xd ? 7
                                                               : 1ul << 63);
    assert_int_equal(subleaves(count, 0xe), 0);
    assert_int_equal(subleaves(count, 0x40000000), 1ul << 63);
    assert_int_equal(subleaves(count, 0x40000001), 0);
    assert_int_equal(subleaves(count, 0x40000100), 1ul << 63);
    assert_int_equal(subleaves(count, 0x80000008), 1ul << 63);
    assert_int_equal(subleaves(count, 0x80000009), host ? 1ul << 63 : 0);
    assert_int_equal(subleaves(count, 0x80000021), host ? 1ul << 63 : 0);
    assert_int_equal(subleaves(count, 0x80000022), 0);
}

static void lists(void **state)
{
    for (uint32_t index = 0; index < 6; index++) {
        bool host = index < 2;
        uint32_t count = CPU_POLICY_LEAVES, exactly;

        if (index == XEN_SYSCTL_cpu_policy_hvm_max || index == XEN_SYSCTL_cpu_policy_hvm_default) {
            assert_int_equal(list_leaves(index, &count), -EOPNOTSUPP);
            continue;
        }
        assert_int_equal(list_leaves(index, &count), 0);
        which_leaves(host, count);
        assert_int_equal(leaves[0].a, host ? 0x20 : 0xd);
        assert_int_equal(leaves[1].c == ~0u, host);
        assert_true(!host || leaves[1].d == ~0u);
        exactly = count;
        cpu.budget = ENTRY_BUDGET;
        xsave_mask = 7 | 1 << 9;
        assert_int_equal(list_leaves(index, &exactly), 0);
        /* two limits, each leaf, and of the areas each that it could have */
        assert_int_equal(spent_since(ENTRY_BUDGET), (2 + count + (host ? 61 : 2)) * COST_LEAF);
        xsave_mask = 7;
        exactly = count - 1;
        assert_int_equal(list_leaves(index, &exactly), -ENOBUFS);
        no_memory = true;
        assert_int_equal(list_leaves(index, &count), -ENOMEM);
        no_memory = false;
    }
}

/* As long as libxc's policies can be: what is beyond them is left out. */
static void the_longest_list(void **state)
{
    uint32_t count = CPU_POLICY_LEAVES;

    longest = true;
    assert_int_equal(list_leaves(XEN_SYSCTL_cpu_policy_host, &count), 0);
    assert_int_equal(subleaves(count, 4), 0x3f);
    assert_int_equal(subleaves(count, 7), 7);
    assert_int_equal(subleaves(count, 0xb), 3);
    assert_int_equal(subleaves(count, 0xd), (1ul << 63) - 1);
    assert_int_equal(count, 120);
}

static void what_is_no_list(void **state)
{
    struct xen_sysctl_cpu_policy op = { .index = 6 };

    assert_int_equal(sysctl_policy(&caller, &op), -EINVAL);
    op.index = XEN_SYSCTL_cpu_policy_pv_max;
    op._rsvd = 1;
    assert_int_equal(sysctl_policy(&caller, &op), -EINVAL);
    op.index = XEN_SYSCTL_cpu_policy_hvm_max;
    assert_int_equal(sysctl_policy(&caller, &op), -EOPNOTSUPP);
    op.index = XEN_SYSCTL_cpu_policy_pv_max;
    op._rsvd = 0;
    assert_int_equal(sysctl_policy(&caller, &op), 0);
    assert_int_equal(op.nr_leaves, CPU_POLICY_LEAVES);
    assert_int_equal(op.nr_msrs, 2);
    op.leaves.p = (void *)NOT_THERE;
    assert_int_equal(sysctl_policy(&caller, &op), -EFAULT);
}

/* ---- features ---- */

static void features(void **state)
{
    uint32_t words[20];
    struct xen_sysctl_cpu_featureset op = { .index = XEN_SYSCTL_cpu_featureset_pv };

    assert_int_equal(sysctl_featureset(&caller, &op), 0);
    assert_int_equal(op.nr_features, 16);
    assert_int_equal(spent_since(ENTRY_BUDGET), 16 * COST_LEAF);
    op.features.p = words;
    for (uint32_t room = 0; room < 20; room++) {
        memset(words, 0x55, sizeof(words));
        op.nr_features = room;
        assert_int_equal(sysctl_featureset(&caller, &op), room < 16 ? -ENOBUFS : 0);
        assert_int_equal(words[room < 16 ? room : 16], 0x55555555);
    }
    assert_int_equal(words[0], cpuid_offered(1, 0).d);
    assert_int_equal(words[1], cpuid_offered(1, 0).c);
    assert_int_equal(words[2], cpuid_offered(0x80000001, 0).d);
    assert_int_equal(words[3], cpuid_offered(0x80000001, 0).c);
    assert_int_equal(words[4], cpuid_offered(0xd, 1).a);
    assert_int_equal(words[5], cpuid_offered(7, 0).b);
    assert_int_equal(words[9], cpuid_offered(7, 0).d);
    op.index = XEN_SYSCTL_cpu_featureset_host;
    op.nr_features = 16;
    assert_int_equal(sysctl_featureset(&caller, &op), 0);
    assert_true(words[0] == ~0u && words[10] == 1 && words[15] == ~0u);
    op.features.p = (void *)NOT_THERE;
    assert_int_equal(sysctl_featureset(&caller, &op), -EFAULT);
    op.index = XEN_SYSCTL_cpu_featureset_hvm;
    assert_int_equal(sysctl_featureset(&caller, &op), -EOPNOTSUPP);
    op.index = XEN_SYSCTL_cpu_featureset_hvm_max;
    assert_int_equal(sysctl_featureset(&caller, &op), -EOPNOTSUPP);
    op.index = 6;
    assert_int_equal(sysctl_featureset(&caller, &op), -EINVAL);
}

/* ---- a domain's ---- */

static xen_msr_entry_t msrs[3] = { { .idx = 0xce }, { .idx = 0x10a } };

static int set(struct domain *d, uint32_t count, uint32_t msr_count)
{
    struct xen_domctl_cpu_policy op = { count, msr_count, { leaves }, { msrs }, 0, 0, 0 };

    return domctl_set_policy(d, &op);
}

static uint32_t get(void)
{
    struct xen_domctl_cpu_policy op = { .nr_leaves = CPU_POLICY_LEAVES, .leaves.p = leaves };

    assert_int_equal(domctl_get_policy(&guest, &op), 0);
    assert_int_equal(op.nr_msrs, 0);
    return op.nr_leaves;
}

static void of_a_domain(void **state)
{
    uint32_t count = get(), wanted;

    assert_true(leaves[1].c & 1);
    wanted = leaves[1].d;
    leaves[1].c &= ~1u;                             /* no SSE3, */
    leaves[1].d = ~0u;                              /* and more than there is */
    assert_int_equal(set(&guest, count, 2), 0);
    assert_int_equal(get(), count);
    assert_false(leaves[1].c & 1);
    assert_int_equal(leaves[1].d, wanted);
    leaves[1].c = 0;
    assert_int_equal(set(&guest, count, 0), 0);     /* again */
    assert_int_equal(guest.cpu_policy->leaf[1].c, 0);
    count = get();                                  /* without XSAVE there are no areas */
    assert_int_equal(subleaves(count, 0xb), 3);
    assert_int_equal(subleaves(count, 0xd), 3);
}

static xen_cpuid_leaf_t *extended(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (leaves[i].leaf == 0x80000000) return &leaves[i];
    assert_true(false);
    return NULL;
}

/* Xen offers leaves that we do not, and that not each machine has: a guest of its may come, and is
 * told of no more than ours. */
static void of_a_guest_of_xens(void **state)
{
    static const struct { uint32_t has, policy; int answer; } rows[] = {
        { 0x80000028, 0x80000028, 0 }, { 0x80000028, 0x80000029, -EINVAL },
        { 0x8000000a, 0x80000021, 0 }, { 0x8000000a, 0x80000022, -EINVAL },
    };
    uint32_t count;

    for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        last_extended = rows[i].has;
        count = get();
        leaves[0].a = 0x20;
        extended(count)->a = rows[i].policy;
        assert_int_equal(set(&guest, count, 0), rows[i].answer);
        assert_int_equal(get(), count);
        assert_int_equal(leaves[0].a, 0xd);
        assert_int_equal(extended(count)->a, 0x80000008);
    }
    last_extended = 0x80000028;
}

/* Each leaf is looked for in all of them: a full list of nothing is the longest (I11). */
static void a_long_list(void **state)
{
    uint32_t count = get();
    int32_t before = cpu.budget;

    for (; count < CPU_POLICY_LEAVES; count++)
        leaves[count] = (xen_cpuid_leaf_t){ .leaf = 0xd, .subleaf = 63 };
    for (uint32_t i = 2; i < count; i++)            /* but how many there are, and XSAVE */
        if (leaves[i].leaf != 0x80000000)
            leaves[i] = leaves[CPU_POLICY_LEAVES - 1];
    assert_int_equal(set(&guest, count, 0), 0);
    assert_int_equal(spent_since(before), CPU_POLICY_LEAVES * COST_ENTRY);
    asked = 0;
    before = cpu.budget;
    count = get();
    assert_in_range(count, 20, 40);
    assert_in_range(asked, 3, 9);                   /* what xsave_mask has, and what is first */
    assert_int_equal(spent_since(before),
                     (2 + count + 1) * (COST_LEAF + COST_CHOSEN * CPU_POLICY_LEAVES));
}

static void up_to_the_last_leaf(void **state)
{
    uint32_t count = get();

    leaves[count - 1].leaf = 0x80000021;
    assert_int_equal(set(&guest, count, 0), 0);
}

static void what_is_no_policy(void **state)
{
    uint32_t count = get();
    struct xen_domctl_cpu_policy op = { .nr_leaves = 1, .leaves.p = (void *)NOT_THERE };

    assert_int_equal(domctl_set_policy(&guest, &op), -EFAULT);
    assert_int_equal(set(&caller, count, 0), -EINVAL);
    assert_int_equal(set(&guest, CPU_POLICY_LEAVES + 1, 0), -E2BIG);
    assert_int_equal(set(&guest, 0, 0), -EINVAL);   /* how many leaves? */
    no_memory = true;
    assert_int_equal(set(&guest, count, 0), -ENOMEM);
    no_memory = false;
    leaves[0].a = 0x21;
    assert_int_equal(set(&guest, count, 0), -EINVAL);
    leaves[0].a = 0xd;
    leaves[0].subleaf = 1;                          /* as if it had others, which say nothing */
    assert_int_equal(set(&guest, count, 0), -EINVAL);
    leaves[0] = (xen_cpuid_leaf_t){ 0x40000001, ALONE, 0, 0, 0, 0 };
    assert_int_equal(set(&guest, count, 0), -ERANGE);
    get();
    leaves[count - 1].leaf = 0x80000022;
    assert_int_equal(set(&guest, count, 0), -ERANGE);
    leaves[count - 1].leaf = 0x40000001;
    assert_int_equal(set(&guest, count, 0), -ERANGE);
    get();
    assert_int_equal(set(&guest, count, 3), -E2BIG);
    msrs[1].idx = 0x1b;
    assert_int_equal(set(&guest, count, 2), -ERANGE);
    msrs[1] = (xen_msr_entry_t){ .idx = 0x10a, .flags = 1 };
    assert_int_equal(set(&guest, count, 2), -EINVAL);
    msrs[1].flags = 0;
    op = (struct xen_domctl_cpu_policy){ .nr_leaves = count, .nr_msrs = 1, .leaves.p = leaves,
                                         .msrs.p = (void *)NOT_THERE };
    assert_int_equal(domctl_set_policy(&guest, &op), -EFAULT);
    guest.started = true;
    assert_int_equal(set(&guest, count, 0), -EEXIST);
    guest.started = false;
    guest.life = DOMAIN_DYING;
    assert_int_equal(set(&guest, count, 0), -EEXIST);
    assert_null(guest.cpu_policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lists, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_longest_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(features, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_a_domain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_a_guest_of_xens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(up_to_the_last_leaf, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_policy, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
