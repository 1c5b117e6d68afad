/* SPDX-License-Identifier: MIT */
/* sysctl (<xen/sysctl.h>): the control domain asks about the machine: memory, CPUs, all domains,
 * the log; and presses debug keys. */
#include "control/debug_keys.h"
#include "domain/domain.h"
#include "control/domctl.h"
#include "control/cpus.h"
#include "control/cpu_policy.h"
#include "domain/policy.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "machine/console.h"
#include "machine/io.h"
#include "machine/pci.h"
#include "memory/access.h"
#include "memory/frame.h"
#include "memory/heap.h"
#include <xen/physdev.h>
#include <xen/sysctl.h>

#define LOG_CHUNK 256
#define COST_CHUNK 250              /* of the log read and written */
#define COST_DEVICE 600             /* its number read, its place looked at, the answer written */
#define NODE_ITSELF 10              /* a node's distance from itself (ACPI 6.4, 5.2.17 "SLIT") */

/* How many CPUs sit where CPU 0 does: in its core, or anywhere in its socket. */
static uint32_t beside_first(bool in_its_core)
{
    struct cpu_place first = cpu_place(cpus[0]->apic_id);
    struct cpu *cpu;
    uint32_t n = 0;

    for_each_cpu (cpu) {
        struct cpu_place place = cpu_place(cpu->apic_id);

        n += place.socket == first.socket && (!in_its_core || place.core == first.core);
    }
    return n;
}

static int physinfo(struct domain *caller, struct xen_sysctl_physinfo *op)
{
    struct cpuid_regs basic = cpuid(1, 0), extended = cpuid(0x80000001, 0),
                      structured = cpuid(7, 0);
    *op = (struct xen_sysctl_physinfo){
        .threads_per_core = beside_first(true),
        .cores_per_socket = beside_first(false) / beside_first(true),
        .nr_cpus = cpus_online,
        .max_cpu_id = cpus_online - 1,
        .nr_nodes = 1,
        .cpu_khz = (uint32_t)tsc_khz(),
        .capabilities = XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1,
        .total_pages = heap_total_count(),
        .free_pages = heap_free_count(),
        .outstanding_pages = heap_kept_count(),
        .max_mfn = max_frame - 1,
        .hw_cap = { basic.d, basic.c, extended.d, extended.c, cpuid(0xd, 1).a, structured.b,
                    structured.c, cpuid(0x80000007, 0).d },
    };
    return 0;
}

/* How many are told of stands in the answer; where it gave way, behind whom it goes on says the
 * last of them. */
static int domain_list_info(struct domain *caller, struct xen_sysctl_getdomaininfolist *op)
{
    xen_domctl_getdomaininfo_t info = { .domain = (domid_t)(op->first_domain - 1) }, *to;

    if (!current->goes_on)
        op->num_domains = 0;
    to = op->buffer.p + op->num_domains;
    if (op->num_domains && read_guest(&info, (uint64_t)(to - 1)))
        return fail(-EFAULT, "the buffer cannot be read");
    while (op->num_domains < op->max_domains) {
        struct domain *d = domain_get_from((domid_t)(info.domain + 1));

        if (!d)
            break;
        domain_info(d, &info);
        domain_put(d);
        if (write_guest((uint64_t)to++, &info))
            return fail(-EFAULT, "the buffer cannot be written");
        op->num_domains++;
        if (spent()) return -ERESTART;
    }
    return 0;
}

static int read_console(struct domain *caller, struct xen_sysctl_readconsole *op)
{
    char chunk[LOG_CHUNK];
    uint32_t index = op->incremental ? op->index : 0, done = 0;
    for (;;) {
        size_t n = log_read(chunk, MIN((size_t)(op->count - done), sizeof(chunk)), &index);
        if (n == 0)
            break;
        spend(COST_CHUNK);
        if (copy_to_guest(VADDR(op->buffer.p + done), chunk, n))
            return fail(-EFAULT, "the buffer cannot be written");
        done += (uint32_t)n;
    }
    if (op->clear)
        log_clear();
    op->count = done;
    op->index = index;
    return 0;
}

/* How many were pressed stands above their number where it gave way. What one key asks for comes at
 * once, for it is to be of one moment. */
static int press_keys(struct domain *caller, struct xen_sysctl_debug_keys *op)
{
    uint32_t done = current->goes_on ? op->nr_keys >> 16 : 0;

    op->nr_keys = MIN(current->goes_on ? (uint16_t)op->nr_keys : op->nr_keys, 32u);
    while (done < op->nr_keys) {
        char key;
        if (copy_from_guest(&key, VADDR(op->keys.p + done), 1))
            return fail(-EFAULT, "the keys cannot be read");
        debug_key(key);
        if (++done < op->nr_keys && spent()) {
            op->nr_keys |= done << 16;
            return -ERESTART;
        }
    }
    return 0;
}

static int cpu_topology(struct domain *caller, struct xen_sysctl_cputopoinfo *op)
{
    uint32_t count = op->cputopo.p ? MIN(op->num_cpus, cpus_online) : cpus_online;
    for (uint32_t i = 0; op->cputopo.p && i < count; i++) {
        struct cpu_place place = cpu_place(cpus[i]->apic_id);
        struct xen_sysctl_cputopo cpu = { .core = place.core, .socket = place.socket };
        if (write_guest((uint64_t)(op->cputopo.p + i), &cpu))
            return fail(-EFAULT, "the buffer cannot be written");
    }
    op->num_cpus = cpus_online;
    return 0;
}

/* One node, with all memory: what the firmware says of more is not read. */
static int numa_nodes(struct domain *caller, struct xen_sysctl_numainfo *op)
{
    struct xen_sysctl_meminfo memory = { .memsize = heap_total_count() * PAGE_SIZE,
                                         .memfree = heap_free_count() * PAGE_SIZE };
    bool room = op->num_nodes;
    op->num_nodes = 1;
    if (room && op->meminfo.p && write_guest((uint64_t)op->meminfo.p, &memory))
        return fail(-EFAULT, "the node's memory cannot be written");
    if (room && op->distance.p && write_guest_u32((uint64_t)op->distance.p, NODE_ITSELF))
        return fail(-EFAULT, "the distance cannot be written");
    return 0;
}

/* Which node a device is at: all that there are at the only one. As many as there is time for; the
 * caller asks for the others again. */
static int devices_topology(struct domain *caller, struct xen_sysctl_pcitopoinfo *op)
{
    uint32_t i = 0;

    for (; i < op->num_devs && !(i && spent()); i++) {
        struct physdev_pci_device device;
        uint32_t node = 0;

        spend(COST_DEVICE);
        if (read_guest(&device, (uint64_t)(op->devs.p + i)))
            return fail(-EFAULT, "the devices cannot be read");
        if (device.seg || !pci_present(pci_bdf(device.bus, device.devfn)))
            node = XEN_INVALID_DEV;
        if (write_guest_u32((uint64_t)(op->nodes.p + i), node))
            return fail(-EFAULT, "the nodes cannot be written");
    }
    op->num_devs = i;
    return 0;
}

/* All CPUs and all domains are in one pool. */
static int cpu_pools(struct domain *caller, struct xen_sysctl_cpupool_op *op)
{
    switch (op->op) {
    case XEN_SYSCTL_CPUPOOL_OP_INFO:
        if (op->cpupool_id) return expected(-ENOENT, "there is no pool from this number on");
        op->sched_id = XEN_SCHEDULER_CREDIT;
        op->n_dom = domain_count;
        return cpu_map_write(&op->cpumap, cpu_map_online());
    case XEN_SYSCTL_CPUPOOL_OP_FREEINFO:
        return cpu_map_write(&op->cpumap, 0);
    default:
        return fail(-EOPNOTSUPP, "there is one CPU pool, with all CPUs and domains");
    }
}

/* xl sched-credit -s: how long a turn is. */
static int scheduler_parameters(struct domain *caller, struct xen_sysctl_scheduler_op *op)
{
    struct xen_sysctl_credit_schedule *credit = &op->u.sched_credit;

    if (op->sched_id != XEN_SCHEDULER_CREDIT || op->cpupool_id)
        return fail(-EINVAL, "another scheduler, or no such pool");
    if (op->cmd != XEN_SYSCTL_SCHEDOP_getinfo)
        return fail(-EOPNOTSUPP, "turns are as long as they are");
    *credit = (struct xen_sysctl_credit_schedule){ .tslice_ms = SLICE_MS };
    return 0;
}

static int idle_times(struct domain *caller, struct xen_sysctl_getcpuinfo *op)
{
    op->nr_cpus = MIN(op->max_cpus, cpus_online);
    for (uint32_t i = 0; i < op->nr_cpus; i++) {
        spend(COST_IDLE);
        struct xen_sysctl_cpuinfo info = { .idletime = cpu_idle_time(cpus[i]) };
        if (write_guest((uint64_t)(op->info.p + i), &info))
            return fail(-EFAULT, "the buffer cannot be written");
    }
    return 0;
}

static int scheduler_id(struct domain *caller, struct xen_sysctl_sched_id *op)
{
    op->sched_id = XEN_SCHEDULER_CREDIT;
    return 0;
}

static int free_memory(struct domain *caller, struct xen_sysctl_availheap *op)
{
    op->avail_bytes = op->node > 0 ? 0 : heap_free_count() * PAGE_SIZE;
    return 0;
}

static const struct operation operations[] = {
    ROW(XEN_SYSCTL_physinfo, domain, xen_sysctl_physinfo, physinfo),
    ROW(XEN_SYSCTL_getdomaininfolist, domain, xen_sysctl_getdomaininfolist, domain_list_info),
    ROW(XEN_SYSCTL_readconsole, domain, xen_sysctl_readconsole, read_console),
    ROW(XEN_SYSCTL_debug_keys, domain, xen_sysctl_debug_keys, press_keys),
    ROW(XEN_SYSCTL_cputopoinfo, domain, xen_sysctl_cputopoinfo, cpu_topology),
    ROW(XEN_SYSCTL_numainfo, domain, xen_sysctl_numainfo, numa_nodes),
    ROW(XEN_SYSCTL_getcpuinfo, domain, xen_sysctl_getcpuinfo, idle_times),
    ROW(XEN_SYSCTL_sched_id, domain, xen_sysctl_sched_id, scheduler_id),
    ROW(XEN_SYSCTL_cpupool_op, domain, xen_sysctl_cpupool_op, cpu_pools),
    ROW(XEN_SYSCTL_scheduler_op, domain, xen_sysctl_scheduler_op, scheduler_parameters),
    ROW(XEN_SYSCTL_pcitopoinfo, domain, xen_sysctl_pcitopoinfo, devices_topology),
    ROW(XEN_SYSCTL_get_cpu_featureset, domain, xen_sysctl_cpu_featureset, sysctl_featureset),
    ROW(XEN_SYSCTL_get_cpu_policy, domain, xen_sysctl_cpu_policy, sysctl_policy),
    ROW(XEN_SYSCTL_availheap, domain, xen_sysctl_availheap, free_memory),
};

long do_sysctl(uint64_t arg)
{
    long result = operation_versioned(operations, ARRAY_SIZE(operations),
                                      XEN_SYSCTL_INTERFACE_VERSION, arg);
    return result == -ERESTART ? hypercall_continue(sysctl, arg) : result;
}
