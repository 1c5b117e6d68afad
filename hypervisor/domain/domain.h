/* SPDX-License-Identifier: MIT */
/*
 * A domain and its virtual CPUs: the state that the rest of the hypervisor hangs on.
 *
 * struct vcpu begins with the guest's registers (after 8 bytes of alignment): while a guest runs,
 * TSS.RSP0 points just behind vcpu->regs.ss, so the hardware itself pushes the interrupted guest's
 * frame into its vCPU, and switching vCPUs copies nothing. Each CPU has one ring-0 stack that is
 * empty whenever a guest runs; nobody sleeps in ring 0.
 */
#ifndef DOMUS_DOMAIN_DOMAIN_H
#define DOMUS_DOMAIN_DOMAIN_H

#include "lib/types.h"   /* first: the public headers want the integer types declared */
#include <xen/xen.h>
#include <xen/vcpu.h>
#include <xen/callback.h>
#include <abi/domus.h>
#include "domain/events.h"
#include "domain/extent.h"
#include "domain/schedule.h"
#include "lib/share.h"
#include "domain/switch.h"
#include "domain/time.h"
#include "emulate/ports.h"
#include "entry/guest_entry.h"
#include "lib/fail.h"
#include "machine/cpu.h"
#include "memory/owned.h"
#include "memory/window.h"
#include <abi/list.h>

#define MAX_DOMAINS        1024     /* domids 0..1023 can live at once */
/* a domain: what the 2-level events' shared_info has room for (XEN_LEGACY_MAX_VCPUS) */
#define MAX_VCPUS          32

struct domain;
struct vcpu;
struct grant_table;
struct cpu_policy;
struct memory_map;

/* How often things happened; DOMUS_counters adds them up. */
struct vcpu_counters {
    uint64_t hypercalls[DOMUS_HYPERCALL_SLOTS];
    uint64_t refused, exceptions, emulated, emulated_pte, events, switches, continuations;
};

struct vcpu {
    /* &regs.es, 168 bytes into regs, must be 16-byte aligned: the CPU rounds RSP0 */
    uint64_t regs_shift aligned(16);
    /* what the guest's registers are, whenever it does not run */
    struct cpu_user_regs regs;
    /* read on every entry and exit; offsets known to entry.asm through offsets.c */
    /* in shared_info or where register_vcpu_info put it; always valid ring-0 address */
    struct vcpu_info *info;
    struct domain *domain;
    /* guest kernel mode (both modes are ring 3: this bit is the guest's real CPL) */
    bool in_kernel;
    /* the running hypercall asked to be continued (entry/hypercall.c) */
    uint8_t hypercall_restart;
    bool goes_on;                   /* the operation gave way before (operation_versioned) */
    uint8_t nmi_pending;
    uint32_t id;
    struct cpu *cpu;                /* where it runs */
    bool initialised;               /* setvcpucontext or VCPUOP_initialise done */

    struct vcpu_tables tables;      /* memory/owned.h */
    struct vcpu_window window;      /* memory/window.h: its GDT and LDT */
    struct guest_entry entry;       /* entry/guest_entry.h */
    struct vcpu_hardware hw;        /* domain/switch.h */
    struct vcpu_ports ports;        /* emulate/ports.h */
    struct vcpu_sched sched;        /* domain/schedule.h */
    struct vcpu_time time;          /* domain/time.h */
    struct vcpu_events events;      /* domain/events.h */
    struct last_error last_error;   /* lib/fail.h */
    struct extent extent;           /* domain/extent.h */
    /* our copy of the multicall entry being done, or NULL */
    struct multicall_entry *multicall;
    struct vcpu_counters counters;
};

/*
 * A domain's life:
 *
 *   ALIVE ----domain_shutdown----> SHUT_DOWN
 *     |                                |
 *     +---------domain_destroy---------+----> DYING ----its last stage----> DESTROYED
 *
 * There is no way back. Its vCPUs run only while it is ALIVE. What is SHUT_DOWN waits for the
 * toolstack, with all that it had. DYING gives up everything, stage by stage (domain.c), and gets
 * no new reference of any kind. DESTROYED has no number, and waits for its last references.
 */
enum domain_life { DOMAIN_ALIVE, DOMAIN_SHUT_DOWN, DOMAIN_DYING, DOMAIN_DESTROYED };

struct domain {
    /* memory/owned.h; first, so that the way to it and back costs nothing */
    struct domain_memory memory;
    domid_t id;
    bool privileged;                /* dom0: the control domain */
    enum domain_life life;
    uint32_t destroy_stage;         /* while DYING: how many are done */
    /* SHUTDOWN_*, once domain_shutdown was called, and what SCHEDOP_shutdown_code wants it to be;
     * -1: nobody did */
    int16_t shutdown_code, chosen_code;
    uint32_t refs;                  /* domain_get/domain_put; struct freed at 0 */
    uint32_t pause_count;           /* XEN_DOMCTL_pausedomain: vCPUs run only at 0 */
    /* of these, by XEN_DOMCTL_pausedomain; a domU is created with one */
    uint32_t toolstack_pauses;
    uint8_t handle[16];
    uint32_t ssidref;

    struct shared_info *shared;     /* one frame, owned by the domain, mapped by it */
    mfn_t shared_frame;

    struct domain_events events;    /* domain/events.h */
    struct domain_watchdogs watchdog;       /* domain/timers.h */
    struct domain_time time;        /* domain/time.h */
    uint32_t vm_assist;             /* VMASST_TYPE_* bits */
    bool started;                   /* XEN_DOMCTL_unpausedomain let it run once */
    /* domain/chosen.h; NULL: all that there is */
    struct cpu_policy *cpu_policy;
    struct memory_map *memory_map;

    struct grant_table *grants;     /* domain/grants.c; NULL for domains that have none */
    int32_t orphans;                /* its mappings of domains that are gone (grants_retire) */

    struct share share;             /* of the CPUs (lib/share.h) */
    struct timer cap_period;        /* at its end there is a new budget (domain/policy.c) */
    /* of ring 0 on its behalf while none of its vCPUs was running */
    uint64_t cpu_time_ns;
    uint32_t vcpu_count;            /* XEN_DOMCTL_max_vcpus */
    struct vcpu *vcpus[MAX_VCPUS];

    struct pirq_table *pirqs;       /* dom0 only (domain/physdev.c) */
    uint32_t pci_address;           /* what it last wrote to port 0xcf8 (emulate/ports.c) */
    struct list all_domains;
};

/* ---- life (domain/domain.c) ---- */
/* a reference, or NULL when there is none (or it is gone) */
struct domain *domain_get(domid_t id);
struct domain *domain_get_self_or(domid_t id);      /* DOMID_SELF understood */
/* The one with the lowest number from `first` up, with a reference; NULL: none. For walks that
 * outlive the list's lock. */
struct domain *domain_get_from(domid_t first);
/* The next one behind `after`, and after the last the first; MAX_DOMAINS: all are in use. */
uint32_t domain_free_number(domid_t after);
struct domain *domain_hold(struct domain *d);       /* one more, by who has one */
void domain_put(struct domain *d);
void domains_init(void);
struct domain *domain_create(domid_t id, uint32_t max_vcpus, bool privileged, int *error);
/* -ERESTART while there is more to do: call again */
int domain_destroy(struct domain *d) must_check;
/* SHUTDOWN_*; dom0's ends or resets the machine */
void domain_shutdown(struct domain *d, uint8_t reason);
/* A guest did what no errno can tell it: say why on the console and end that domain. Returns; the
 * caller unwinds. */
void domain_crash(struct domain *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern struct domain *dom0;
/* current until dom0 runs: something for fail() to write into */
extern struct vcpu boot_vcpu;
/* another CPU's, before it has a guest; false: no memory */
bool cpu_make_idle(struct cpu *cpu) must_check;
extern struct list domain_list;                     /* by id, under domain_list_lock */
extern uint32_t domain_count;                       /* of that list */
/* those that others' grant mappings keep in memory; under the same lock */
extern struct list destroyed_list;
extern spinlock_t domain_list_lock;

/* ---- vCPUs (domain/vcpu.c) ---- */
struct vcpu *vcpu_create(struct domain *d, uint32_t id);
/* its domain ends: puts every frame it holds */
void vcpu_release(struct vcpu *v);
void vcpu_free(struct vcpu *v);                            /* NULL is fine */
int vcpu_set_context(struct vcpu *v, const struct vcpu_guest_context *c) must_check;
void vcpu_get_context(struct vcpu *v, struct vcpu_guest_context *c);

_Static_assert((offsetof(struct vcpu, regs) + offsetof(struct cpu_user_regs, es)) % 16 == 0,
               "RSP0 must be aligned");

static inline bool domain_is_dying(const struct domain *d)
{
    return d->life >= DOMAIN_DYING;
}

/* Whose frames these are, if they are not special_io's or special_xen's. */
static inline struct domain *domain_of(struct domain_memory *m)
{
    return container_of(m, struct domain, memory);
}

/* NULL: there is none. A domain under construction or in its end has fewer than it may have. */
static inline struct vcpu *vcpu_by_id(const struct domain *d, uint32_t id)
{
    return id < d->vcpu_count ? d->vcpus[id] : NULL;
}

/* Each that there is. */
#define for_each_vcpu(v, d) \
    for (uint32_t id_ = 0; id_ < (d)->vcpu_count; id_++) \
        if (((v) = (d)->vcpus[id_]) == NULL) {} else

/* A CPU, v->cpu, has its state. */
static inline bool vcpu_loaded(const struct vcpu *v)
{
    return v->cpu && __atomic_load_n(&v->cpu->running, __ATOMIC_RELAXED) == v;
}

/* Pending until it has a handler; delivered on the way out, to current too. */
static inline void vcpu_send_nmi(struct vcpu *v)
{
    v->nmi_pending = 1;
    vcpu_wake(v);
    if (vcpu_loaded(v))
        cpu_reschedule(v->cpu);
}

static inline uint64_t vcpu_cr3(const struct vcpu *v)
{
    return v->in_kernel ? v->tables.kernel_cr3 : v->tables.user_cr3;
}

static inline bool vcpu_event_deliverable(const struct vcpu *v)
{
    return v->info->evtchn_upcall_pending && !v->info->evtchn_upcall_mask;
}

#endif
