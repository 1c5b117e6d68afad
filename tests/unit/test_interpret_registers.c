/* SPDX-License-Identifier: MIT */
/* The interpreter's instructions on registers that no user program has, or not all of: segment and
 * debug registers, FS and GS bases, the machine status, ports; and the forms of 32-bit code. The
 * expectations are from Intel's manual (SDM vol. 2).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "interpret_steps.h"

static void segment_registers_move(void **state)
{
    start(0);
    vcpu->general[RAX] = ~0ull;
    assert_int_equal(STEP(0x8c, 0xd8), STEP_DONE);                      /* mov eax, ds */
    assert_int_equal(vcpu->general[RAX], KERNEL_DATA);
    vcpu->general[RAX] = ~0ull;
    assert_int_equal(STEP(0x66, 0x8c, 0xc8), STEP_DONE);                /* mov ax, cs */
    assert_int_equal(vcpu->general[RAX], 0xffffffffffff0000 | KERNEL_CODE);
    put(vcpu, DATA, ~0ull);
    vcpu->general[RBX] = DATA;
    assert_int_equal(STEP(0x8c, 0x1b), STEP_DONE);                      /* mov [rbx], ds */
    assert_int_equal(get(vcpu, DATA), 0xffffffffffff0000 | KERNEL_DATA);
    assert_exception(STEP(0x8c, 0xf0), VECTOR_UD);                      /* the sixth */
    assert_exception(STEP(0x8e, 0xf8), VECTOR_UD);
    start(0);
    vcpu->segment[FS].selector = USER_DATA;
    assert_int_equal(STEP(0x0f, 0xa0), STEP_DONE);                      /* push fs */
    assert_int_equal(vcpu->general[RSP], STACK - 8);
    assert_int_equal(get(vcpu, STACK - 8), USER_DATA);
    assert_int_equal(STEP(0x0f, 0xa9), STEP_DONE);                      /* pop gs */
    assert_int_equal(vcpu->general[RSP], STACK);
    assert_int_equal(vcpu->segment[GS].selector, USER_DATA);
    put(vcpu, STACK, 0x100);                                            /* no such selector */
    assert_error(STEP(0x0f, 0xa1), VECTOR_GP, 0x100);                   /* pop fs */
    assert_int_equal(get(vcpu, vcpu->general[RSP] + 32), STACK);
    assert_exception(STEP(0x1e), VECTOR_UD);                            /* push ds */
}

static void far_pointers_load(void **state)
{
    static const struct { uint8_t opcode, which; } cases[] = { { 0xb4, FS }, { 0xb5, GS },
                                                               { 0xb2, SS } };
    for (unsigned int i = 0; i < 3; i++) {
        start(0);
        put(vcpu, DATA, 0x1122334455667788);
        put(vcpu, DATA + 8, KERNEL_DATA);
        vcpu->segment[cases[i].which].selector = 0;
        vcpu->general[RBX] = DATA;
        assert_int_equal(STEP(0x48, 0x0f, cases[i].opcode, 0x0b), STEP_DONE);
        assert_int_equal(vcpu->general[RCX], 0x1122334455667788);
        assert_int_equal(vcpu->segment[cases[i].which].selector, KERNEL_DATA);
        put(vcpu, DATA + 8, 0x100);
        vcpu->general[RCX] = 1;
        assert_error(STEP(0x48, 0x0f, cases[i].opcode, 0x0b), VECTOR_GP, 0x100);
        assert_int_equal(vcpu->general[RCX], 1);
        vcpu->general[RBX] = (4ull << 30) - 8;                          /* half of it is there */
        assert_error(STEP(0x48, 0x0f, cases[i].opcode, 0x0b), VECTOR_PF, 0);
        assert_exception(STEP(0x48, 0x0f, cases[i].opcode, 0xcb), VECTOR_UD);
    }
}

static void debug_registers_hold(void **state)
{
    start(0);
    for (unsigned int i = 0; i < 8; i++) {
        unsigned int same = i & 4 ? i | 2 : i;                          /* 4, 5: 6, 7 */
        vcpu->general[RCX] = 0x1000 + i;
        assert_int_equal(STEP(0x0f, 0x23, 0xc1 | i << 3), STEP_DONE);   /* mov dr, rcx */
        assert_int_equal(vcpu->dr[same], 0x1000 + i);
        assert_int_equal(STEP(0x0f, 0x21, 0xc2 | i << 3), STEP_DONE);   /* mov rdx, dr */
        assert_int_equal(vcpu->general[RDX], 0x1000 + i);
    }
    assert_exception(STEP(0x44, 0x0f, 0x21, 0xc0), VECTOR_UD);          /* dr8 */
}

static void control_registers_hold(void **state)
{
    start(0);
    vcpu->general[RAX] = 5;
    assert_int_equal(STEP(0x44, 0x0f, 0x22, 0xc0), STEP_DONE);          /* mov cr8, rax */
    assert_int_equal(STEP(0x44, 0x0f, 0x20, 0xc1), STEP_DONE);          /* mov rcx, cr8 */
    assert_int_equal(vcpu->general[RCX], 5);
    vcpu->general[RAX] = 16;
    assert_error(STEP(0x44, 0x0f, 0x22, 0xc0), VECTOR_GP, 0);
    vcpu->general[RAX] = 0x123456789abc;
    assert_int_equal(STEP(0x0f, 0x22, 0xd0), STEP_DONE);                /* mov cr2, rax */
    assert_int_equal(STEP(0x0f, 0x20, 0xd1), STEP_DONE);
    assert_int_equal(vcpu->general[RCX], 0x123456789abc);
    vcpu->cr0 |= CR0_TS;
    assert_int_equal(STEP(0x0f, 0x01, 0xe1), STEP_DONE);                /* smsw ecx */
    assert_int_equal(vcpu->general[RCX], vcpu->cr0);
    assert_int_equal(STEP(0x0f, 0x06), STEP_DONE);                      /* clts */
    assert_false(vcpu->cr0 & CR0_TS);
    vcpu->general[RAX] = 0xfff8;                /* TS; not PE, which stays; nothing above */
    uint64_t before = vcpu->cr0;
    assert_int_equal(STEP(0x0f, 0x01, 0xf0), STEP_DONE);                /* lmsw ax */
    assert_int_equal(vcpu->cr0, before | CR0_TS);
}

static void interrupts_are_masked(void **state)
{
    start(0);
    assert_int_equal(STEP(0xfb), STEP_DONE);                            /* sti */
    assert_true(vcpu->rflags & FLAG_IF);
    assert_true(vcpu->shadow);
    assert_int_equal(STEP(0xfb), STEP_DONE);    /* of a second one nothing waits */
    assert_false(vcpu->shadow);
    assert_int_equal(STEP(0xfa), STEP_DONE);                            /* cli */
    assert_false(vcpu->rflags & FLAG_IF);
}

/* FSGSBASE, SMAP, POPCNT, which CPUID does not promise; and fences, which are there. */
static void what_is_not_promised(void **state)
{
    start(3);
    assert_int_equal(STEP(0xf3, 0x48, 0x0f, 0xae, 0xc0), STEP_UNKNOWN);         /* rdfsbase */
    assert_int_equal(STEP(0xf3, 0x0f, 0xb8, 0xc0), STEP_UNKNOWN);               /* popcnt */
    start(3);
    assert_exception(STEP(0x0f, 0x01, 0xcb), VECTOR_UD);                        /* stac */
    start(0);
    assert_int_equal(STEP(0x0f, 0xae, 0xf0), STEP_DONE);                /* mfence */
    assert_exception(STEP(0x0f, 0xae, 0xe0), VECTOR_UD);
    assert_int_equal(STEP(0x0f, 0xae, 0x23), STEP_UNKNOWN);             /* xsave */
}

static void groups_have_gaps(void **state)
{
    start(0);
    assert_exception(STEP(0x0f, 0x01, 0xc1), VECTOR_UD);                /* vmcall */
    assert_exception(STEP(0x0f, 0x01, 0x2b), VECTOR_UD);
    vcpu->general[RBX] = DATA;
    for (unsigned int reg = 0; reg < 8; reg++) {        /* of 0f c7 cmpxchg8b alone, in memory */
        uint8_t memory[] = { 0x0f, 0xc7, (uint8_t)(reg << 3 | RBX) },
                direct[] = { 0x0f, 0xc7, (uint8_t)(0xc0 | reg << 3 | RBX) };
        assert_int_equal(step_bytes(memory, 3), reg == 1 ? STEP_DONE : STEP_EXCEPTION);
        assert_int_equal(vcpu->rip, reg == 1 ? CODE + 3 : HANDLERS + 16 * VECTOR_UD);
        assert_exception(step_bytes(direct, 3), VECTOR_UD);
    }
}

static void ports_have_sizes(void **state)
{
    start(0);
    vcpu->general[RAX] = ~0ull;
    vcpu->general[RDX] = 0x1234;
    assert_int_equal(STEP(0xe4, 0x9a), STEP_DONE);                      /* in al, 0x9a */
    assert_int_equal(vcpu->general[RAX], 0xffffffffffffff9a);
    assert_int_equal(STEP(0x66, 0xe5, 0x34), STEP_DONE);                /* in ax, 0x34 */
    assert_int_equal(vcpu->general[RAX], 0xffffffffffff3434);
    assert_int_equal(STEP(0xed), STEP_DONE);                            /* in eax, dx */
    assert_int_equal(vcpu->general[RAX], (uint32_t)(0x1234 * 0x01010101u));
    vcpu->general[RAX] = 0x1122334455667788;
    assert_int_equal(STEP(0xe6, 0x9a), STEP_DONE);                      /* out 0x9a, al */
    assert_int_equal(machine.last_port, 0x9a);
    assert_int_equal(machine.last_out, 0x88);
    assert_int_equal(STEP(0x66, 0xef), STEP_DONE);                      /* out dx, ax */
    assert_int_equal(machine.last_port, 0x1234);
    assert_int_equal(machine.last_out, 0x7788);
    assert_int_equal(STEP(0xef), STEP_DONE);
    assert_int_equal(machine.last_out, 0x55667788);
}

static void strings_of_ports(void **state)
{
    start(0);
    vcpu->general[RDX] = 0x57;
    vcpu->general[RCX] = 3;
    vcpu->general[RDI] = DATA;
    while (vcpu->rip == CODE)
        assert_int_equal(STEP(0xf3, 0x66, 0x6d), STEP_DONE);            /* rep insw */
    assert_int_equal(get(vcpu, DATA), 0x575757575757);
    assert_int_equal(vcpu->general[RDI], DATA + 6);
    assert_int_equal(vcpu->general[RCX], 0);
    assert_int_equal(machine.ports, 3);
    vcpu->general[RSI] = DATA + 4;
    vcpu->rflags |= FLAG_DF;
    assert_int_equal(STEP(0x6f), STEP_DONE);                            /* outsd */
    assert_int_equal(machine.last_out, 0x5757);
    assert_int_equal(vcpu->general[RSI], DATA);
    assert_int_equal(STEP(0xf3, 0x6f), STEP_DONE);                      /* none */
    assert_int_equal(machine.ports, 4);
    vcpu->general[RDI] = 6ull << 30;            /* no memory: the port is not touched */
    assert_error(STEP(0x6c), VECTOR_PF, 2);
    assert_int_equal(machine.ports, 4);
}

static void identification(void **state)
{
    start(3);
    vcpu->general[RAX] = 0x1234567800000010;
    assert_int_equal(STEP(0x0f, 0xa2), STEP_DONE);
    assert_int_equal(vcpu->general[RAX], 0x10);
    assert_int_equal(vcpu->general[RBX], 0x11);
    assert_int_equal(vcpu->general[RCX], 0x12);
    assert_int_equal(vcpu->general[RDX], 0x13);
}

/* --- 32-bit code ------------------------------------------------------------------------------ */

static void forms_of_32_bit_code(void **state)
{
    enum { HIGH = 0x2f000 };                    /* more than 16 bits */
    start(3);
    vcpu->general[RSP] = HIGH;
    vcpu->segment[CS].flags = 0xcfb;
    for (unsigned int i = 0; i < 6; i++)
        if (i != CS)
            vcpu->segment[i] = (struct segment){ USER_DATA, 0xcf3, 0xffffffff, 0 };
    vcpu->general[RCX] = 5;
    vcpu->rflags |= FLAG_CF;
    assert_int_equal(STEP(0x41), STEP_DONE);                            /* inc ecx */
    assert_int_equal(STEP(0x4d), STEP_DONE);                            /* dec ebp */
    assert_int_equal(vcpu->general[RCX], 6);
    assert_int_equal(vcpu->general[RBP], 0xffffffff);
    assert_true(vcpu->rflags & FLAG_CF);
    assert_int_equal(STEP(0x1e), STEP_DONE);                            /* push ds */
    assert_int_equal(vcpu->general[RSP], HIGH - 4);
    assert_int_equal(STEP(0x07), STEP_DONE);                            /* pop es */
    assert_int_equal(vcpu->general[RSP], HIGH);
    vcpu->general[RBX] = DATA - 0x10;
    vcpu->general[RSI] = 0x18;
    machine.memory[DATA + 9] = 0x44;
    assert_int_equal(STEP(0x67, 0x8a, 0x40, 1), STEP_DONE);             /* mov al, [bx + si + 1] */
    assert_int_equal(vcpu->general[RAX] & 0xff, 0x44);
    vcpu->segment[FS].base = 0xfffffff0;        /* addresses have 32 bits */
    vcpu->general[RBX] = DATA + 9 + 0x10;
    assert_int_equal(STEP(0x64, 0x8a, 0x23), STEP_DONE);                /* mov ah, [fs:ebx] */
    assert_int_equal(vcpu->general[RAX] & 0xffff, 0x4444);
    assert_int_equal(STEP(0xe8, 0xf6, 0xff, 0xff, 0xff), STEP_DONE);    /* call */
    assert_int_equal(vcpu->rip, CODE - 5);
    assert_int_equal(get(vcpu, HIGH - 4) & 0xffffffff, CODE + 5);
    assert_int_equal(STEP(0xc2, 8, 0), STEP_DONE);                      /* ret 8 */
    assert_int_equal(vcpu->rip, CODE + 5);
    assert_int_equal(vcpu->general[RSP], HIGH + 8);
    assert_int_equal(STEP(0x66, 0xeb, 0x10), STEP_DONE);                /* jmp, of 16 bits */
    assert_int_equal(vcpu->rip, (CODE + 0x13) & 0xffff);
    assert_int_equal(STEP(0x63, 0xc8), STEP_UNKNOWN);                   /* arpl */
    assert_int_equal(STEP(0x27), STEP_UNKNOWN);                         /* daa */
    vcpu->segment[CS].limit = CODE + 0x100;
    assert_error(STEP(0xe9, 0, 1, 0, 0), VECTOR_GP, 0);                 /* behind the limit */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segment_registers_move),
        cmocka_unit_test(far_pointers_load),
        cmocka_unit_test(debug_registers_hold),
        cmocka_unit_test(control_registers_hold),
        cmocka_unit_test(interrupts_are_masked),
        cmocka_unit_test(what_is_not_promised),
        cmocka_unit_test(groups_have_gaps),
        cmocka_unit_test(ports_have_sizes),
        cmocka_unit_test(strings_of_ports),
        cmocka_unit_test(identification),
        cmocka_unit_test(forms_of_32_bit_code),
    };
    return cmocka_run_group_tests_name("interpret_registers", tests, NULL, end);
}
