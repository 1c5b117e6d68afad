/* SPDX-License-Identifier: MIT */
/* What a guest asks for itself: versions, callbacks, registers, its vCPUs, the scheduler, the
 * console. */
#include "privilege.h"

#include <abi/domus.h>
#include <xen/nmi.h>
#include <xen/pmu.h>

extern char event_entry[], failsafe_entry[], syscall_entry[];   /* the SDK's, registered already */

/* ---- xen_version ---- */

static long version(unsigned int op)
{
    static char answer[2048] __attribute__((aligned(8)));

    memset(answer, 0, sizeof(answer));          /* of the features: the first word */
    return HYPERVISOR_xen_version(op, answer);
}

TRY(XENVER_version)
{
    return version(XENVER_version);
}
TRY(XENVER_extraversion)
{
    return version(XENVER_extraversion);
}
TRY(XENVER_compile_info)
{
    return version(XENVER_compile_info);
}
TRY(XENVER_capabilities)
{
    return version(XENVER_capabilities);
}
TRY(XENVER_changeset)
{
    return version(XENVER_changeset);
}
TRY(XENVER_platform_parameters)
{
    return version(XENVER_platform_parameters);
}
TRY(XENVER_get_features)
{
    return version(XENVER_get_features);
}
TRY(XENVER_pagesize)
{
    return HYPERVISOR_xen_version(XENVER_pagesize, NULL);
}
TRY(XENVER_guest_handle)
{
    return version(XENVER_guest_handle);
}
TRY(XENVER_commandline)
{
    return version(XENVER_commandline);
}
TRY(XENVER_build_id)
{
    return HYPERVISOR_xen_version(XENVER_build_id, NULL);
}

/* ---- entries and callbacks ---- */

TRY(set_trap_table)
{
    struct trap_info table[2] = {
        { .vector = 0x90, .cs = FLAT_KERNEL_CS, .address = (unsigned long)failsafe_entry }
    };

    return HYPERVISOR_set_trap_table(table);
}

TRY(set_callbacks)
{
    return HYPERVISOR_set_callbacks((unsigned long)event_entry, (unsigned long)failsafe_entry,
                                    (unsigned long)syscall_entry);
}

TRY(CALLBACKOP_register)
{
    struct callback_register op = { .type = CALLBACKTYPE_syscall32,
                                    .address = (unsigned long)syscall_entry };

    return HYPERVISOR_callback_op(CALLBACKOP_register, &op);
}

TRY(CALLBACKOP_unregister)
{
    struct callback_unregister op = { .type = CALLBACKTYPE_nmi };

    return HYPERVISOR_callback_op(CALLBACKOP_unregister, &op);
}

TRY(XENNMI_register_callback)
{
    struct xennmi_callback op = { .handler_address = (unsigned long)failsafe_entry };

    return HYPERVISOR_nmi_op(XENNMI_register_callback, &op);
}

TRY(XENNMI_unregister_callback)
{
    return HYPERVISOR_nmi_op(XENNMI_unregister_callback, NULL);
}

/* ---- registers ---- */

TRY(stack_switch)
{
    return HYPERVISOR_stack_switch(FLAT_KERNEL_SS,
                                   (unsigned long)__builtin_frame_address(0) & ~15UL);
}
TRY(fpu_taskswitch)
{
    return HYPERVISOR_fpu_taskswitch(0);
}
TRY(set_debugreg)
{
    return HYPERVISOR_set_debugreg(0, 0);
}
TRY(get_debugreg)
{
    return HYPERVISOR_get_debugreg(0);
}
TRY(SEGBASE_FS)
{
    return HYPERVISOR_set_segment_base(SEGBASE_FS, 0);
}
TRY(SEGBASE_GS_USER)
{
    return HYPERVISOR_set_segment_base(SEGBASE_GS_USER, 0);
}
TRY(SEGBASE_GS_KERNEL)
{
    return HYPERVISOR_set_segment_base(SEGBASE_GS_KERNEL, 0);
}
TRY(SEGBASE_GS_USER_SEL)
{
    return HYPERVISOR_set_segment_base(SEGBASE_GS_USER_SEL, 0);
}

/* The nine words of iret, to the next instruction; what comes back in rax is the first of them. */
TRY(iret)
{
    long result;

    asm volatile(
        "mov %%rsp, %%rdx\n\tpushq %[ss]\n\tpush %%rdx\n\tpushf\n\tpushq %[cs]\n\tlea 1f(%%rip), "
        "%%rdx\n\tpush %%rdx\n\t"
        "pushq $0\n\tpushq $0\n\tpushq $0\n\tpushq $0\n\tmov %[number], %%eax\n\tsyscall\n\tud2\n1:"
        : "=a"(result)
        : [ss] "i"(FLAT_KERNEL_SS), [cs] "i"(FLAT_KERNEL_CS & ~3), [number] "i"(__HYPERVISOR_iret)
        : "rcx", "rdx", "r11", "memory", "cc");
    return result;
}

TRY(multicall)
{
    struct multicall_entry call = { .op = __HYPERVISOR_xen_version, .args = { XENVER_version, 0 } };
    long result = HYPERVISOR_multicall(&call, 1);

    CHECK_IS(call.result, HYPERVISOR_xen_version(XENVER_version, NULL));
    return result;
}

TRY(VMASST_CMD_enable)
{
    return HYPERVISOR_vm_assist(VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag);
}
TRY(VMASST_CMD_disable)
{
    return HYPERVISOR_vm_assist(VMASST_CMD_disable, VMASST_TYPE_runstate_update_flag);
}

/* ---- vCPUs: the second is brought up, spins, and is taken down ---- */

static void spin(void)
{
    for (;;)
        asm volatile("pause");
}

TRY(VCPUOP_initialise)
{
    static char stack[4096] __attribute__((aligned(16)));
    struct vcpu_guest_context *context = calloc(1, sizeof(*context));
    long result;

    NEED(context);
    context->flags = VGCF_in_kernel;
    context->user_regs.rip = (unsigned long)spin;
    context->user_regs.rsp = context->kernel_sp = (unsigned long)stack + sizeof(stack);
    context->user_regs.cs = FLAT_KERNEL_CS;
    context->user_regs.ss = context->kernel_ss = FLAT_KERNEL_SS;
    context->user_regs.rflags = 0x200;
    context->ctrlreg[3] = xen_pfn_to_cr3(kernel_root_mfn);
    result = HYPERVISOR_vcpu_op(VCPUOP_initialise, 1, context);
    free(context);
    return result;
}

TRY(VCPUOP_up)
{
    return HYPERVISOR_vcpu_op(VCPUOP_up, 1, NULL);
}
TRY(VCPUOP_down)
{
    return HYPERVISOR_vcpu_op(VCPUOP_down, 1, NULL);
}
TRY(VCPUOP_is_up)
{
    return HYPERVISOR_vcpu_op(VCPUOP_is_up, 0, NULL);
}
TRY(VCPUOP_send_nmi)
{
    return HYPERVISOR_vcpu_op(VCPUOP_send_nmi, 1, NULL);
}

TRY(VCPUOP_get_physid)
{
    struct vcpu_get_physid id;

    return HYPERVISOR_vcpu_op(VCPUOP_get_physid, 0, &id);
}

TRY(VCPUOP_get_runstate_info)
{
    struct vcpu_runstate_info info;

    return HYPERVISOR_vcpu_op(VCPUOP_get_runstate_info, 0, &info);
}

TRY(VCPUOP_register_runstate_memory_area)
{
    static struct vcpu_runstate_info area;
    struct vcpu_register_runstate_memory_area op = { .addr.v = &area };

    return HYPERVISOR_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &op);
}

TRY(VCPUOP_register_vcpu_time_memory_area)
{
    static struct vcpu_time_info area;
    struct vcpu_register_time_memory_area op = { .addr.v = &area };

    return HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &op);
}

/* Of the second vCPU, which is down: the SDK expects the first one's where it is. */
TRY(VCPUOP_register_vcpu_info)
{
    static char page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
    struct vcpu_register_vcpu_info op = { .mfn = virt_to_mfn(page) };

    return HYPERVISOR_vcpu_op(VCPUOP_register_vcpu_info, 1, &op);
}

TRY(VCPUOP_set_periodic_timer)
{
    struct vcpu_set_periodic_timer op = { .period_ns = NS_PER_S };

    return HYPERVISOR_vcpu_op(VCPUOP_set_periodic_timer, 0, &op);
}

TRY(VCPUOP_stop_periodic_timer)
{
    return HYPERVISOR_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
}

TRY(VCPUOP_set_singleshot_timer)
{
    struct vcpu_set_singleshot_timer op = { .timeout_abs_ns = now_ns() + NS_PER_S,
                                            .flags = VCPU_SSHOTTMR_future };

    return HYPERVISOR_vcpu_op(VCPUOP_set_singleshot_timer, 0, &op);
}

TRY(VCPUOP_stop_singleshot_timer)
{
    return HYPERVISOR_vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL);
}
TRY(set_timer_op)
{
    return HYPERVISOR_set_timer_op(0);
}

/* ---- the scheduler ---- */

TRY(SCHEDOP_yield)
{
    return HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
}

/* With an event waiting, so that there is no sleep to wake from. */
TRY(SCHEDOP_block)
{
    long result;
    int port;

    events_mask_all();
    port = event_bind_ipi(NULL, NULL);
    NEED(port > 0 && event_send((evtchn_t)port) == 0);
    result = HYPERVISOR_sched_op(SCHEDOP_block, NULL);
    event_unbind((evtchn_t)port);
    return result;
}

TRY(SCHEDOP_poll)
{
    struct sched_poll op = { .timeout = now_ns() + NS_PER_MS };

    return HYPERVISOR_sched_op(SCHEDOP_poll, &op);
}

/* With it every micro-guest ends (guests/lib/test.c), and who runs it waits for that; here is only
 * what leads to it. */
TRY(SCHEDOP_shutdown)
{
    return ENDS;
}

TRY(SCHEDOP_shutdown_code)
{
    struct sched_shutdown op = { .reason = SHUTDOWN_poweroff };

    return HYPERVISOR_sched_op(SCHEDOP_shutdown_code, &op);
}

TRY(SCHEDOP_remote_shutdown)
{
    struct sched_remote_shutdown op = { .domain_id = disposable(target),
                                        .reason = SHUTDOWN_poweroff };
    long result = HYPERVISOR_sched_op(SCHEDOP_remote_shutdown, &op);

    if (is_dom0())
        CHECK_IS(destroy(op.domain_id), 0);
    return result;
}

TRY(sched_op_compat)
{
    return HYPERVISOR_sched_op_compat(SCHEDOP_yield, 0);
}

TRY(event_channel_op_compat)
{
    int port = event_bind_ipi(NULL, NULL);
    struct evtchn_op op = { .cmd = EVTCHNOP_unmask, .u.unmask.port = (evtchn_port_t)port };
    long result = HYPERVISOR_event_channel_op_compat(&op);

    event_unbind((evtchn_t)port);
    return result;
}

TRY(physdev_op_compat)
{
    struct physdev_op op = { .cmd = PHYSDEVOP_set_iopl, .u.set_iopl.iopl = 1 };

    return HYPERVISOR_physdev_op_compat(&op);
}

TRY(SCHEDOP_watchdog)
{
    struct sched_watchdog op = { .timeout = 1000 };
    long result = HYPERVISOR_sched_op(SCHEDOP_watchdog, &op);

    op = (struct sched_watchdog){ .id = (uint32_t)result };
    CHECK_IS(HYPERVISOR_sched_op(SCHEDOP_watchdog, &op), 0);
    return result;
}

/* ---- the rest ---- */

static char console_text[] = "(written by console_io)\n";

TRY(CONSOLEIO_write)
{
    return HYPERVISOR_console_io(CONSOLEIO_write, sizeof(console_text) - 1, console_text);
}
TRY(CONSOLEIO_read)
{
    char typed[4];
    return HYPERVISOR_console_io(CONSOLEIO_read, sizeof(typed), typed);
}

TRY(xenpmu_op)
{
    struct xen_pmu_params op = { .version = { XENPMU_VER_MAJ, XENPMU_VER_MIN } };

    return HYPERVISOR_xenpmu_op(XENPMU_mode_get, &op);
}

TRY(DOMUS_last_error)
{
    struct domus_last_error error;

    CHECK_REFUSED(HYPERVISOR_xen_version(9999, NULL));          /* so that there is one */
    return HYPERVISOR_domus_op(DOMUS_last_error, &error);
}

TRY(DOMUS_audit)
{
    static struct domus_audit audit;

    return HYPERVISOR_domus_op(DOMUS_audit, &audit);
}

TRY(DOMUS_counters)
{
    struct domus_counters counters = { .domid = target };

    return HYPERVISOR_domus_op(DOMUS_counters, &counters);
}

/* On our own tables, which have nothing where its first instruction would be. */
TRY(DOMUS_run)
{
    static struct domus_run run;

    run = (struct domus_run){ .tables = kernel_root_mfn, .cr0 = 1, .rip = 0x1000 };
    run.segment[DOMUS_RUN_CS] = (struct domus_run_segment){ 8, 0xc9b, ~0u, 0 };
    run.segment[DOMUS_RUN_SS] = (struct domus_run_segment){ 16, 0xc93, ~0u, 0 };
    return HYPERVISOR_domus_op(DOMUS_run, &run);
}

TRY(DOMUS_destroy)
{
    return HYPERVISOR_domus_op(DOMUS_destroy, (void *)(unsigned long)disposable(target));
}

TRY(DOMUS_console)
{
    long waiting = HYPERVISOR_domus_op(DOMUS_console, NULL);

    return waiting > 0 && waiting <= 32768 ? 0 : waiting;
}

/* On nobody's behalf, in the end: nobody is kept. */
TRY(DOMUS_work_for)
{
    long ran = HYPERVISOR_domus_op(DOMUS_work_for, (void *)(unsigned long)target);

    if (ran < 0) return ran;
    (void)HYPERVISOR_domus_op(DOMUS_work_for, (void *)(unsigned long)own_domid());
    return 0;
}
