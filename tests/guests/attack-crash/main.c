/* SPDX-License-Identifier: MIT */
/*
 * Attacks that must end the attacker, and nobody else. `kind=NAME` on the command line chooses one:
 * a kernel stack that cannot be used, a callback that points nowhere, an iret to where no code can
 * be, a fault in the fault handler, user mode without page tables. Without a kind (bare, as dom0)
 * there is nothing to do that would leave a machine to report from. Idea: XSA-183, 286; "what a
 * guest does wrong without an errno to tell it ends that domain with a sentence on the console".
 */
#include "../lib/test.h"

static void bad_stack(void)
{
    struct user_context user = { .rip = 0x1000, .rsp = 0x2000, .rflags = 0x202 };

    /* User mode faults at once, and the hypervisor has to build a frame on this "stack": in its own
     * half. */
    (void)mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, kernel_root_mfn);
    set_kernel_stack(0xffff830000001000UL);
    enter_user_mode(&user);
}

static void bad_callback(void)
{
    struct callback_register reg = { .type = CALLBACKTYPE_event, .address = 0x12345000 };
    int port = event_bind_ipi(NULL, NULL);

    /* and the fault has no handler either */
    set_trap_gate(TRAP_PF, 0, true, (void *)0x54321000);
    (void)HYPERVISOR_callback_op(CALLBACKOP_register, &reg);
    (void)event_send((evtchn_t)port);
}

static void bad_iret(void)
{
    asm volatile("push $0xe02b; push %%rsp; push $0x202; push $0xe030; movabs $0x800000000000, "
                 "%%rax; push %%rax;"
                 "push $0; push $0; push $0; push $0; mov $23, %%eax; syscall"
                 :
                 :
                 : "rax", "memory");
}

static void fault_in_fault(void)
{
    set_trap_gate(TRAP_PF, 0, true, (void *)0x54321000);
    *(volatile int *)0x1000 = 1;
}

static void user_without_tables(void)
{
    struct user_context user = { .rip = 0x1000, .rsp = 0x2000, .rflags = 0x202 };

    (void)mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, 0);
    enter_user_mode(&user);
}

static void own_end(void)
{
    crash();
}

static const struct {
    const char *name;
    void (*run)(void);
} kinds[] = {
    { "stack", bad_stack },      { "callback", bad_callback },    { "iret", bad_iret },
    { "fault", fault_in_fault }, { "user", user_without_tables }, { "crash", own_end },
};

void test_main(void)
{
    char kind[16];

    if (!command_option("kind", kind, sizeof(kind)))
        test_skip("ends its domain: run as a domU, with kind=");
    for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (!strcmp(kinds[i].name, kind)) {
            printk("attack-crash: %s\n", kind);
            kinds[i].run();
            test_failure(__FILE__, __LINE__, "still alive after %s", kind);
            return;
        }
    test_error("no kind %s", kind);
}
