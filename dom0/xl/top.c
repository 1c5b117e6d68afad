/* SPDX-License-Identifier: MIT */
/*
 * `xl top`: what each domain has of the CPUs, of memory, and of its disks and cards, now and again;
 * xentop(1)'s words, options and columns, but that traffic is what it was in a second. A table is
 * made of two looks at all domains; who was not there at the first has no rates yet.
 *
 * It looks at a domain at a time and lets everybody else in dom0 go on in between, and between two
 * tables it only waits: for q or Ctrl-C, too.
 */
#include "dom0/console/terminal.h"
#include "dom0/devices/devices.h"
#include "dom0/xc/control.h"
#include "dom0/xl/info.h"
#include "dom0/xl/verbs.h"
#include <pvguest/console.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>

#define USUAL_SECONDS 3ul
#define LOOK_NS (100 * NS_PER_MS)       /* For a key. */
#define CLEAR "\033[H\033[J"            /* The terminal's screen (ECMA-48: CUP, ED). */
#define NAME_COLUMNS 10

struct sample {                         /* Of a domain. */
    struct sample *next;
    uint64_t when;
    struct xen_domctl_getdomaininfo info;
    char name[CONFIG_MAX_NAME + 1];
    struct device_traffic card, disk;
};

struct top {
    unsigned long seconds, times;       /* Between tables; how many: 0 is no end. */
    bool batch, full;
    struct sample *before, *now;        /* By number. */
};

/* --- looking --- */

static void drop(struct sample *sample)
{
    while (sample) {
        struct sample *next = sample->next;

        free(sample);
        sample = next;
    }
}

static void look_at(struct sample *sample)
{
    domid_t domid = sample->info.domain;
    const struct domain *domain;
    char number[8];

    sample->when = now_ns();
    strlcpy(sample->name, info_name(domid), sizeof(sample->name));
    snprintf(number, sizeof(number), "%u", (unsigned)domid);
    domain = domains_find(number);
    if (!domain || domain->leaving) return;
    sample->card = devices_traffic(domain->devices, DEVICE_VIF);
    sample->disk = devices_traffic(domain->devices, DEVICE_DISK);
}

/* False: no memory for all of them. */
static bool look(struct top *top)
{
    struct xen_domctl_getdomaininfo info;
    struct sample **link = &top->now;

    drop(top->before);
    top->before = top->now;
    top->now = NULL;
    for (domid_t next = 0; info_next(next, &info); next = (domid_t)(info.domain + 1)) {
        struct sample *sample = calloc(1, sizeof(*sample));

        if (!sample) return false;
        sample->info = info;
        look_at(sample);
        *link = sample;
        link = &sample->next;
        thread_yield();
    }
    return true;
}

static const struct sample *earlier(const struct top *top, const struct sample *sample)
{
    const struct sample *before = top->before;

    while (before && before->info.domain != sample->info.domain)
        before = before->next;
    return before;
}

/* --- the table --- */

static unsigned long thousandths(uint64_t part, uint64_t whole)
{
    return whole ? (unsigned long)(part * 1000 / whole) : 0;
}

/* KiB a second. A device that went has taken its part with it. */
static unsigned long rate(uint64_t before, uint64_t now, uint64_t ns)
{
    uint64_t ms = MAX(ns / NS_PER_MS, 1ul);

    return now > before ? (unsigned long)((now - before) * 1000 / ms / 1024) : 0;
}

static void state_of(uint32_t flags, char text[7])
{
    static const struct { uint32_t flag; char letter;
    } states[] = {
        { XEN_DOMINF_dying, 'd' },  { XEN_DOMINF_shutdown, 's' }, { XEN_DOMINF_blocked, 'b' },
        { 0, 'c' },                 { XEN_DOMINF_paused, 'p' },   { XEN_DOMINF_running, 'r' },
    };
    bool crashed = flags & XEN_DOMINF_shutdown &&
                   (flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask) == SHUTDOWN_crash;

    for (unsigned i = 0; i < ARRAY_SIZE(states); i++) {
        bool is = states[i].flag ? flags & states[i].flag : crashed;

        if (states[i].flag == XEN_DOMINF_shutdown && crashed)
            is = false;
        text[i] = is ? states[i].letter : '-';
    }
    text[ARRAY_SIZE(states)] = '\0';
}

static void row(const struct top *top, const struct sample *now, uint64_t machine_pages)
{
    const struct sample *before = earlier(top, now);
    uint64_t ns = before ? now->when - before->when : 0;
    uint64_t ran = before ? now->info.cpu_time - before->info.cpu_time : 0;
    unsigned long cpu = thousandths(ran, ns);
    unsigned long memory = thousandths(now->info.tot_pages, machine_pages);
    char state[7];

    if (!before)
        before = now;
    state_of(now->info.flags, state);
    printk("%*.*s %s %8lu %4lu.%lu %7lu %4lu.%lu %5u", NAME_COLUMNS,
           top->full ? (int)CONFIG_MAX_NAME : NAME_COLUMNS, now->name, state,
           (unsigned long)(now->info.cpu_time / NS_PER_S), cpu / 10, cpu % 10,
           (unsigned long)now->info.tot_pages * (PAGE_BYTES / 1024), memory / 10, memory % 10,
           now->info.nr_online_vcpus);
    printk(" %10lu %10lu %11lu %11lu\n", rate(before->card.out, now->card.out, ns),
           rate(before->card.in, now->card.in, ns), rate(before->disk.in, now->disk.in, ns),
           rate(before->disk.out, now->disk.out, ns));
}

/* How many domains are so, of all. */
static unsigned count(const struct top *top, char letter)
{
    unsigned found = 0;

    for (const struct sample *sample = top->now; sample; sample = sample->next) {
        char state[7];

        state_of(sample->info.flags, state);
        found += !letter || strchr(state, letter);
    }
    return found;
}

static void summary(const struct top *top, const struct xen_sysctl_physinfo *machine)
{
    unsigned long total = (unsigned long)machine->total_pages * (PAGE_BYTES / 1024);
    unsigned long free = (unsigned long)machine->free_pages * (PAGE_BYTES / 1024);
    unsigned long day = (unsigned long)(wall_clock_ns() / NS_PER_S % 86400);

    terminal_pass(CLEAR, sizeof(CLEAR) - 1);
    printk("xl top - %02lu:%02lu:%02lu\n", day / 3600, day / 60 % 60, day % 60);
    printk("%u domains: %u running, %u blocked, %u paused, %u crashed, %u dying, %u shutdown\n",
           count(top, 0), count(top, 'r'), count(top, 'b'), count(top, 'p'), count(top, 'c'),
           count(top, 'd'), count(top, 's'));
    printk("Mem: %luk total, %luk used, %luk free    CPUs: %u @ %uMHz\n", total, total - free, free,
           machine->nr_cpus, machine->cpu_khz / 1000);
}

static bool show(struct top *top)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_physinfo };
    int error = control_system(&op);

    if (!error && !look(top))
        error = -ENOMEM;
    if (error) {
        printk("Error: top: %s\n", errno_name(error));
        return false;
    }
    if (!top->batch)
        summary(top, &op.u.physinfo);
    printk("%*s %6s %8s %6s %7s %6s %5s %10s %10s %11s %11s\n", NAME_COLUMNS, "NAME", "STATE",
           "CPU(sec)", "CPU(%)", "MEM(k)", "MEM(%)", "VCPUS", "NETTX(k/s)", "NETRX(k/s)",
           "VBD_RD(k/s)", "VBD_WR(k/s)");
    for (const struct sample *sample = top->now; sample; sample = sample->next) {
        row(top, sample, op.u.physinfo.total_pages);
        thread_yield();
    }
    return true;
}

/* --- the command --- */

enum end { GO_ON, QUIT, INTERRUPTED };

/* In the batch form keys are for the prompt. */
static enum end wait(const struct top *top)
{
    uint64_t until = now_ns() + top->seconds * NS_PER_S, now;
    char key;

    while ((now = now_ns()) < until) {
        if (!terminal_sleep(top->batch ? until - now : MIN(until - now, LOOK_NS)))
            return INTERRUPTED;
        while (!top->batch && terminal_keys(&key, 1, 0))
            if (key == 'q' || key == 'Q') return QUIT;
    }
    return GO_ON;
}

static bool parse(const struct call *call, struct top *top)
{
    const char *seconds = verb_option(call, 'd'), *times = verb_option(call, 'i');

    top->batch = verb_option(call, 'b');
    top->full = verb_option(call, 'f');
    if ((seconds && !verb_number("SECONDS", seconds, VERB_MOST_SECONDS, &top->seconds)) ||
        (times && !verb_number("COUNT", times, UINT32_MAX, &top->times)))
        return false;
    if (top->seconds && (!times || top->times)) return true;
    printk("Error: %s is 1 at least\n", top->seconds ? "COUNT" : "SECONDS");
    return false;
}

bool verb_top(const struct call *call)
{
    struct top top = { .seconds = USUAL_SECONDS };
    enum end end = GO_ON;
    bool done = parse(call, &top);

    for (unsigned long n = 0; done && (!top.times || n < top.times); n++) {
        end = n ? wait(&top) : GO_ON;
        if (end != GO_ON)
            break;
        done = show(&top);
    }
    drop(top.before);
    drop(top.now);
    return done && end != INTERRUPTED;
}
