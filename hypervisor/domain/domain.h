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
#include "domain/share.h"
#include "domain/timers.h"
#include "lib/list.h"
#include "lib/spinlock.h"
#include "lib/fail.h"
#include "machine/cpu.h"

#define MAX_DOMAINS        1024     /* domids 0..1023 can live at once */
/* a domain: what the 2-level events' shared_info has room for (XEN_LEGACY_MAX_VCPUS) */
#define MAX_VCPUS          32
#define NR_EVTCHNS         4096     /* EVTCHN_2L_NR_CHANNELS on 64-bit */
/* FIRST_RESERVED_GDT_PAGE: the 15th page of every GDT is ours */
#define GUEST_GDT_PAGES    14

struct domain;
struct vcpu;
struct grant_table;
struct evtchn;

struct guest_callback {
    uint64_t rip;                   /* canonical, checked when set; 0: none */
    bool mask_events;               /* entering it masks events (CALLBACKF_mask_events) */
};

/* How often things happened; DOMUS_counters adds them up. */
struct vcpu_counters {
    uint64_t hypercalls[64];
    uint64_t refused, exceptions, emulated, emulated_pte, events, switches, continuations;
};

enum vcpu_state { VCPU_DOWN, VCPU_RUNNABLE, VCPU_BLOCKED };

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
    uint8_t nmi_pending;
    uint64_t kernel_cr3, user_cr3;  /* machine addresses of the two L4s; user 0: none */
    mfn_t kernel_table, user_table; /* the same as frames, each holding a type reference */
    uint64_t kernel_sp;             /* stack_switch: where traps from user mode go */
    uint16_t kernel_ss;
    struct guest_callback event_callback, failsafe_callback, syscall_callback, syscall32_callback,
        sysenter_callback, nmi_callback;
    struct trap_info traps[256];    /* the guest's IDT; address 0: none */

    uint32_t id;
    struct cpu *cpu;                /* where it runs */
    bool initialised;               /* setvcpucontext or VCPUOP_initialise done */

    /* descriptor tables: mapped in this vCPU's window (memory/window.c) */
    uint64_t window;                /* ring-0 VA of 16 GDT pages, then 16 LDT pages */
    mfn_t gdt_frames[GUEST_GDT_PAGES];
    uint32_t gdt_entries;
    uint64_t ldt_base;              /* guest linear address */
    uint32_t ldt_entries;

    /* segment state that is not in regs while the guest runs; saved and loaded by vCPU switches */
    uint16_t sel_ds, sel_es, sel_fs, sel_gs;
    uint64_t fs_base, gs_base_kernel, gs_base_user;

    /* only TS of cr0 is real; of cr4 the bits that the guest may choose */
    uint64_t guest_cr0, guest_cr4;
    uint64_t hardware_cr4;          /* what CR4 holds while it runs */
    uint64_t debugreg[8];
    uint32_t iopl;                  /* PHYSDEVOP_set_iopl: emulated IOPL for in/out/cli/sti */
    /* PHYSDEVOP_set_iobitmap: guest VA of a bit a port, 0 allows; and how many ports it covers */
    uint64_t io_bitmap;
    uint32_t io_bitmap_ports;
    uint32_t tsc_aux;               /* MSR 0xc0000103 while it runs: what RDTSCP and RDPID give */
    uint64_t xcr0;
    void *xsave_area;               /* XSAVE area of the size CPUID says, zeroed at birth */

    /* scheduling (domain/schedule.c) */
    enum vcpu_state state;
    uint32_t pause_count;           /* plus the domain's */
    struct turn turn;               /* domain/share.h */
    /* held: whom it works for, if not for itself (DOMUS_work_for) */
    struct domain *client;
    uint64_t client_since;          /* ns it had run when it said so */
    /* SCHEDOP_poll (domain.pollers says whether it does): the only port polled, or 0: any */
    uint32_t poll_port;
    struct timer singleshot, periodic, poll_timer;
    uint64_t periodic_ns;           /* 0: no periodic timer */
    struct vcpu_runstate_info runstate;
    uint64_t runstate_area;         /* guest VA or 0 */
    uint64_t time_area;             /* guest VA of a secondary vcpu_time_info or 0 */
    /* the area must be written at the next entry to guest kernel mode */
    bool runstate_stale, time_stale;
    uint32_t time_version;          /* of what its vcpu_time_info says */
    mfn_t info_frame;               /* held while info is registered elsewhere */

    uint32_t virq_port[NR_VIRQS];   /* 0: unbound */
    struct last_error last_error;   /* lib/fail.h: rule 7 */
    /* memory/reservation.c */
    struct {
        struct domain *domain;
        uint64_t command, argument;
        mfn_t first;
        uint32_t order, done;
    } extent;
    /* our copy of the multicall entry being done, or NULL */
    struct multicall_entry *multicall;
    struct vcpu_counters counters;
};

struct domain {
    domid_t id;
    bool privileged;                /* dom0: the control domain */
    bool dying;                     /* destruction began; no new references of any kind */
    bool destroyed;                 /* destruction is complete; waits for its last references */
    /* asked by itself or crashed; paused until the toolstack acts */
    bool shutdown;
    uint8_t shutdown_code;
    /* SCHEDOP_shutdown_code said it beforehand: domain_shutdown keeps it */
    bool shutdown_code_chosen;
    uint32_t refs;                  /* domain_get/domain_put; struct freed at 0 */
    uint32_t pause_count;           /* XEN_DOMCTL_pausedomain: vCPUs run only at 0 */
    /* of these, by XEN_DOMCTL_pausedomain; a domU is created with one */
    uint32_t toolstack_pauses;
    uint8_t handle[16];
    uint32_t ssidref;

    struct shared_info *shared;     /* one frame, owned by the domain, mapped by it */
    mfn_t shared_frame;

    /* memory (memory/): all under memory_lock */
    spinlock_t memory_lock;
    struct list pages;              /* every frame owned, by struct frame's link */
    /* page tables whose entries are being dropped (memory/undo.c); likewise owned frames */
    struct list undoing;
    struct list leaving;            /* frames already seen by domain_relinquish_memory */
    /* frames owned (also those given back but still mapped) and allowed */
    uint64_t page_count, max_pages;
    spinlock_t pagetable_lock;      /* serialises page-table updates of one domain */
    uint32_t vm_assist;             /* VMASST_TYPE_* bits */
    uint32_t destroy_stage;

    /* events (domain/events.c) */
    spinlock_t event_lock;
    struct evtchn **event_buckets;  /* a page of pointers to pages of channels */
    uint64_t ports_used[NR_EVTCHNS / 64];   /* a bit for each channel that is not closed */
    uint32_t event_limit;           /* ports allowed */
    uint32_t pollers;               /* a bit for each vCPU in SCHEDOP_poll */

    struct timer watchdogs[2];      /* SCHEDOP_watchdog (domain/sched_op.c) */
    uint8_t watchdogs_used;         /* a bit each */

    struct grant_table *grants;     /* domain/grants.c; NULL for domains that have none */
    int32_t orphans;                /* its mappings of domains that are gone (grants_retire) */

    struct share share;             /* of the CPU (domain/share.h) */
    /* of ring 0 on its behalf while none of its vCPUs was running */
    uint64_t cpu_time_ns;
    uint32_t vcpu_count;            /* XEN_DOMCTL_max_vcpus */
    struct vcpu *vcpus[MAX_VCPUS];

    int64_t time_offset_seconds;
    struct pirq_table *pirqs;       /* dom0 only (control/physdev.c) */
    uint32_t pci_address;           /* what it last wrote to port 0xcf8 (emulate/ports.c) */
    struct list all_domains;
};

/* ---- life (domain/domain.c) ---- */
/* a reference, or NULL when there is none (or it is gone) */
struct domain *domain_get(domid_t id);
struct domain *domain_get_self_or(domid_t id);      /* DOMID_SELF understood */
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
/* owners DOMID_IO and DOMID_XEN of frames that are nobody's RAM */
extern struct domain special_io, special_xen;
extern struct list domain_list;                     /* by id, under domain_list_lock */
/* those that others' grant mappings keep in memory; under the same lock */
extern struct list destroyed_list;
extern spinlock_t domain_list_lock;

/* ---- vCPUs (domain/vcpu.c) ---- */
struct vcpu *vcpu_create(struct domain *d, uint32_t id);
/* its domain ends: puts every frame it holds */
void vcpu_release(struct vcpu *v);
void vcpu_free(struct vcpu *v);                            /* NULL is fine */
/* registers, FPU, segments, tables; regs need no copy */
void vcpu_switch(struct vcpu *from, struct vcpu *to);
int vcpu_set_context(struct vcpu *v, const struct vcpu_guest_context *c) must_check;
void vcpu_get_context(struct vcpu *v, struct vcpu_guest_context *c);
/* guest_cr4 and what follows; loaded when v runs next */
void vcpu_choose_cr4(struct vcpu *v, uint64_t value);
void vcpu_load_cr4(const struct vcpu *v);
/* CR3 after in_kernel, kernel_cr3 or user_cr3 changed */
void vcpu_load_tables(struct vcpu *v);
/* guest user -> guest kernel mode: CR3 and GS base */
void vcpu_enter_kernel(struct vcpu *v);
/* guest kernel -> user mode; needs user_cr3 */
void vcpu_enter_user(struct vcpu *v);

/* ---- scheduler (domain/schedule.c) ---- */
/* BLOCKED -> RUNNABLE; no-op otherwise */
void vcpu_wake(struct vcpu *v);
/* current only; stays runnable if an event is pending */
void vcpu_block(struct vcpu *v);
void vcpu_yield(void);
void vcpu_up(struct vcpu *v);                              /* DOWN -> RUNNABLE; no-op otherwise */
/* -> DOWN, whatever it was; if it is current, at its next exit */
void vcpu_down(struct vcpu *v);
void vcpu_pause(struct vcpu *v);                           /* counted; on return it does not run */
void vcpu_unpause(struct vcpu *v);
void domain_pause(struct domain *d);
void domain_unpause(struct domain *d);

/* ---- time (domain/time.c) ---- */
uint64_t now_ns(void);                                     /* system time since boot */
void update_vcpu_time(struct vcpu *v);                     /* refresh v->info->time (pvclock) */
/* the same into its time area; current, in kernel mode */
void vcpu_time_publish(struct vcpu *v);
extern uint32_t time_version;                              /* counts corrections of the clock */

/* ---- events (domain/events.c) ---- */
void send_guest_vcpu_virq(struct vcpu *v, uint32_t virq);
void send_global_virq(uint32_t virq);                      /* to the domain (dom0) that bound it */
void send_guest_pirq(struct domain *d, uint32_t pirq);
void vcpu_mark_event_pending(struct vcpu *v);              /* upcall pending; wakes it */

_Static_assert((offsetof(struct vcpu, regs) + offsetof(struct cpu_user_regs, es)) % 16 == 0,
               "RSP0 must be aligned");

static inline uint64_t vcpu_cr3(const struct vcpu *v)
{
    return v->in_kernel ? v->kernel_cr3 : v->user_cr3;
}

static inline bool vcpu_event_deliverable(const struct vcpu *v)
{
    return v->info->evtchn_upcall_pending && !v->info->evtchn_upcall_mask;
}

#endif
