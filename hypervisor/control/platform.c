/* SPDX-License-Identifier: MIT */
/*
 * platform_op (<xen/platform.h>): what the control domain does to the physical platform on the
 * hypervisor's behalf: sets the wall clock, asks for idle times and CPUs. BIOS disk and video data
 * were not collected at boot: -ESRCH, as on Xen when there is none.
 */
#include "control/cpus.h"
#include "domain/domain.h"
#include "domain/time.h"
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "machine/acpi.h"
#include "memory/access.h"
#include <xen/platform.h>
#include <xen/sched.h>

#define ACPI_OFF 5u                 /* S5 (ACPI 6.4, 16.1.5) */

static int set_time(uint64_t seconds, uint32_t nanoseconds, uint64_t system_time)
{
    if (nanoseconds >= 1000000000 || system_time > seconds * 1000000000ull)
        return fail(-EINVAL, "not a time");
    wallclock_set(seconds, nanoseconds, system_time);
    return 0;
}

static int set_time32(struct domain *caller, const struct xenpf_settime32 *op)
{
    return set_time(op->secs, op->nsecs, op->system_time);
}

static int set_time64(struct domain *caller, const struct xenpf_settime64 *op)
{
    if (op->mbz) return fail(-EINVAL, "a field that must be zero is not");
    return set_time(op->secs, op->nsecs, op->system_time);
}

/* Of the CPUs asked for, those that there are. */
static int idle_times(struct domain *caller, struct xenpf_getidletime *op)
{
    const struct xenctl_bitmap map = { op->cpumap_bitmap, op->cpumap_nr_cpus };
    cpumask_t wanted = 0;
    int error = cpu_map_read(&map, &wanted);
    wanted &= cpu_map_online();
    op->now = now_ns();
    spend((int)cpus_online * COST_IDLE);
    for (uint32_t i = 0; i < cpus_online && !error; i++)
        if (wanted & cpu_bit(i) &&
            write_guest_u64((uint64_t)(op->idletime.p + i), cpu_idle_time(cpus[i])))
            return fail(-EFAULT, "the times cannot be written");
    return error ? error : cpu_map_write(&map, wanted);
}

static int cpu_info(struct domain *caller, struct xenpf_pcpuinfo *op)
{
    op->max_present = acpi.cpu_count - 1;
    op->flags = 0;
    if (op->xen_cpuid >= acpi.cpu_count) return 0;
    op->apic_id = acpi.apic_ids[op->xen_cpuid];
    op->acpi_id = op->xen_cpuid;
    op->flags = op->xen_cpuid < cpus_online ? XEN_PCPU_FLAGS_ONLINE : 0;
    return 0;
}

static int firmware_info(struct domain *caller, const struct xenpf_firmware_info *op)
{
    return fail(-ESRCH, "nothing was asked of the BIOS at boot");
}

/* Off is the only state that there is: the control domain's end is the machine's. */
static int enter_sleep(struct domain *caller, const struct xenpf_enter_acpi_sleep *op)
{
    if (op->sleep_state != ACPI_OFF) return fail(-EOPNOTSUPP, "of ACPI's states there is 5: off");
    domain_shutdown(caller, SHUTDOWN_poweroff);
    return 0;
}

static const struct operation operations[] = {
    ROW(XENPF_settime32, domain, xenpf_settime32, set_time32),
    ROW(XENPF_settime64, domain, xenpf_settime64, set_time64),
    ROW(XENPF_getidletime, domain, xenpf_getidletime, idle_times),
    ROW(XENPF_get_cpuinfo, domain, xenpf_pcpuinfo, cpu_info),
    ROW(XENPF_enter_acpi_sleep, domain, xenpf_enter_acpi_sleep, enter_sleep),
    ROW(XENPF_firmware_info, domain, xenpf_firmware_info, firmware_info),
};

long do_platform_op(uint64_t arg)
{
    return operation_versioned(operations, ARRAY_SIZE(operations), XENPF_INTERFACE_VERSION, arg);
}
