/* SPDX-License-Identifier: MIT */
/*
 * Prints what the hypervisor says of itself and of the domains (info.h), in the form of Xen's own xl, so that eyes and
 * scripts that know that one find their way.
 */
#include "dom0/toolstack/info.h"
#include "dom0/builder/control.h"
#include "dom0/toolstack/domains.h"
#include <pvguest/console.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/time.h>

/* --- xl list --- */

static void list_row(const char *name, const struct xen_domctl_getdomaininfo *info) {
    unsigned reason = info->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
    bool shutdown = info->flags & XEN_DOMINF_shutdown;
    bool crashed = shutdown && reason == SHUTDOWN_crash;
    uint64_t tenths = info->cpu_time / (NS_PER_S / 10);

    printk("%-40s %5u %5lu %5u     %c%c%c%c%c%c  %6lu.%lu\n", name, (unsigned)info->domain,
           (unsigned long)info->tot_pages / 256, info->nr_online_vcpus, info->flags & XEN_DOMINF_running ? 'r' : '-',
           info->flags & XEN_DOMINF_blocked ? 'b' : '-', info->flags & XEN_DOMINF_paused ? 'p' : '-',
           shutdown && !crashed ? 's' : '-', crashed ? 'c' : '-', info->flags & XEN_DOMINF_dying ? 'd' : '-',
           (unsigned long)tenths / 10, (unsigned long)tenths % 10);
}

static const char *name_of(domid_t domid) {
    char number[8];
    struct domain *domain;

    snprintf(number, sizeof(number), "%u", (unsigned)domid);
    domain = domains_find(number);
    return domid == 0 ? "Domain-0" : domain ? domain->config.name : "(null)";
}

static bool is_named(const struct xen_domctl_getdomaininfo *info, int count, char **word) {
    for (int i = 0; i < count; i++) {
        struct domain *domain = domains_find(word[i]);

        if (domain ? domain->domid == info->domain : info->domain == 0)
            return true;
    }
    return count == 0;
}

void info_list(int count, char **word) {
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo };
    domid_t next = 0;

    printk("Name                                        ID   Mem VCPUs\tState\tTime(s)\n");
    for (;;) {
        op.domain = next;
        op.cmd = XEN_DOMCTL_getdomaininfo;
        if (control_domain(&op) || op.domain < next)    /* Asked for a number, Xen answers for that or the next one. */
            return;
        if (is_named(&op.u.getdomaininfo, count, word))
            list_row(name_of(op.domain), &op.u.getdomaininfo);
        next = (domid_t)(op.domain + 1);
    }
}

/* --- xl info --- */

static void text_line(const char *key, const char *value) {
    printk("%-23s: %s\n", key, value);
}

static void number_line(const char *key, unsigned long value) {
    printk("%-23s: %lu\n", key, value);
}

static void version_lines(void) {
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
    printk("%-23s: %lu.%lu%s\n", "xen_version", (unsigned long)version >> 16, (unsigned long)version & 0xffff, extra);
    text_line("xen_caps", capabilities);
    number_line("xen_pagesize", (unsigned long)HYPERVISOR_xen_version(XENVER_pagesize, NULL));
    printk("%-23s: virt_start=0x%lx\n", "platform_params", (unsigned long)platform.virt_start);
    text_line("xen_changeset", changeset);
    text_line("xen_commandline", line);
    text_line("cc_compiler", compiled.compiler);
    text_line("cc_compile_date", compiled.compile_date);
}

int info_machine(void) {
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_physinfo };
    const struct xen_sysctl_physinfo *info = &op.u.physinfo;
    int error = control_system(&op);

    if (error)
        return error;
    text_line("host", "Domain-0");
    text_line("machine", "x86_64");
    number_line("nr_cpus", info->nr_cpus);
    number_line("max_cpu_id", info->max_cpu_id);
    number_line("nr_nodes", info->nr_nodes);
    number_line("cores_per_socket", info->cores_per_socket);
    number_line("threads_per_core", info->threads_per_core);
    number_line("cpu_mhz", info->cpu_khz / 1000);
    number_line("total_memory", (unsigned long)info->total_pages / 256);
    number_line("free_memory", (unsigned long)info->free_pages / 256);
    number_line("free_pages", (unsigned long)info->free_pages);
    number_line("dom0_free_pages", free_page_count());
    number_line("uptime", (unsigned long)(now_ns() / NS_PER_S));
    version_lines();
    return 0;
}

/* --- xl dmesg --- */

#define LOG_BYTES (64u * 1024)

int info_log(void) {
    struct xen_sysctl op = { .cmd = XEN_SYSCTL_readconsole };
    char *buffer = malloc(LOG_BYTES);
    int error;

    if (!buffer)
        return -ENOMEM;
    /* One reading, then the printing: what we print goes into the same log. */
    op.u.readconsole.count = LOG_BYTES;
    set_xen_guest_handle(op.u.readconsole.buffer, buffer);
    error = control_system(&op);
    if (!error)
        console_write(buffer, MIN(op.u.readconsole.count, LOG_BYTES));
    free(buffer);
    return error;
}
