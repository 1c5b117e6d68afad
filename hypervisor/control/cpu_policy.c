/* SPDX-License-Identifier: MIT */
/*
 * What CPUs can do, as toolstacks ask for it and say it: lists of CPUID's leaves and sets of
 * features, of the machine, of what PV guests are offered, and of one domain (what it is told then:
 * emulate/cpuid.c). Guests of ours read no MSR that would be in such a policy.
 *
 * Lock: domctl's; a domain's policy changes only before it first runs.
 */
#include "control/cpu_policy.h"
#include "control/domctl.h"
#include "emulate/cpu_policy.h"
#include "lib/fail.h"
#include "machine/budget.h"
#include "memory/access.h"
#include "memory/heap.h"
#include <xen/arch-x86/cpuid.h>

#define COST_LEAF      150          /* asked for, and written */
#define COST_CHOSEN    12           /* and each of those that were chosen looked at, twice */
#define LAST_BASIC     0xdu         /* what libxc's policies have room for, in leaves, */
#define LAST_EXTENDED  0x80000021u
#define LAST_TOPOLOGY  1u           /* and in subleaves */
#define LAST_CACHE     5u
#define LAST_FEATURES  2u
#define LAST_STATE     62u
#define HV_LEAF(n)     XEN_CPUID_LEAF(n)
#define VIRIDIAN_LEAF  0x40000100u  /* none here, and said so */
#define MSR_PLATFORM_INFO     0xceu
#define MSR_ARCH_CAPABILITIES 0x10au
#define MSRS                  2u

#define HOST_INDEX 1u               /* XEN_SYSCTL_cpu_policy_host, ..._featureset_host */
#define LAST_INDEX 5u               /* ..._hvm_default, ..._hvm_max */

/* ---- a policy as a list ---- */

struct list_of {
    struct cpu_policy *p;
    bool host;                      /* the machine's own, else what it offers */
    const struct cpu_policy *chosen;        /* of that */
};

static struct cpuid_regs read(bool host, const struct cpu_policy *chosen, uint32_t leaf,
                              uint32_t subleaf)
{
    return host ? cpuid(leaf, subleaf) : cpuid_chosen(chosen, leaf, subleaf);
}

static struct cpuid_regs ask(const struct list_of *l, uint32_t leaf, uint32_t subleaf)
{
    spend(COST_LEAF + (l->chosen ? (int)l->chosen->count * COST_CHOSEN : 0));
    return read(l->host, l->chosen, leaf, subleaf);
}

static struct cpuid_regs add(struct list_of *l, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r = ask(l, leaf, subleaf == XEN_CPUID_NO_SUBLEAF ? 0 : subleaf);

    if (l->p->count < CPU_POLICY_LEAVES)
        l->p->leaf[l->p->count++] = (xen_cpuid_leaf_t){ leaf, subleaf, r.a, r.b, r.c, r.d };
    return r;
}

/* An area of XSAVE's. Those beyond the mask are not asked for one by one: in a long list that takes
 * longer than an entry may (I11). */
static bool has_area(const struct list_of *l, uint32_t subleaf)
{
    return (l->host || (xsave_mask >> subleaf & 1)) && ask(l, 0xd, subleaf).a;
}

static void add_basic(struct list_of *l, uint32_t leaf)
{
    uint32_t last = LAST_TOPOLOGY;

    switch (leaf) {
    case 4:                         /* type 0 ends it */
        for (uint32_t i = 0; i <= LAST_CACHE && (add(l, leaf, i).a & 0x1f); i++)
            ;
        break;
    case 7:
        last = add(l, leaf, 0).a;
        for (uint32_t i = 1; i <= MIN(last, LAST_FEATURES); i++)
            add(l, leaf, i);
        break;
    case 0xd:
        last = LAST_STATE;
        __attribute__((fallthrough));
    case 0xb:
        for (uint32_t i = 0; i <= last; i++)
            if (i <= LAST_TOPOLOGY || has_area(l, i))
                add(l, leaf, i);
        break;
    default:
        add(l, leaf, XEN_CPUID_NO_SUBLEAF);
    }
}

static void make_list(struct list_of *l)
{
    uint32_t last = ask(l, 0, 0).a, last_extended = ask(l, 0x80000000, 0).a;

    for (uint32_t leaf = 0; leaf <= MIN(last, LAST_BASIC); leaf++)
        add_basic(l, leaf);
    add(l, HV_LEAF(0), XEN_CPUID_NO_SUBLEAF);
    add(l, VIRIDIAN_LEAF, XEN_CPUID_NO_SUBLEAF);
    for (uint32_t leaf = 0x80000000; leaf <= MIN(last_extended, LAST_EXTENDED); leaf++)
        add(l, leaf, XEN_CPUID_NO_SUBLEAF);
}

/* Into a buffer for *room leaves; NULL: how many there can be. MSRs: none; but libxc writes down
 * those of its own that it knows, and asks here how many they can be. */
static int give_list(struct list_of l, xen_cpuid_leaf_t *buffer, uint32_t *room, uint32_t *msrs)
{
    int error = 0;

    *msrs = buffer ? 0 : MSRS;
    if (!buffer) {
        *room = CPU_POLICY_LEAVES;
        return 0;
    }
    l.p = hv_alloc(sizeof(*l.p));
    if (!l.p) return fail(-ENOMEM, "no memory for the policy");
    make_list(&l);
    if (l.p->count > *room)
        error = fail(-ENOBUFS, "the policy has more leaves");
    else if (copy_to_guest(VADDR(buffer), l.p->leaf, l.p->count * sizeof(l.p->leaf[0])))
        error = fail(-EFAULT, "the leaves cannot be written");
    *room = l.p->count;
    hv_free(l.p, sizeof(*l.p));
    return error;
}

/* Policies and feature sets have other names, but are in one order: of them, two are the machine's,
 * and each other one behind is HVM's. */
static int check_index(uint32_t index)
{
    if (index > LAST_INDEX) return fail(-EINVAL, "no such policy or feature set");
    if (index > HOST_INDEX && index % 2) return expected(-EOPNOTSUPP, "there are no HVM guests");
    return 0;
}

int sysctl_policy(struct domain *caller, struct xen_sysctl_cpu_policy *op)
{
    int error = check_index(op->index);

    if (!error && op->_rsvd)
        error = fail(-EINVAL, "a field that must be zero is not");
    if (error) return error;
    return give_list((struct list_of){ .host = op->index <= HOST_INDEX }, op->leaves.p,
                     &op->nr_leaves, &op->nr_msrs);
}

/* ---- features ---- */

int sysctl_featureset(struct domain *caller, struct xen_sysctl_cpu_featureset *op)
{
    uint32_t words[CPUID_WORDS], given = MIN(op->nr_features, CPUID_WORDS);
    int error = check_index(op->index);

    if (error) return error;
    spend(CPUID_WORDS * COST_LEAF);
    for (uint32_t i = 0; i < CPUID_WORDS; i++) {
        const struct cpuid_word *w = &cpuid_words[i];
        struct cpuid_regs r = read(op->index <= HOST_INDEX, NULL, w->leaf, w->subleaf);

        words[i] = *cpuid_register(&r, w->reg);
    }
    op->nr_features = CPUID_WORDS;
    if (!op->features.p) return 0;
    if (copy_to_guest(VADDR(op->features.p), words, given * sizeof(words[0])))
        return fail(-EFAULT, "the features cannot be written");
    return given < CPUID_WORDS ? fail(-ENOBUFS, "there are more features") : 0;
}

/* ---- a domain's ---- */

int domctl_get_policy(struct domain *d, struct xen_domctl_cpu_policy *op)
{
    return give_list((struct list_of){ .chosen = d->cpu_policy }, op->leaves.p, &op->nr_leaves,
                     &op->nr_msrs);
}

static bool leaf_ok(uint32_t leaf)
{
    return leaf <= LAST_BASIC || leaf == HV_LEAF(0) || leaf == VIRIDIAN_LEAF ||
           (leaf >= 0x80000000 && leaf <= LAST_EXTENDED);
}

/* A domain that has more leaves than this machine would miss them. But of extended ones Xen says
 * that there are so many on any machine, and mostly nothing is in them. (Who comes with more than
 * we offer is told the lower limit.) */
static bool beyond(const struct cpu_policy *p, uint32_t leaf)
{
    const xen_cpuid_leaf_t *l = cpu_policy_find(p, leaf, 0);

    return !l || l->a > MAX(cpuid(leaf, 0).a, leaf ? LAST_EXTENDED : 0);
}

static int check_leaves(const struct cpu_policy *p)
{
    spend((int)p->count * COST_ENTRY);
    for (uint32_t i = 0; i < p->count; i++)
        if (!leaf_ok(p->leaf[i].leaf))
            return fail_value(-ERANGE, "not a leaf of a policy", p->leaf[i].leaf);
    if (beyond(p, 0) || beyond(p, 0x80000000))
        return fail(-EINVAL, "the policy has more leaves than this machine, or no limit");
    return 0;
}

/* Two MSRs that say what a CPU can besides; here nobody can read them. */
static int check_msrs(const struct xen_domctl_cpu_policy *op)
{
    if (op->nr_msrs > MSRS) return fail(-E2BIG, "more MSRs than a policy has");
    for (uint32_t i = 0; i < op->nr_msrs; i++) {
        xen_msr_entry_t msr;

        if (read_guest(&msr, (uint64_t)(op->msrs.p + i)))
            return fail(-EFAULT, "the MSRs cannot be read");
        if (msr.flags) return fail(-EINVAL, "a field that must be zero is not");
        if (msr.idx != MSR_PLATFORM_INFO && msr.idx != MSR_ARCH_CAPABILITIES)
            return fail_value(-ERANGE, "not an MSR of a policy", msr.idx);
    }
    return 0;
}

int domctl_set_policy(struct domain *d, const struct xen_domctl_cpu_policy *op)
{
    struct cpu_policy *p;
    int error;

    if (d == current->domain) return fail(-EINVAL, "not on the caller itself");
    if (d->started || domain_is_dying(d)) return fail(-EEXIST, "the domain knows its CPU already");
    if (op->nr_leaves > CPU_POLICY_LEAVES) return fail(-E2BIG, "more leaves than a policy has");
    p = hv_alloc(sizeof(*p));
    if (!p) return fail(-ENOMEM, "no memory for the policy");
    p->count = op->nr_leaves;
    if (copy_from_guest(p->leaf, VADDR(op->leaves.p), p->count * sizeof(p->leaf[0])))
        error = fail(-EFAULT, "the leaves cannot be read");
    else
        error = check_leaves(p);
    if (!error)
        error = check_msrs(op);
    if (!error) {
        hv_free(d->cpu_policy, sizeof(*d->cpu_policy));
        d->cpu_policy = p;
    } else {
        hv_free(p, sizeof(*p));
    }
    return error;
}
