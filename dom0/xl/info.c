/* SPDX-License-Identifier: MIT */
/*
 * Prints what the hypervisor says of itself and of the domains (info.h), in the form of Xen's own
 * xl, so that eyes and scripts that know that one find their way.
 */
#include "dom0/xl/info.h"
#include "dom0/account.h"
#include "dom0/config/cpus.h"
#include "dom0/console/terminal.h"
#include "dom0/guests/domains.h"
#include "dom0/turns.h"
#include "dom0/xc/control.h"
#include <abi/version.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/time.h>

/* --- xl list --- */

void info_uuid(const xen_domain_handle_t handle)
{
    for (unsigned i = 0; i < sizeof(xen_domain_handle_t); i++)
        printk("%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", handle[i]);
}

static unsigned why_down(const struct xen_domctl_getdomaininfo *info)
{
    return info->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
}

/* What -v adds, in a line of its own: a terminal has no room for it behind the others. */
static void verbose_row(const struct xen_domctl_getdomaininfo *info)
{
    printk("    ");
    info_uuid(info->handle);
    if (info->flags & XEN_DOMINF_shutdown)
        printk(" %11x %14s\n", why_down(info), "-");
    else
        printk(" %11s %14s\n", "-", "-");
}

static void list_row(const char *name, const struct xen_domctl_getdomaininfo *info)
{
    bool shutdown = info->flags & XEN_DOMINF_shutdown;
    bool crashed = shutdown && why_down(info) == SHUTDOWN_crash;
    uint64_t tenths = info->cpu_time / (NS_PER_S / 10);

    printk("%-40s %5u %5lu %5u     %c%c%c%c%c%c  %6lu.%lu\n", name, (unsigned)info->domain,
           (unsigned long)info->tot_pages / 256, info->nr_online_vcpus,
           info->flags & XEN_DOMINF_running ? 'r' : '-',
           info->flags & XEN_DOMINF_blocked ? 'b' : '-',
           info->flags & XEN_DOMINF_paused ? 'p' : '-', shutdown && !crashed ? 's' : '-',
           crashed ? 'c' : '-', info->flags & XEN_DOMINF_dying ? 'd' : '-',
           (unsigned long)tenths / 10, (unsigned long)tenths % 10);
}

const char *info_name(domid_t domid)
{
    char number[8];
    struct domain *domain;

    snprintf(number, sizeof(number), "%u", (unsigned)domid);
    domain = domains_find(number);
    return domid == 0 ? "Domain-0" : domain ? domain->config.name : "(null)";
}

bool info_is_named(const struct xen_domctl_getdomaininfo *info, int count, char **word)
{
    for (int i = 0; i < count; i++) {
        struct domain *domain = domains_find(word[i]);

        if (domain ? domain->domid == info->domain : info->domain == 0) return true;
    }
    return count == 0;
}

bool info_next(domid_t from, struct xen_domctl_getdomaininfo *info)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo, .domain = from };

    /* Asked for a number, Xen answers for that or the next one. */
    if (control_domain(&op) || op.domain < from) return false;
    *info = op.u.getdomaininfo;
    return true;
}

void info_list(int count, char **word, bool verbose)
{
    struct xen_domctl_getdomaininfo info;
    char why[200];

    printk("Name                                        ID   Mem VCPUs\tState\tTime(s)\n");
    if (verbose)
        printk("    %-36s %11s %14s\n", "UUID", "Reason-Code", "Security Label");
    for (domid_t next = 0; info_next(next, &info); next = (domid_t)(info.domain + 1)) {
        if (!info_is_named(&info, count, word))
            continue;
        list_row(info_name(info.domain), &info);
        if (verbose)
            verbose_row(&info);
    }
    for (struct domain *domain = NULL; (domain = domains_next(domain));)
        if (domain_waits(domain, why, sizeof(why)))
            printk("Note: %s\n", why);
}

/* --- what dom0 does for whom --- */

/* In five characters: 99999, then 100k, 9999k, 10M. */
static void short_number(int width, uint64_t value)
{
    static const char units[] = " kMGTPE";          /* all of 64 bits */
    const char *unit = units;

    for (; value > (unit == units ? 99999u : 9999u); value /= 1000)
        unit++;
    if (unit == units)
        printk("%*lu", width, (unsigned long)value);
    else
        printk("%*lu%c", width - 1, (unsigned long)value, *unit);
}

/* Room for the number, and for the title above it. */
static int turns_width(unsigned kind)
{
    return 1 + MAX((int)strlen(turn_rules[kind].name), 5);
}

static void service_row(const struct xen_domctl_getdomaininfo *info)
{
    const struct turns_domain *domain = turns_of(info->domain);
    uint64_t ran = info->cpu_time / (NS_PER_S / 1000),
             served = domain ? domain->nanoseconds / (NS_PER_S / 1000) : 0;
    size_t bytes = 0;

    printk("%-13s %4u %5lu.%03lu %5lu.%03lu", info_name(info->domain), (unsigned)info->domain,
           (unsigned long)ran / 1000, (unsigned long)ran % 1000, (unsigned long)served / 1000,
           (unsigned long)served % 1000);
    for (unsigned kind = 0; kind < TURN_KINDS; kind++)
        short_number(turns_width(kind), domain ? domain->turns[kind] : 0);
    for (unsigned kind = HELD_NODE_BYTES; kind < HELD_KINDS; kind++)
        bytes += account_held(info->domain, (enum held)kind);
    short_number(6, account_held(info->domain, HELD_NODES));
    short_number(6, (bytes + 1023) / 1024);
    printk("\n");
}

void info_service(void)
{
    struct xen_domctl_getdomaininfo info;

    printk("%-13s %4s %9s %9s", "Name", "ID", "Time(s)", "Served(s)");
    for (unsigned kind = 0; kind < TURN_KINDS; kind++)
        printk("%*s", turns_width(kind), turn_rules[kind].name);
    printk(" Nodes   KiB\n");
    for (domid_t next = 0; info_next(next, &info); next = (domid_t)(info.domain + 1))
        service_row(&info);
}

/* --- xl info --- */

static void text_line(const char *key, const char *value)
{
    printk("%-23s: %s\n", key, value);
}

static void number_line(const char *key, unsigned long value)
{
    printk("%-23s: %lu\n", key, value);
}

static const char *scheduler_name(void)
{
    static const char *const names[] = {
        [XEN_SCHEDULER_CREDIT] = "credit",
        [XEN_SCHEDULER_CREDIT2] = "credit2",
        [XEN_SCHEDULER_RTDS] = "rtds",
        [XEN_SCHEDULER_NULL] = "null",
    };
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_sched_id };

    if (control_system(&op) || op.u.sched_id.sched_id >= ARRAY_SIZE(names) ||
        !names[op.u.sched_id.sched_id])
        return "unknown";
    return names[op.u.sched_id.sched_id];
}

void info_version(void)
{
    long version = HYPERVISOR_xen_version(XENVER_version, NULL);
    xen_extraversion_t extra = "";

    HYPERVISOR_xen_version(XENVER_extraversion, &extra);
    printk("dom0 of Domus %s; below it Xen %lu.%lu%s\n", DOMUS_VERSION,
           (unsigned long)version >> 16, (unsigned long)version & 0xffff, extra);
}

static void version_lines(void)
{
    long version = HYPERVISOR_xen_version(XENVER_version, NULL);
    xen_extraversion_t extra = "";
    xen_capabilities_info_t capabilities = "";
    xen_changeset_info_t changeset = "";
    xen_commandline_t line = "";
    struct xen_compile_info compiled = { { 0 }, { 0 }, { 0 }, { 0 } };
    struct xen_platform_parameters platform = { 0 };

    HYPERVISOR_xen_version(XENVER_extraversion, &extra);
    HYPERVISOR_xen_version(XENVER_capabilities, &capabilities);
    HYPERVISOR_xen_version(XENVER_changeset, &changeset);
    HYPERVISOR_xen_version(XENVER_commandline, &line);
    HYPERVISOR_xen_version(XENVER_compile_info, &compiled);
    HYPERVISOR_xen_version(XENVER_platform_parameters, &platform);
    number_line("xen_major", (unsigned long)version >> 16);
    number_line("xen_minor", (unsigned long)version & 0xffff);
    text_line("xen_extra", extra);
    printk("%-23s: %lu.%lu%s\n", "xen_version", (unsigned long)version >> 16,
           (unsigned long)version & 0xffff, extra);
    text_line("xen_caps", capabilities);
    text_line("xen_scheduler", scheduler_name());
    number_line("xen_pagesize", (unsigned long)HYPERVISOR_xen_version(XENVER_pagesize, NULL));
    printk("%-23s: virt_start=0x%lx\n", "platform_params", (unsigned long)platform.virt_start);
    text_line("xen_changeset", changeset);
    text_line("xen_commandline", line);
    text_line("cc_compiler", compiled.compiler);
    text_line("cc_compile_by", compiled.compile_by);
    text_line("cc_compile_domain", compiled.compile_domain);
    text_line("cc_compile_date", compiled.compile_date);
}

/* What the processor has, and what of it guests can use. */
static void capability_lines(const struct xen_sysctl_physinfo *info)
{
    static const struct { uint32_t bit; const char *name;
    } known[] = {
        { XEN_SYSCTL_PHYSCAP_pv, " pv" },
        { XEN_SYSCTL_PHYSCAP_hvm, " hvm" },
        { XEN_SYSCTL_PHYSCAP_hap, " hap" },
        { XEN_SYSCTL_PHYSCAP_gnttab_v1, " gnttab-v1" },
        { XEN_SYSCTL_PHYSCAP_gnttab_v2, " gnttab-v2" },
    };

    printk("%-23s: ", "hw_caps");
    for (size_t i = 0; i < ARRAY_SIZE(info->hw_cap); i++)
        printk("%s%08x", i ? ":" : "", info->hw_cap[i]);
    printk("\n%-23s:", "virt_caps");
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        printk("%s", info->capabilities & known[i].bit ? known[i].name : "");
    printk("\n");
}

#define MOST_NODES 64u

static void node_lines(const struct xen_sysctl_meminfo *memory, const uint32_t *distances,
                       unsigned count)
{
    printk("numa_info              :\nnode:    memsize    memfree    distances\n");
    for (unsigned i = 0; i < count; i++) {
        printk("%4u:    %6lu     %6lu      ", i, (unsigned long)memory[i].memsize >> 20,
               (unsigned long)memory[i].memfree >> 20);
        for (unsigned j = 0; j < count; j++)
            printk("%s%u", j ? "," : "", distances[i * count + j]);
        printk("\n");
    }
}

/* Devices' nodes nobody knows. */
static int topology_lines(void)
{
    static struct xen_sysctl_cputopo cpus[CPUS_MOST];
    static struct xen_sysctl_meminfo memory[MOST_NODES];
    static uint32_t distances[MOST_NODES * MOST_NODES];
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_cputopoinfo };
    struct xen_sysctl more = { .cmd = XEN_SYSCTL_numainfo };
    int error;

    op.u.cputopoinfo.num_cpus = CPUS_MOST;
    set_xen_guest_handle(op.u.cputopoinfo.cputopo, cpus);
    more.u.numainfo.num_nodes = MOST_NODES;
    set_xen_guest_handle(more.u.numainfo.meminfo, memory);
    set_xen_guest_handle(more.u.numainfo.distance, distances);
    error = control_system(&op);
    error = error ? error : control_system(&more);
    if (error) return error;
    printk("cpu_topology           :\ncpu:    core    socket     node\n");
    for (unsigned i = 0; i < MIN(op.u.cputopoinfo.num_cpus, CPUS_MOST); i++)
        printk("%3u:    %4u     %4u     %4u\n", i, cpus[i].core, cpus[i].socket, cpus[i].node);
    printk("device topology        :\ndevice           node\nNo device topology data available\n");
    node_lines(memory, distances, MIN(more.u.numainfo.num_nodes, MOST_NODES));
    return 0;
}

int info_machine(bool topology)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_physinfo };
    const struct xen_sysctl_physinfo *info = &op.u.physinfo;
    int error = control_system(&op);

    if (error) return error;
    text_line("host", "Domain-0");
    text_line("machine", "x86_64");
    number_line("nr_cpus", info->nr_cpus);
    number_line("max_cpu_id", info->max_cpu_id);
    number_line("nr_nodes", info->nr_nodes);
    number_line("cores_per_socket", info->cores_per_socket);
    number_line("threads_per_core", info->threads_per_core);
    printk("%-23s: %u.%03u\n", "cpu_mhz", info->cpu_khz / 1000, info->cpu_khz % 1000);
    capability_lines(info);
    number_line("total_memory", (unsigned long)info->total_pages / 256);
    number_line("free_memory", (unsigned long)info->free_pages / 256);
    number_line("outstanding_claims", (unsigned long)info->outstanding_pages / 256);
    number_line("free_pages", (unsigned long)info->free_pages);
    number_line("dom0_free_pages", free_page_count());
    number_line("dom0_events", event_handled);
    number_line("uptime", (unsigned long)(now_ns() / NS_PER_S));
    error = topology ? topology_lines() : 0;
    if (!error)
        version_lines();
    return error;
}

/* --- xl dmesg --- */

#define LOG_BYTES (64u * 1024)

int info_log(bool clear)
{
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_readconsole };
    char *buffer = malloc(LOG_BYTES);
    int error;

    if (!buffer) return -ENOMEM;
    /* One reading, then the printing: what we print goes into the same log. */
    op.u.readconsole.count = LOG_BYTES;
    set_xen_guest_handle(op.u.readconsole.buffer, buffer);
    error = control_system(&op);
    if (!error)
        terminal_show(terminal_write, buffer, MIN(op.u.readconsole.count, LOG_BYTES));
    free(buffer);
    /* Last, or what we have just printed would stay in it. */
    if (!error && clear) {
        op.u.readconsole.count = 0;
        op.u.readconsole.clear = 1;
        error = control_system(&op);
    }
    return error;
}
