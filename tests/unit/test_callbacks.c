/* SPDX-License-Identifier: MIT */
/*
 * What a guest says of itself: trap table, callbacks, kernel stack, segment bases, FPU switch,
 * assists, and IRET. Each call changes what it is to change and nothing else; a refused one changes
 * nothing.
 */
#include "ring0_host.h"
#include "domain/switch.h"
#include "machine/entry_asm.h"
#include "machine/io.h"
#include <xen/callback.h>
#include "faults_host.h"

#define NOT_CANONICAL 0x0000800000000000ul
#define HIGH          0xffff900000000000ul

static struct domain domain;
static struct vcpu v, was;
static struct vcpu_info info, info_was;
static unsigned int crashes, users;
static uint64_t fs_base, gs_base, gs_of_selector;

static uint64_t *msr_of(uint32_t number)
{
    if (number == MSR_FS_BASE) return &fs_base;
    if (number == MSR_KERNEL_GS_BASE) return &gs_base;
    abort();
}
void domain_crash(struct domain *d, const char *format, ...)
{
    assert_ptr_equal(d, &domain);
    crashes++;
}
void vcpu_enter_user(struct vcpu *w)
{
    w->in_kernel = false;
    users++;
}
int load_gs_selector(uint16_t selector)
{
    assert_int_equal(selector, 0xe02b);
    gs_base = gs_of_selector;
    return -1;
}

static int set_up(void **state)
{
    memset(&v, 0x11, sizeof(v));
    memset(&info, 0, sizeof(info));
    domain = (struct domain){ .id = 1 };
    v.domain = &domain;
    v.info = &info;
    v.in_kernel = true;
    crashes = users = 0;
    fs_base = 0xf5;
    gs_base = 0x65;
    hardware_cr[0] = 0x80050033;
    ring0_begin(&v);
    was = v;
    info_was = info;
    return 0;
}

/* Nothing else of the vCPU has changed than what the test did to `was`. */
static int tear_down(void **state)
{
    assert_memory_equal(&v, &was, sizeof(v));
    assert_memory_equal(&info, &info_was, sizeof(info));
    ring0_end();
    return 0;
}

/* --- the trap table --- */

static long traps(const void *list)
{
    return AS_CALLED(do_set_trap_table)((unsigned long)list, 0, 0, 0, 0, 0);
}

static void trap_tables(void **state)
{
    static struct trap_info list[257];

    list[0] = (struct trap_info){ .vector = 3, .flags = 7, .cs = 9, .address = HIGH };
    list[1] = (struct trap_info){ .vector = 255, .flags = 1, .cs = 8, .address = 5 };
    assert_int_equal(traps(list), 0);
    was.entry.traps[3] = list[0];
    was.entry.traps[255] = list[1];
    assert_memory_equal(&v, &was, sizeof(v));
    list[1].address = NOT_CANONICAL;
    list[0].address = 6;
    assert_int_equal(traps(list), -EINVAL);             /* those before it are in */
    was.entry.traps[3] = list[0];
    assert_int_equal(traps((void *)NOT_THERE), -EFAULT);
    assert_memory_equal(&v, &was, sizeof(v));
    /* A long one in pieces. */
    for (unsigned int i = 0; i < 256; i++)
        list[i] = (struct trap_info){ .vector = (uint8_t)i, .address = 0x1000 + i };
    unsigned int done = 0, pieces = 0;
    long answer;
    for (budget_refill(); (answer = traps(list + done)) == CONTINUED; budget_refill(), pieces++) {
        assert_true(said.op == __HYPERVISOR_set_trap_table && said.count == 1);
        assert_int_equal((said.arguments[0] - (uint64_t)(list + done)) / sizeof(*list),
                         (ENTRY_BUDGET + COST_CALL - 1) / COST_CALL);
        done = (unsigned int)((struct trap_info *)said.arguments[0] - list);
    }
    assert_int_equal(answer, 0);
    assert_int_equal(pieces, 256 / ((ENTRY_BUDGET + COST_CALL - 1) / COST_CALL));
    memcpy(was.entry.traps, list, sizeof(was.entry.traps));
    assert_memory_equal(&v, &was, sizeof(v));
    budget_refill();
    assert_int_equal(traps(NULL), 0);
    assert_int_equal(cpu.budget, ENTRY_BUDGET - COST_CLEAR);
    memset(was.entry.traps, 0, sizeof(was.entry.traps));
}

/* --- callbacks --- */

static long set_callbacks(uint64_t event, uint64_t failsafe, uint64_t call)
{
    return AS_CALLED(do_set_callbacks)(event, failsafe, call, 0, 0, 0);
}

static void the_old_way(void **state)
{
    assert_int_equal(set_callbacks(NOT_CANONICAL, 1, 2), -EINVAL);
    assert_int_equal(set_callbacks(1, NOT_CANONICAL, 2), -EINVAL);
    assert_int_equal(set_callbacks(1, 2, NOT_CANONICAL), -EINVAL);
    assert_memory_equal(&v, &was, sizeof(v));
    v.entry.event.mask_events = was.entry.event.mask_events = false;
    assert_int_equal(set_callbacks(HIGH, 0x2000, 0x3000), 0);
    assert_true(v.entry.event.rip == HIGH && v.entry.event.mask_events);
    v.entry.event = was.entry.event;
    was.entry.failsafe.rip = 0x2000;
    was.entry.syscall.rip = 0x3000;
}

static long callback_op(unsigned int op, const void *arg)
{
    return AS_CALLED(do_callback_op)(op, (unsigned long)arg, 0, 0, 0, 0);
}

static void one_by_one(void **state)
{
    struct guest_callback *all[] = {
        [CALLBACKTYPE_event] = &v.entry.event,
        [CALLBACKTYPE_failsafe] = &v.entry.failsafe,
        [CALLBACKTYPE_syscall] = &v.entry.syscall,
        [CALLBACKTYPE_nmi] = &v.entry.nmi,
        [CALLBACKTYPE_sysenter] = &v.entry.sysenter,
        [CALLBACKTYPE_syscall32] = &v.entry.syscall32,
    };

    for (uint16_t type = 0; type < 10; type++)
        for (uint16_t flags = 0; flags < 4; flags++) {
            struct guest_callback *of = type < ARRAY_SIZE(all) ? all[type] : NULL;
            struct callback_register r = { .type = type, .flags = flags, .address = 0x1000 + type };
            struct callback_unregister u = { .type = type };
            bool masks = flags & CALLBACKF_mask_events || type == CALLBACKTYPE_event ||
                         type == CALLBACKTYPE_nmi;

            if (of)
                *of = (struct guest_callback){ .rip = 7, .mask_events = !masks };
            was = v;
            assert_int_equal(callback_op(CALLBACKOP_register, &r), of ? 0 : -ENOSYS);
            if (of)
                assert_true(of->rip == 0x1000u + type && of->mask_events == masks);
            r.address = NOT_CANONICAL;
            assert_int_equal(callback_op(CALLBACKOP_register, &r), of ? -EINVAL : -ENOSYS);
            assert_int_equal(callback_op(CALLBACKOP_unregister, &u),
                             !of ? -ENOSYS : type == CALLBACKTYPE_nmi ? 0 : -EINVAL);
            if (!of)
                continue;
            assert_int_equal(of->rip, type == CALLBACKTYPE_nmi ? 0 : 0x1000u + type);
            *of = (struct guest_callback){ .rip = 7, .mask_events = !masks };
            assert_memory_equal(&v, &was, sizeof(v));
        }
    was = v;
    assert_int_equal(callback_op(CALLBACKOP_register, (void *)NOT_THERE), -EFAULT);
    assert_int_equal(callback_op(CALLBACKOP_unregister, (void *)NOT_THERE), -EFAULT);
    assert_int_equal(callback_op(2, NULL), -ENOSYS);
}

/* --- iret --- */

static const uint16_t selectors[] = { 0xe030, 0xe033, 0xe020, 0xe023, 0x33, 0x10 };

static void iret(void **state)
{
    for (unsigned int i = 0; i < 6 * 32; i++) {
        uint16_t cs = selectors[i / 32];
        bool in_call = i & 1, enabled = i & 2, resume = i & 4, iopl = i & 8, high = i & 16;
        struct iret_context frame = {
            .rax = 0xaa, .r11 = 0xbb, .rcx = 0xcc, .flags = in_call ? VGCF_in_syscall : 0xfeff,
            .rip = HIGH + i, .cs = cs | (high ? 0xabcd0000ul : 0), .rsp = 0x7000 + i, .ss = 0xe018,
            .rflags = 0x227c02ul ^ (enabled ? 0x200 : 0) ^ (resume ? 0x10000 : 0),
        };
        bool user = (cs & 3) == 3;

        set_up(NULL);
        v.tables.user_cr3 = 0x5000;
        v.regs.rsp = (uint64_t)&frame;
        v.regs.entry_vector = 0x100;
        v.ports.iopl = 1;
        domain.vm_assist = iopl ? 1u << VMASST_TYPE_architectural_iopl : 0;
        was = v;
        assert_int_equal(AS_CALLED(do_iret)(0, 0, 0, 0, 0, 0), 0xaa);
        was.regs.rip = HIGH + i;
        was.regs.rsp = 0x7000 + i;
        was.regs.rflags = frame.rflags | 0x200;
        was.regs.cs = in_call && (cs | 3) != 0xe023 ? 0xe033 : cs | 3;
        was.regs.ss = in_call && (cs | 3) != 0xe023 ? 0xe02b : 0xe01b;
        if (!in_call || (cs | 3) == 0xe023 || resume)
            was.regs.entry_vector = 0;
        if (!in_call) {
            was.regs.rcx = 0xcc;
            was.regs.r11 = 0xbb;
        }
        was.in_kernel = !user;
        was.ports.iopl = iopl ? 3 : 1;
        info_was.evtchn_upcall_mask = !enabled;
        assert_int_equal(users, user);
        tear_down(NULL);
        assert_int_equal(crashes, 0);
    }
    set_up(NULL);
    v.regs.rsp = NOT_THERE;
    was = v;
    assert_int_equal(AS_CALLED(do_iret)(0, 0, 0, 0, 0, 0), 0);
    assert_int_equal(crashes, 1);
    struct iret_context frame = { .cs = 3 };            /* it has no user mode */
    v.regs.rsp = (uint64_t)&frame;
    v.tables.user_cr3 = 0;
    was = v;
    assert_int_equal(AS_CALLED(do_iret)(0, 0, 0, 0, 0, 0), 0);
    assert_true(crashes == 2 && users == 0);
}

/* --- the rest --- */

static long base(unsigned int which, uint64_t value)
{
    return AS_CALLED(do_set_segment_base)(which, value, 0, 0, 0, 0);
}

static void segment_bases(void **state)
{
    catch_faults();
    for (unsigned int i = 0; i < 6; i++)
        if (i != SEGBASE_GS_USER_SEL)
            assert_int_equal(base(i, NOT_CANONICAL), -EINVAL);
    assert_int_equal(base(4, 0), -EINVAL);
    assert_true(fs_base == 0xf5 && gs_base == 0x65);
    assert_memory_equal(&v, &was, sizeof(v));
    assert_int_equal(base(SEGBASE_FS, HIGH), 0);
    assert_true(fs_base == HIGH && gs_base == 0x65);
    assert_int_equal(base(SEGBASE_GS_KERNEL, HIGH + 1), 0);
    assert_true(fs_base == HIGH && gs_base == HIGH + 1);
    assert_memory_equal(&v, &was, sizeof(v));
    assert_int_equal(base(SEGBASE_GS_USER, HIGH + 2), 0);
    assert_int_equal(v.hw.gs_base_user, HIGH + 2);
    gs_of_selector = 0x1234500000;
    assert_int_equal(base(SEGBASE_GS_USER_SEL, 0x80000000e02b), 0);
    assert_int_equal(gs_base, HIGH + 1);
    was.hw.gs_base_user = 0x1234500000;
}

static void stack_and_fpu(void **state)
{
    catch_faults();
    assert_int_equal(AS_CALLED(do_stack_switch)(0xe028, NOT_CANONICAL, 0, 0, 0, 0), 0);
    was.entry.kernel_ss = 0xe02b;
    was.entry.kernel_sp = NOT_CANONICAL;
    v.hw.guest_cr0 = was.hw.guest_cr0 = 0x33;
    assert_int_equal(AS_CALLED(do_fpu_taskswitch)(1, 0, 0, 0, 0, 0), 0);
    assert_true(hardware_cr[0] == 0x8005003b && v.hw.guest_cr0 == 0x3b);
    assert_int_equal(AS_CALLED(do_fpu_taskswitch)(0, 0, 0, 0, 0, 0), 0);
    assert_true(hardware_cr[0] == 0x80050033 && v.hw.guest_cr0 == 0x33);
}

static long assist(unsigned int cmd, unsigned long type)
{
    return AS_CALLED(do_vm_assist)(cmd, type, 0, 0, 0, 0);
}

static void assists(void **state)
{
    static const uint32_t known = 1u << 0 | 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5;

    _Static_assert(VMASST_TYPE_runstate_update_flag == 5, "the last of those known");
    for (unsigned long type = 0; type < 70; type++) {
        bool is = type < 32 && known >> type & 1;

        domain.vm_assist = 0x80000000;
        assert_int_equal(assist(VMASST_CMD_enable, type), is ? 0 : -EINVAL);
        assert_int_equal(domain.vm_assist, 0x80000000 | (is ? 1u << type : 0));
        domain.vm_assist = ~0u;
        assert_int_equal(assist(VMASST_CMD_disable, type), is ? 0 : -EINVAL);
        assert_int_equal(domain.vm_assist, ~(is ? 1u << type : 0));
        assert_int_equal(assist(2, type), is ? -ENOSYS : -EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(trap_tables, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_old_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_by_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(iret, set_up, tear_down),
        cmocka_unit_test_setup_teardown(segment_bases, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stack_and_fpu, set_up, tear_down),
        cmocka_unit_test_setup_teardown(assists, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
