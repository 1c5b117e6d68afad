/* SPDX-License-Identifier: MIT */
/* The domains that domctl deals with, and the rest of the hypervisor around it, for the tests of
 * control/domctl.c, domctl_vcpu.c and domain_info.c. */
#ifndef TESTS_UNIT_DOMCTL_HOST_H
#define TESTS_UNIT_DOMCTL_HOST_H

#include <stdlib.h>
#include <string.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#undef fail                                     /* the hypervisor has one, too */
#include "control/domctl.h"
#include "domain/grants.h"
#include "domain/schedule.h"
#include "domain/time.h"
#include "entry/hypercall.h"
#include "memory/access.h"
#include "memory/frame.h"
#include "memory/heap.h"
#include <xen/sched.h>
#include "cpus_host.h"
#include "fail_host.h"

#define NOT_THERE ((void *)0x666000)            /* can be neither read nor written */
#define CONTINUED (-1000)                       /* to be made again: what the test answers then */
#define GUEST     7

char host_frames[HOST_FRAMES * sizeof(struct frame)] aligned(16), host_ram[4096], host_m2p[8];
uint64_t max_frame = 16;
struct domain_memory special_io;

static struct cpu cpu;
uint32_t cpus_online = 1;
static struct vcpu self, guest_vcpus[3];
static struct domain caller, guest, born, other;
static bool taken[MAX_DOMAINS];                 /* numbers in use, beside the guest's */

/* What the stubs answer, and what they were asked. */
uint64_t xsave_mask;
uint32_t xsave_size;

static struct {
    int create, grants, destroy, destroys_left, type, context;
    bool no_vcpu, no_memory, no_msr, frame_is_foreign;
} answers;
static struct {
    unsigned int references, put_references, pauses, unpauses, destroys, times, wallclocks, fills,
        type_puts, frame_puts, weights, affinities, contexts, ups, wakes, vcpu_pauses,
        vcpu_unpauses, continued, made_vcpus, answers, reconsidered;
    uint32_t weight, cap, created_id, created_vcpus;
    uint64_t affinity;
    int32_t grant_frames, maptrack_frames;
    uint64_t arguments;
} did;
static uint64_t kept_to;                        /* the CPUs vCPU 2 was told; 0: none */
static size_t held;
static struct xen_domctl op;
/* the next domain_pause makes a domctl itself, and asks for the end of the domain */
static bool recursion;
static long recursive_answer, recursive_end;

static bool is_there(uint64_t va)
{
    return (va & ~0xffful) != (uint64_t)NOT_THERE;
}
int copy_from_guest(void *to, vaddr_t from, size_t n)
{
    if (!is_there(from.a)) return -EFAULT;
    memcpy(to, (void *)from.a, n);
    return 0;
}
int copy_to_guest(vaddr_t to, const void *from, size_t n)
{
    if (!is_there(to.a)) return -EFAULT;
    memcpy((void *)to.a, from, n);
    return 0;
}
int clear_guest(vaddr_t to, size_t n)
{
    if (n && !is_there(to.a + n - 1)) return -EFAULT;
    memset((void *)to.a, 0, n);
    return 0;
}
int read_guest_u64(uint64_t *to, uint64_t va)
{
    return copy_from_guest(to, VADDR(va), sizeof(*to));
}
int write_guest_u64(uint64_t va, uint64_t value)
{
    if (va >= (uint64_t)host_ram && va < (uint64_t)host_ram + 8) return -EFAULT;    /* read-only */
    return copy_to_guest(VADDR(va), &value, sizeof(value));
}
int answer_guest(uint64_t va, const void *object, size_t n)
{
    did.answers++;
    return copy_to_guest(VADDR(va), object, n);
}

struct domain *domain_get(domid_t id)
{
    struct domain *d = id == 0 ? &caller : id == GUEST ? &guest
                       : id < MAX_DOMAINS && taken[id] ? &other : NULL;

    did.references += d != NULL;
    return d;
}
/* The test's own list: of the caller and, until it is gone, the guest. */
static bool guest_is_gone;

struct domain *domain_get_from(domid_t first)
{
    return first == 0 ? domain_get(0)
           : first <= GUEST && !guest_is_gone ? domain_get(GUEST)
                                              : NULL;
}
uint32_t domain_free_number(domid_t after)
{
    for (unsigned int i = 1; i <= MAX_DOMAINS; i++) {
        unsigned int n = (after + i) % MAX_DOMAINS;

        if (n && n != GUEST && !taken[n]) return n;
    }
    return MAX_DOMAINS;
}
struct domain *domain_hold(struct domain *d)
{
    did.references++;
    return d;
}
struct domain *domain_get_self_or(domid_t id)
{
    return domain_get(id == DOMID_SELF ? 0 : id);
}
void domain_put(struct domain *d)
{
    assert_non_null(d);
    did.put_references++;
}

struct domain *domain_create(domid_t id, uint32_t vcpus, bool privileged, int *error)
{
    assert_false(privileged);
    did.created_id = id;
    did.created_vcpus = vcpus;
    *error = answers.create;
    born = (struct domain){ .id = id };
    return answers.create ? NULL : &born;
}
int domain_destroy(struct domain *d)
{
    assert_true(d == &born || d == &guest);
    did.destroys++;
    if (answers.destroys_left && answers.destroys_left--) return -ERESTART;
    return answers.destroy;
}
int grants_create(struct domain *d, int32_t frames, int32_t maptrack)
{
    assert_int_equal(d->pause_count, 1);
    did.grant_frames = frames;
    did.maptrack_frames = maptrack;
    return answers.grants;
}
void domain_pause(struct domain *d)
{
    did.pauses++;
    d->pause_count++;
    if (recursion) {
        recursion = false;
        recursive_answer = do_domctl((unsigned long)&op);
        recursive_end = domctl_destroy_some(d->id);
    }
}
void domain_unpause(struct domain *d)
{
    did.unpauses++;
    d->pause_count--;
}
void vcpu_pause(struct vcpu *v)
{
    did.vcpu_pauses++;
}
void vcpu_unpause(struct vcpu *v)
{
    did.vcpu_unpauses++;
}
void domain_reconsider(struct domain *d)
{
    assert_ptr_equal(d, &guest);
    did.reconsidered++;
}
struct vcpu *vcpu_create(struct domain *d, uint32_t id)
{
    if (answers.no_vcpu) return NULL;
    did.made_vcpus |= 1u << id;
    return d->vcpus[id] = &guest_vcpus[id];
}
void update_domain_time(struct domain *d)
{
    assert_int_equal(d->pause_count, 1);        /* it does not run yet */
    did.times++;
}
void update_domain_wallclock(struct domain *d)
{
    did.wallclocks++;
}
int frame_get_type(mfn_t m, struct domain_memory *d, enum frame_type t)
{
    assert_ptr_equal(d, &guest.memory);
    assert_int_equal(t, FRAME_WRITABLE);
    return answers.type;
}
void frame_put_type(mfn_t m)
{
    did.type_puts++;
}
void hypercall_page_fill(void *page)
{
    assert_ptr_equal(page, host_ram);
    did.fills++;
}
bool frame_try_get(mfn_t m, struct domain_memory *d)
{
    assert_ptr_equal(d, &guest.memory);
    return m.n < max_frame;
}
void frame_put(mfn_t m)
{
    did.frame_puts++;
}
void domain_set_weight(struct domain *d, uint32_t weight)
{
    did.weights++;
    did.weight = weight;
}
void domain_set_cap(struct domain *d, uint32_t percent)
{
    assert_ptr_equal(d, &guest);
    did.cap = percent;
}
void policy_set_affinity(struct vcpu *v, cpumask_t wanted)
{
    assert_ptr_equal(v, &guest_vcpus[2]);
    did.affinities++;
    did.affinity = wanted;
    kept_to = wanted;
}
cpumask_t policy_affinity(const struct vcpu *v)
{
    cpumask_t present = cpus_online < 64 ? (1ul << cpus_online) - 1 : ~0ul;

    assert_ptr_equal(v, &guest_vcpus[2]);
    return kept_to & present ? kept_to & present : present;
}
static uint64_t prefers;                        /* those that it does */

void policy_set_preference(struct vcpu *v, cpumask_t wanted)
{
    assert_ptr_equal(v, &guest_vcpus[2]);
    did.affinities++;
    prefers = wanted;
}
cpumask_t policy_preference(const struct vcpu *v)
{
    cpumask_t present = cpus_online < 64 ? (1ul << cpus_online) - 1 : ~0ul;

    assert_ptr_equal(v, &guest_vcpus[2]);
    return prefers & present ? prefers & present : present;
}
long hypercall_continue_with(unsigned int call, unsigned int count, const uint64_t *arguments)
{
    assert_int_equal(call, __HYPERVISOR_domctl);
    assert_int_equal(count, 1);
    did.arguments = arguments[0];
    did.continued++;
    return CONTINUED;
}
int vcpu_set_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
    assert_int_equal(guest.pause_count, 1);
    assert_int_equal(c->user_regs.rip, 0x1234);
    did.contexts++;
    return answers.context;
}
void vcpu_get_context(struct vcpu *v, struct vcpu_guest_context *c)
{
    assert_int_equal(did.vcpu_pauses, did.vcpu_unpauses + 1);
    c->user_regs.rip = 0x4321;
}
void vcpu_up(struct vcpu *v)
{
    assert_ptr_equal(v, &guest_vcpus[1]);
    did.ups++;
}
void vcpu_wake(struct vcpu *v)
{
    assert_ptr_equal(v, &guest_vcpus[1]);
    did.wakes++;
}
uint64_t vcpu_cpu_time(struct vcpu *v)
{
    return v->id * 1000 + 500;
}
void *hv_alloc(size_t size)
{
    if (answers.no_memory) return NULL;
    held += size;
    return calloc(1, size);
}
void hv_free(void *p, size_t size)
{
    held -= size;
    free(p);
}

/* control/cpu_policy.c has a test of its own */
int domctl_get_policy(struct domain *d, struct xen_domctl_cpu_policy *op)
{
    return -ENOSYS;
}
int domctl_set_policy(struct domain *d, const struct xen_domctl_cpu_policy *op)
{
    return -ENOSYS;
}
/* The one MSR that a guest has, if the CPU has it. */
bool rdmsr_safe(uint32_t msr, uint64_t *value)
{
    assert_int_equal(msr, 0xc0000103);
    *value = 0xabc;
    return !answers.no_msr;
}
uint64_t tsc_khz(void)
{
    return 2345678;
}

static int set_up(void **state)
{
    memset(&answers, 0, sizeof(answers));
    memset(&did, 0, sizeof(did));
    memset(taken, 0, sizeof(taken));
    caller = (struct domain){ .privileged = true, .vcpu_count = 1, .vcpus = { &self } };
    guest = (struct domain){ .id = GUEST, .vcpu_count = 3, .shutdown_code = -1 };
    other = (struct domain){ .id = 9 };
    for (unsigned int i = 0; i < 3; i++) {
        guest_vcpus[i] = (struct vcpu){ .id = i, .domain = &guest, .initialised = true };
        guest.vcpus[i] = &guest_vcpus[i];
    }
    self = (struct vcpu){ .domain = &caller, .initialised = true };
    guest_is_gone = false;
    cpu.self = &cpu;
    cpu.running = &self;
    cpus_begin(&cpu);
    be_cpu(&cpu);
    budget_refill();
    memset(&op, 0, sizeof(op));
    return 0;
}

static int tear_down(void **state)
{
    assert_int_equal(did.references, did.put_references);
    assert_int_equal(did.vcpu_pauses, did.vcpu_unpauses);
    assert_int_equal(held, 0);
    cpus_online = 1;
    return 0;
}

/* Makes the call. What is not an answer must be as it was; one refusal says how many there are. */
static long domctl(uint32_t command, domid_t domain)
{
    struct xen_domctl before;
    long result;

    op.cmd = command;
    op.domain = domain;
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    before = op;
    result = do_domctl((unsigned long)&op);
    if (result && result != CONTINUED && result != -ENOBUFS)
        assert_memory_equal(&op, &before, sizeof(op));
    return result;
}

#endif
