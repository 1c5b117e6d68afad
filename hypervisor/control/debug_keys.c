/* SPDX-License-Identifier: MIT */
/* What the debug keys print (XEN_SYSCTL_debug_keys; the letters are Xen's where Xen has the same
 * thing). */
#include "control/debug_keys.h"
#include "control/audit.h"
#include "domain/domain.h"
#include "control/domctl.h"
#include "domain/events.h"
#include "domain/grants.h"
#include "domain/schedule.h"
#include "machine/dump.h"
#include "machine/ring0.h"
#include "machine/system_time.h"
#include "lib/printk.h"
#include "machine/acpi.h"
#include "memory/heap.h"

static void for_each_domain(void (*show)(struct domain *d))
{
    struct domain *d;
    for (domid_t next = 0; (d = domain_get_from(next)) != NULL; domain_put(d)) {
        next = (domid_t)(d->id + 1);
        show(d);
    }
}

/* Those that run on other CPUs come here first, and stay until we are done: so what is printed of
 * all is of one moment. */
static void stop_guests(void)
{
    cpus_flush(ALL_CPUS);
}

static void show_registers(struct domain *d)
{
    const struct vcpu *v;

    for_each_vcpu (v, d) {
        if (!v->initialised)
            continue;
        printk("d%u vcpu %u, guest %s mode", d->id, v->id, v->in_kernel ? "kernel" : "user");
        print_registers(&v->regs, vcpu_cr3(v));
    }
}

static void show_domain(struct domain *d)
{
    struct vcpu *v;

    printk("d%u: %lu pages of %lu, %u references, pause count %u%s%s", d->id, d->memory.page_count,
           d->memory.max_pages, d->refs, d->pause_count, d->shutdown_code >= 0 ? ", shut down" : "",
           domain_is_dying(d) ? ", dying" : "");
    for_each_vcpu (v, d) {
        char words[REFUSAL_WORDS];

        printk("  vcpu %u: state %d, pause count %u, upcall pending %u, masked %u, rip %lx", v->id,
               (int)v->sched.state, v->sched.pause_count, v->info->evtchn_upcall_pending,
               v->info->evtchn_upcall_mask, v->regs.rip);
        refusal_words(v, words, sizeof(words));
        if (*words)
            printk("    refused last: %s", words);
    }
}

static void show_times(struct domain *d)
{
    struct vcpu *v;

    printk("d%u: weight %u, virtual time %lu ms, ring 0 for it beside its vCPUs %lu ms", d->id,
           d->share.weight, d->share.time / 1000000, d->cpu_time_ns / 1000000);
    for_each_vcpu (v, d)
        printk("  vcpu %u: ran %lu ms, virtual time %lu ms, switched to %lu times%s", v->id,
               vcpu_cpu_time(v) / 1000000, v->sched.turn.time / 1000000, v->counters.switches,
               vcpu_runnable(v) ? ", runnable" : "");
}

static void show_idle(void)
{
    struct cpu *cpu;

    for_each_cpu (cpu)
        printk("cpu %u: idle %lu ms of %lu ms", cpu->id, cpu_idle_time(cpu) / 1000000,
               now_ns() / 1000000);
}

static void show_ring0(void)
{
    struct cpu *cpu;

    if (!ring0_shared) {
        printk("one CPU: ring 0 has no lock around it");
        return;
    }
    printk("ring 0 was entered %u times", ring0_lock.uses);
    for_each_cpu (cpu)
        printk("cpu %u: waited for it %lu times, at longest %lu us", cpu->id, cpu->waits,
               cpu->longest_wait * 1000 / tsc_khz());
}

static void memory(void)
{
    printk("heap: %lu of %lu pages free, %lu cut up for small objects", heap_free_count(),
           heap_total_count(), heap_cut_count());
}

static void audit(void)
{
    struct domus_audit result;
    printk("audit: %lu violations", memory_audit(&result));
}

static void help(void);

/* Something of the whole machine, of each domain, or both. */
static const struct {
    char key;
    const char *what;
    void (*machine)(void);
    void (*each)(struct domain *d);
} keys[] = {
    { 'A', "recount all references and types", audit, NULL },
    { 'd', "registers of all vCPUs", stop_guests, show_registers },
    { 'e', "event channels in use", NULL, events_dump },
    { 'g', "grants in use", NULL, grants_dump },
    { 'h', "this list", help, NULL },
    { 'l', "how CPUs waited for ring 0", show_ring0, NULL },
    { 'm', "memory", memory, NULL },
    { 'q', "domains and their vCPUs", NULL, show_domain },
    { 'r', "who ran how long", show_idle, show_times },
    { 'R', "reset the machine", machine_reset, NULL },
};

static void help(void)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(keys); i++)
        printk("key '%c': %s", keys[i].key, keys[i].what);
}

void debug_key(char key)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(keys); i++) {
        if (keys[i].key != key)
            continue;
        if (keys[i].machine)
            keys[i].machine();
        if (keys[i].each)
            for_each_domain(keys[i].each);
        return;
    }
    printk("no debug key 0x%x; 'h' lists them", (unsigned int)(uint8_t)key);
}
