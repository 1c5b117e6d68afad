/* SPDX-License-Identifier: MIT */
/*
 * The life of a domain: created empty, filled by the dom0 builder or the toolstack, shut down (by
 * itself, by a crash), destroyed in steps, and freed when the last reference goes. Each use of one
 * of its grants holds a reference, so a domain whose memory is still mapped by another stays in
 * memory, with no number anybody can find it by, and with nothing more than those grants need.
 *
 * Lock: domain_list_lock for the list and the table of numbers.
 */
#include "domain/domain.h"
#include "domain/chosen.h"
#include "domain/events.h"
#include "domain/grants.h"
#include "domain/schedule.h"
#include "domain/time.h"
#include "domain/physdev.h"
#include "machine/budget.h"
#include "machine/console.h"
#include "machine/dump.h"
#include "lib/fail.h"
#include "lib/printk.h"
#include "machine/acpi.h"
#include "memory/frame.h"
#include "memory/heap.h"
#include "memory/mmu.h"
#include <xen/sched.h>

struct domain *dom0;
struct vcpu boot_vcpu;
struct list domain_list = LIST_INIT(domain_list), destroyed_list = LIST_INIT(destroyed_list);
spinlock_t domain_list_lock = SPINLOCK(LOCK_DOMAINS);
static struct domain *by_id[MAX_DOMAINS];
static uint64_t numbers[MAX_DOMAINS / 64];  /* which of them are in use */
uint32_t domain_count;

static void domain_prepare(struct domain *d, domid_t id)
{
    d->id = id;
    d->refs = 1;                    /* the list's, until it is destroyed */
    d->shutdown_code = d->chosen_code = -1;
    domain_memory_init(&d->memory);
    spin_lock_init(&d->events.lock, LOCK_EVENTS);
    list_init(&d->all_domains);
}

/* ---- who runs where there is no guest ---- */

static struct domain idle_domain;

static void set_idle(struct cpu *cpu, struct vcpu *v)
{
    static struct vcpu_info nothing_pending = { .evtchn_upcall_mask = 1 };

    v->domain = &idle_domain;
    v->info = &nothing_pending;
    v->sched.state = VCPU_DOWN;
    v->cpu = cpu;
    cpu->idle = cpu->running = v;
}

void domains_init(void)
{
    domain_prepare(&idle_domain, DOMID_IDLE);
    set_idle(&boot_cpu, &boot_vcpu);
}

bool cpu_make_idle(struct cpu *cpu)
{
    struct vcpu *v = hv_alloc(sizeof(*v));

    if (v)
        set_idle(cpu, v);
    return v != NULL;
}

struct domain *domain_hold(struct domain *d)
{
    __atomic_add_fetch(&d->refs, 1, __ATOMIC_RELAXED);
    return d;
}

struct domain *domain_get(domid_t id)
{
    struct domain *d = NULL;

    spin_lock(&domain_list_lock);
    if (id < MAX_DOMAINS && by_id[id])
        d = domain_hold(by_id[id]);
    spin_unlock(&domain_list_lock);
    return d;
}

/* The next one in use, or not in use, from `first` up; MAX_DOMAINS: there is none. */
static uint32_t next_number(uint32_t first, bool in_use)
{
    lock_needed(&domain_list_lock);
    for (uint32_t n = first; n < MAX_DOMAINS; n = (n | 63) + 1) {
        uint64_t found = (in_use ? numbers[n / 64] : ~numbers[n / 64]) >> n % 64;

        if (found) return n + (uint32_t)__builtin_ctzl(found);
    }
    return MAX_DOMAINS;
}

struct domain *domain_get_from(domid_t first)
{
    uint32_t n;
    struct domain *d;

    spin_lock(&domain_list_lock);
    n = next_number(first, true);
    d = n < MAX_DOMAINS ? domain_hold(by_id[n]) : NULL;
    spin_unlock(&domain_list_lock);
    return d;
}

uint32_t domain_free_number(domid_t after)
{
    uint32_t n;

    spin_lock(&domain_list_lock);
    n = next_number(after + 1u, false);
    if (n == MAX_DOMAINS)
        n = next_number(0, false);
    spin_unlock(&domain_list_lock);
    return n;
}

struct domain *domain_get_self_or(domid_t id)
{
    return id == DOMID_SELF ? domain_hold(current->domain) : domain_get(id);
}

static void domain_free(struct domain *d)
{
    struct vcpu *v;

    spin_lock(&domain_list_lock);
    list_remove(&d->all_domains);
    spin_unlock(&domain_list_lock);
    grants_free(d);
    for_each_vcpu (v, d)
        vcpu_free(v);
    spend((int)d->vcpu_count * COST_FRAME);
    hv_free(d, sizeof(*d));
}

/*
 * With the last reference go the structures, the grant table among them: it is needed as long as
 * anybody has one of its grants mapped, and a mapping holds a frame, a frame holds the domain.
 */
void domain_put(struct domain *d)
{
    if (__atomic_sub_fetch(&d->refs, 1, __ATOMIC_ACQ_REL) == 0)
        domain_free(d);
}

/* Into the list, sorted by number. */
static bool publish(struct domain *d)
{
    uint32_t next;

    spin_lock(&domain_list_lock);
    if (by_id[d->id]) {
        spin_unlock(&domain_list_lock);
        return false;
    }
    next = next_number(d->id, true);
    list_append(next < MAX_DOMAINS ? &by_id[next]->all_domains : &domain_list, &d->all_domains);
    by_id[d->id] = d;
    numbers[d->id / 64] |= 1ul << d->id % 64;
    domain_count++;
    spin_unlock(&domain_list_lock);
    return true;
}

struct domain *domain_create(domid_t id, uint32_t max_vcpus, bool privileged, int *error)
{
    struct domain *d = hv_alloc(sizeof(*d));
    void *shared = hv_alloc_pages(0);

    if (!d || !shared) {
        hv_free(d, sizeof(*d));
        hv_free_pages(shared, 0);
        *error = fail(-ENOMEM, "no memory for a domain");
        return NULL;
    }
    domain_prepare(d, id);
    d->shared = shared;
    d->vcpu_count = max_vcpus;
    d->privileged = d->memory.trusted = privileged;
    policy_domain_init(d);
    d->events.limit = NR_EVTCHNS;
    for (uint32_t i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
        d->shared->vcpu_info[i].evtchn_upcall_mask = 1;
    share_hv_frame(d->shared, &d->memory);
    d->shared_frame = virt_to_mfn(d->shared);
    update_domain_wallclock(d);
    *error = publish(d) ? 0 : fail(-EEXIST, "there is a domain of this number");
    if (*error == 0) return d;
    unshare_hv_frame(d->shared);
    domain_put(d);
    return NULL;
}

/* ---- the end ---- */

#define COST_STOP 300               /* one that will not run any more */
#define COST_VCPU 2000              /* a vCPU's tables, descriptor pages and window given back */

static void watchdogs_stop(struct domain *d)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(d->watchdog.timers); i++)
        if (d->watchdog.timers[i].fire)
            timer_stop(&d->watchdog.timers[i]);
    d->watchdog.used = 0;
}

/* Who waited on another CPU to come into ring 0 makes one more call before it leaves: so what a
 * call may start, timers above all, is stopped behind that. */
static int stop(struct domain *d)
{
    struct vcpu *v;

    d->life = DOMAIN_DYING;
    d->memory.closed = true;
    frames_disclaim(&d->memory);
    domain_reconsider(d);
    domain_leave_cpus(d);
    watchdogs_stop(d);
    for_each_vcpu (v, d) {
        vcpu_timers_stop(v);
        vcpu_stop_polling(v);
        vcpu_down(v);
        spend(COST_STOP);
    }
    policy_domain_end(d);
    return 0;
}

static int release_vcpus(struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu (v, d) {
        if (!v->window.base)        /* released before */
            continue;
        vcpu_release(v);
        spend(COST_VCPU);
        if (spent()) return -ERESTART;
    }
    return 0;
}

static int release_memory(struct domain *d)
{
    return domain_relinquish_memory(&d->memory);
}

static int free_vcpus(struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu (v, d) {
        d->vcpus[v->id] = NULL;
        policy_vcpu_end(v);
        vcpu_free(v);
        spend(COST_FRAME * 4);
        if (spent()) return -ERESTART;
    }
    return 0;
}

/* Nobody finds it any more. */
static int unpublish(struct domain *d)
{
    physdev_destroy(d);
    spin_lock(&domain_list_lock);
    list_remove(&d->all_domains);
    list_append(&destroyed_list, &d->all_domains);
    by_id[d->id] = NULL;
    numbers[d->id / 64] &= ~(1ul << d->id % 64);
    domain_count--;
    spin_unlock(&domain_list_lock);
    unshare_hv_frame(d->shared);
    d->shared = NULL;
    hv_free(d->cpu_policy, sizeof(*d->cpu_policy));
    hv_free(d->memory_map, sizeof(*d->memory_map));
    d->cpu_policy = NULL;
    d->memory_map = NULL;
    d->life = DOMAIN_DESTROYED;
    domain_put(d);
    send_global_virq(VIRQ_DOM_EXC);
    return 0;
}

/* Each can be interrupted (-ERESTART), and is called again until it is done. */
static int (*const stages[])(struct domain *d) = {
    stop,                           /* nothing of it runs, or will */
    grants_release_mappings,        /* what it has of others */
    events_destroy,
    release_vcpus,                  /* the frames that they hold */
    release_memory,                 /* all frames */
    grants_retire,                  /* what others have of it is theirs now */
    free_vcpus,
    unpublish,
};

/* The caller holds a reference of its own. */
int domain_destroy(struct domain *d)
{
    for (; d->destroy_stage < ARRAY_SIZE(stages); d->destroy_stage++) {
        int error = stages[d->destroy_stage](d);

        if (error) return error;
    }
    return 0;
}

static const char *shutdown_name(uint8_t reason)
{
    static const char *const names[] = { "power-off", "reboot",   "suspend",
                                         "crash",     "watchdog", "soft reset" };
    return reason < ARRAY_SIZE(names) ? names[reason] : "unknown reason";
}

void domain_shutdown(struct domain *d, uint8_t reason)
{
    if (d->chosen_code >= 0)
        reason = (uint8_t)d->chosen_code;
    if (d->shutdown_code >= 0) return;
    if (d == dom0) {
        printk("Domain 0 %s (%s): the machine %s", reason == SHUTDOWN_crash ? "crashed" : "ended",
               shutdown_name(reason), reason == SHUTDOWN_poweroff ? "switches off" : "restarts");
        if (reason == SHUTDOWN_poweroff)
            machine_poweroff();
        machine_reset();
    }
    log_debug("d%u shuts down: %s", d->id, shutdown_name(reason));
    d->shutdown_code = reason;
    if (d->life == DOMAIN_ALIVE)
        d->life = DOMAIN_SHUT_DOWN;
    domain_reconsider(d);
    send_global_virq(VIRQ_DOM_EXC);
}

void domain_crash(struct domain *d, const char *format, ...)
{
    char why[REFUSAL_WORDS];
    va_list args;

    if (d->shutdown_code >= 0) return;
    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    log_error("Domain %u crashed: %s", d->id, why);
    if (d == current->domain) {
        /* Where many crash at once on a slow line there is no room for it: ring 0 would wait until
         * it has taken all. */
        if (d != dom0 && !console_has_room()) {
            log_error("its registers: debug key d");
        } else {
            schedule_rest();        /* I11: it takes long, and so may what was before */
            print_registers(&current->regs, vcpu_cr3(current));
            schedule_rest();
        }
        refusal_words(current, why, sizeof(why));
        if (*why)
            log_error("What it was refused last: %s", why);
    }
    d->chosen_code = -1;
    domain_shutdown(d, SHUTDOWN_crash);
}
