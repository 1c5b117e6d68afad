/* SPDX-License-Identifier: MIT */
/* The interpreter's ways between privileges: exceptions, interrupts, IRET, SYSCALL, and what is
 * refused on them. The expectations are from Intel's manual (SDM vol. 2; vol. 3, chapters 5, 6).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "interpret_steps.h"

#define GATE_TRAP (1ull << 40)          /* more than an interrupt gate */
#define GATE_USER (3ull << 45)
#define GATE_IST(n) ((uint64_t)(n) << 32)

static uint64_t frame(unsigned int word)
{
    return get(vcpu, vcpu->general[RSP] + 8 * word);
}

static void exceptions_leave_a_frame(void **state)
{
    start(3);
    vcpu->rflags |= FLAG_IF | FLAG_CF;
    vcpu->general[RBX] = 6ull << 30;
    assert_error(STEP(0x8b, 0x03), VECTOR_PF, 4);               /* mov eax, [rbx] */
    assert_int_equal(vcpu->cr2, 6ull << 30);
    assert_int_equal(vcpu->general[RSP], KERNEL_STACK - 48);
    assert_int_equal(frame(1), CODE);
    assert_int_equal(frame(2), USER_CODE);
    assert_int_equal(frame(3), FLAG_IF | FLAG_CF | FLAG_ALWAYS);
    assert_int_equal(frame(4), STACK);
    assert_int_equal(frame(5), USER_DATA);
    assert_int_equal(vcpu->segment[CS].selector, KERNEL_CODE);
    assert_int_equal(vcpu->segment[SS].selector, 0);
    assert_int_equal(vcpu->rflags & (FLAG_IF | FLAG_CF), FLAG_CF);
}

/* Of the same privilege: the same stack, aligned; the others: IST; a trap gate leaves IF. */
static void stacks_are_chosen(void **state)
{
    start(0);
    vcpu->general[RSP] = STACK - 3;
    assert_exception(STEP(0x0f, 0x0b), VECTOR_UD);
    assert_int_equal(vcpu->general[RSP], STACK - 16 - 40);
    assert_int_equal(frame(3), STACK - 3);
    assert_int_equal(frame(4), KERNEL_DATA);
    assert_int_equal(vcpu->segment[SS].selector, KERNEL_DATA);
    for (unsigned int ist = 1; ist < 8; ist++) {
        start(ist & 1 ? 3 : 0);
        put_gate(vcpu, VECTOR_UD, HANDLERS + 16 * VECTOR_UD, GATE_IST(ist) | GATE_TRAP);
        vcpu->rflags |= FLAG_IF | FLAG_TF;
        assert_exception(STEP(0x0f, 0x0b), VECTOR_UD);
        assert_int_equal(vcpu->general[RSP], FIRST_IST + 0x100 * (ist - 1) - 40);
        assert_int_equal(vcpu->rflags & (FLAG_IF | FLAG_TF), FLAG_IF);
    }
}

static void software_interrupts_need_the_gates_privilege(void **state)
{
    start(3);
    assert_error(STEP(0xcd, 0x40), VECTOR_GP, 0x40 * 8 + 2);
    start(3);
    put_gate(vcpu, 0x40, HANDLERS + 16 * 0x40, GATE_USER);
    assert_int_equal(STEP(0xcd, 0x40), STEP_DONE);
    assert_exception(STEP_EXCEPTION, 0x40);
    assert_int_equal(frame(0), CODE + 2);
    start(3);
    put_gate(vcpu, VECTOR_BP, HANDLERS + 16 * VECTOR_BP, GATE_USER);
    assert_int_equal(STEP(0xcc), STEP_DONE);
    assert_exception(STEP_EXCEPTION, VECTOR_BP);
    assert_int_equal(frame(0), CODE + 1);
    start(0);
    assert_int_equal(STEP(0xcd, 0x40), STEP_DONE);
    assert_exception(STEP_EXCEPTION, 0x40);
    /* an exception of the CPU's own does not ask */
    start(3);
    assert_exception(STEP(0x0f, 0x0b), VECTOR_UD);
}

static void bad_gates(void **state)
{
    start(0);
    put(vcpu, IDT + 16 * VECTOR_UD, get(vcpu, IDT + 16 * VECTOR_UD) & ~(1ull << 47));
    assert_error(STEP(0x0f, 0x0b), VECTOR_NP, VECTOR_UD * 8 + 3);
    start(0);
    put(vcpu, IDT + 16 * VECTOR_UD, get(vcpu, IDT + 16 * VECTOR_UD) & ~(1ull << 42));   /* type */
    assert_error(STEP(0x0f, 0x0b), VECTOR_GP, VECTOR_UD * 8 + 3);
    start(0);
    vcpu->idtr.limit = 16 * 0x30 + 14;
    assert_error(STEP(0xcd, 0x30), VECTOR_GP, 0x30 * 8 + 2);
    start(0);                                           /* to a data segment */
    put_gate(vcpu, VECTOR_UD, HANDLERS, (uint64_t)(KERNEL_CODE ^ KERNEL_DATA) << 16);
    put(vcpu, IDT + 16 * VECTOR_UD,
        (get(vcpu, IDT + 16 * VECTOR_UD) & ~0xffff0000ull) | (uint64_t)KERNEL_DATA << 16);
    assert_error(STEP(0x0f, 0x0b), VECTOR_GP, KERNEL_DATA);
    start(3);                                           /* to a lesser privilege */
    vcpu->cpl = 0;
    put(vcpu, IDT + 16 * VECTOR_UD,
        (get(vcpu, IDT + 16 * VECTOR_UD) & ~0xffff0000ull) | (uint64_t)USER_CODE << 16);
    assert_error(STEP(0x0f, 0x0b), VECTOR_GP, USER_CODE & ~3);
    start(3);                                           /* a code segment that is not there */
    put(vcpu, GDT + KERNEL_CODE, 0x00201b0000000000);
    assert_int_equal(STEP(0x0f, 0x0b), STEP_SHUTDOWN);
    start(3);                                           /* no stack */
    vcpu->tr.limit = 10;
    assert_int_equal(STEP(0x0f, 0x0b), STEP_SHUTDOWN);
    start(3);
    put(vcpu, TSS + 4, 1ull << 50);
    put_gate(vcpu, VECTOR_SS, HANDLERS + 16 * VECTOR_SS, GATE_IST(1));
    assert_error(STEP(0x0f, 0x0b), VECTOR_SS, 0);
}

static void faults_on_the_way_become_double_and_triple(void **state)
{
    start(3);                           /* page fault, its stack is not there, nor is the next */
    put(vcpu, TSS + 4, 7ull << 30);
    put_gate(vcpu, VECTOR_DF, HANDLERS + 16 * VECTOR_DF, GATE_IST(2));
    vcpu->general[RBX] = 6ull << 30;
    assert_error(STEP(0x8b, 0x03), VECTOR_DF, 0);
    assert_int_equal(frame(1), CODE);
    assert_int_equal(vcpu->cr2, (7ull << 30) - 8);
    start(3);                           /* #GP, then a page fault: that is delivered */
    put(vcpu, TSS + 4, 7ull << 30);
    put_gate(vcpu, VECTOR_PF, HANDLERS + 16 * VECTOR_PF, GATE_IST(1));
    assert_error(STEP(0xf4), VECTOR_PF, 2);
    start(0);                           /* two of the contributory class */
    put(vcpu, IDT + 16 * VECTOR_GP, 0);
    assert_error(STEP(0x0f, 0x32), VECTOR_DF, 0);               /* rdmsr of none */
    start(0);
    put(vcpu, IDT + 16 * VECTOR_GP, 0);
    put(vcpu, IDT + 16 * VECTOR_DF, 0);
    assert_int_equal(STEP(0x0f, 0x32), STEP_SHUTDOWN);
    assert_string_equal(vcpu->reason, "a triple fault");
    assert_int_equal(vcpu->rip, CODE);
}

static void interrupts_wait_for_if_and_shadows(void **state)
{
    start(0);
    memcpy(machine.memory + CODE, (uint8_t[]){ 0xfb, 0x90, 0x90, 0xfb, 0x8e, 0xd0, 0x90 }, 7);
    vcpu->general[RAX] = KERNEL_DATA;
    vcpu->rip = CODE;
    vcpu->interrupt_pending = true;
    assert_false(interruptible(vcpu));
    assert_int_equal(interpret(vcpu, 100), STEP_INTERRUPT);     /* sti; nop; here */
    assert_int_equal(vcpu->rip, CODE + 2);
    vcpu->interrupt_pending = false;
    assert_int_equal(interpret(vcpu, 3), STEP_DONE);            /* nop; sti; mov ss, eax; here */
    assert_int_equal(vcpu->rip, CODE + 6);
    vcpu->interrupt_pending = true;
    assert_int_equal(interpret(vcpu, 100), STEP_INTERRUPT);     /* after the nop */
    assert_int_equal(vcpu->rip, CODE + 7);
    assert_int_equal(deliver_interrupt(vcpu, 0x55), STEP_EXCEPTION);
    assert_exception(STEP_EXCEPTION, 0x55);
    assert_int_equal(frame(0), CODE + 7);
}

static void halt_waits(void **state)
{
    start(0);
    vcpu->rflags |= FLAG_IF;
    assert_int_equal(STEP(0xf4), STEP_HALTED);
    assert_int_equal(interpret_one(vcpu), STEP_HALTED);
    assert_int_equal(interpret(vcpu, 10), STEP_HALTED);
    vcpu->interrupt_pending = true;
    assert_int_equal(interpret(vcpu, 10), STEP_INTERRUPT);
    assert_int_equal(deliver_interrupt(vcpu, 0x20), STEP_EXCEPTION);
    assert_false(vcpu->halted);
    assert_int_equal(frame(0), CODE + 1);
}

static void push_frame(uint64_t rip, uint64_t cs, uint64_t flags, uint64_t rsp, uint64_t ss)
{
    const uint64_t words[] = { rip, cs, flags, rsp, ss };
    start(0);
    vcpu->general[RSP] = DATA;
    for (unsigned int i = 0; i < 5; i++)
        put(vcpu, DATA + 8 * i, words[i]);
}

static void iret_goes_out(void **state)
{
    push_frame(0x1234, USER_CODE, FLAG_IF | FLAG_IOPL | FLAG_ZF | FLAG_VM, 0x5678, USER_DATA);
    vcpu->segment[GS].base = 0x77;
    assert_int_equal(STEP(0x48, 0xcf), STEP_DONE);
    assert_int_equal(vcpu->rip, 0x1234);
    assert_int_equal(vcpu->cpl, 3);
    assert_int_equal(vcpu->rflags, FLAG_IF | FLAG_IOPL | FLAG_ZF | FLAG_ALWAYS);
    assert_int_equal(vcpu->general[RSP], 0x5678);
    assert_int_equal(vcpu->segment[SS].selector, USER_DATA);
    assert_int_equal(vcpu->segment[DS].selector, 0);            /* the kernel's are dropped */
    assert_int_equal(vcpu->segment[DS].flags, 0);
    assert_int_equal(vcpu->segment[GS].base, 0x77);
    push_frame(0x1234, KERNEL_CODE, 0, 0x5678, 0);              /* to itself: SS may be null */
    assert_int_equal(STEP(0x48, 0xcf), STEP_DONE);
    assert_int_equal(vcpu->cpl, 0);
    assert_int_equal(vcpu->general[RSP], 0x5678);
    assert_int_equal(vcpu->segment[DS].selector, KERNEL_DATA);
    assert_int_equal(vcpu->segment[CS].selector, KERNEL_CODE);
}

static void iret_refuses(void **state)
{
    push_frame(1ull << 47, USER_CODE, 0, 0, USER_DATA);
    assert_error(STEP(0x48, 0xcf), VECTOR_GP, 0);
    push_frame(0, 0, 0, 0, USER_DATA);
    assert_error(STEP(0x48, 0xcf), VECTOR_GP, 0);
    push_frame(0, USER_CODE, 0, 0, 0);                          /* no null SS at level 3 */
    assert_error(STEP(0x48, 0xcf), VECTOR_GP, 0);
    push_frame(0, USER_CODE, 0, 0, KERNEL_DATA);
    assert_error(STEP(0x48, 0xcf), VECTOR_GP, KERNEL_DATA);
    push_frame(0, USER_CODE, 0, 0, KERNEL_DATA | 3);            /* the kernel's, asked for by 3 */
    assert_error(STEP(0x48, 0xcf), VECTOR_GP, KERNEL_DATA);
    push_frame(0, USER_CODE, 0, 0, USER_DATA & ~3);             /* the user's, asked for by 0 */
    assert_error(STEP(0x48, 0xcf), VECTOR_GP, USER_DATA & ~3);
    push_frame(0, USER_CODE, 0, 0, USER_CODE_32);               /* code */
    assert_error(STEP(0x48, 0xcf), VECTOR_GP, USER_CODE_32 & ~3);
    push_frame(0, USER_CODE, 0, 0, USER_DATA);
    put(vcpu, GDT + (USER_DATA & ~7), 0x0000f10000000000);      /* not to be written */
    assert_error(STEP(0x48, 0xcf), VECTOR_GP, USER_DATA & ~3);
    push_frame(0, USER_CODE, 0, 0, TASK | 3);                   /* no segment of memory */
    put(vcpu, GDT + TASK, get(vcpu, GDT + TASK) | 3ull << 45);
    assert_error(STEP(0x48, 0xcf), VECTOR_GP, TASK);
    push_frame(0, USER_DATA, 0, 0, USER_DATA);                  /* not code */
    assert_error(STEP(0x48, 0xcf), VECTOR_GP, USER_DATA & ~3);
    push_frame(0, 0x100 | 3, 0, 0, USER_DATA);                  /* not in the table */
    assert_error(STEP(0x48, 0xcf), VECTOR_GP, 0x100);
    push_frame(0, USER_CODE, 0, 0, USER_DATA);
    put(vcpu, GDT + (USER_CODE & ~7), 0x00207b0000000000);
    assert_error(STEP(0x48, 0xcf), VECTOR_NP, USER_CODE & ~3);
    push_frame(0, USER_CODE, 0, 0, USER_DATA);
    put(vcpu, GDT + (USER_DATA & ~7), 0x0000730000000000);
    assert_error(STEP(0x48, 0xcf), VECTOR_SS, USER_DATA & ~3);
    push_frame(0, USER_CODE, 0, 0, USER_DATA);
    vcpu->rflags |= FLAG_NT;
    assert_error(STEP(0x48, 0xcf), VECTOR_GP, 0);
    push_frame(0, KERNEL_CODE, 0, 0, KERNEL_DATA);              /* inwards */
    vcpu->cpl = 3;
    assert_error(STEP(0x48, 0xcf), VECTOR_GP, KERNEL_CODE);
}

static void flags_a_user_may_change(void **state)
{
    push_frame(0x1234, USER_CODE, FLAG_IF | FLAG_IOPL | FLAG_CF, DATA, USER_DATA);
    vcpu->cpl = 3;
    vcpu->segment[CS].selector = USER_CODE;
    assert_int_equal(STEP(0x48, 0xcf), STEP_DONE);
    assert_int_equal(vcpu->rflags, FLAG_CF | FLAG_ALWAYS);
    put(vcpu, DATA, FLAG_IF | FLAG_IOPL | FLAG_ZF);
    assert_int_equal(STEP(0x9d), STEP_DONE);                    /* popf */
    assert_int_equal(vcpu->rflags, FLAG_ZF | FLAG_ALWAYS);
    vcpu->rflags |= FLAG_IOPL;
    vcpu->general[RSP] = DATA;
    put(vcpu, DATA, FLAG_IF);
    assert_int_equal(STEP(0x9d), STEP_DONE);
    assert_int_equal(vcpu->rflags, FLAG_IF | FLAG_IOPL | FLAG_ALWAYS);
    assert_int_equal(STEP(0xfa), STEP_DONE);                    /* cli, sti with IOPL 3 */
    assert_int_equal(STEP(0xfb), STEP_DONE);
    vcpu->rflags &= ~(uint64_t)FLAG_IOPL;
    assert_error(STEP(0xfa), VECTOR_GP, 0);
    start(0);
    vcpu->general[RSP] = DATA;
    put(vcpu, DATA, ~0ull);
    assert_int_equal(STEP(0x9d), STEP_DONE);
    assert_int_equal(vcpu->rflags, 0x247fd7);   /* all but RF and VM, VIF, VIP and what is none */
    vcpu->rflags = FLAG_ALWAYS | FLAG_AC;
    assert_int_equal(STEP(0x66, 0x9d), STEP_DONE);
    assert_int_equal(vcpu->rflags, FLAG_ALWAYS | FLAG_AC);
}

static void system_calls_come_and_go(void **state)
{
    start(3);
    vcpu->star = (uint64_t)KERNEL_CODE << 32 | (uint64_t)(KERNEL_DATA | 3) << 48;
    vcpu->lstar = 0xffffffff80001234;
    vcpu->sfmask = FLAG_IF | FLAG_DF;
    vcpu->rflags |= FLAG_IF | FLAG_DF | FLAG_CF;
    assert_int_equal(STEP(0x0f, 0x05), STEP_DONE);
    assert_int_equal(vcpu->rip, 0xffffffff80001234);
    assert_int_equal(vcpu->cpl, 0);
    assert_int_equal(vcpu->segment[CS].selector, KERNEL_CODE);
    assert_int_equal(vcpu->segment[SS].selector, KERNEL_DATA);
    assert_int_equal(vcpu->general[RCX], CODE + 2);
    assert_int_equal(vcpu->general[R11], FLAG_IF | FLAG_DF | FLAG_CF | FLAG_ALWAYS);
    assert_int_equal(vcpu->rflags, FLAG_CF | FLAG_ALWAYS);
    assert_int_equal(vcpu->general[RSP], STACK);
    assert_int_equal(STEP(0x48, 0x0f, 0x07), STEP_DONE);        /* sysretq */
    assert_int_equal(vcpu->rip, CODE + 2);
    assert_int_equal(vcpu->cpl, 3);
    assert_int_equal(vcpu->segment[CS].selector, USER_CODE);
    assert_int_equal(vcpu->segment[SS].selector, USER_DATA);
    assert_int_equal(vcpu->rflags, FLAG_IF | FLAG_DF | FLAG_CF | FLAG_ALWAYS);
    assert_error(STEP(0x48, 0x0f, 0x07), VECTOR_GP, 0);
    vcpu->general[RCX] = 1ull << 47;
    assert_error(STEP(0x48, 0x0f, 0x07), VECTOR_GP, 0);
    vcpu->efer &= ~EFER_SCE;
    assert_exception(STEP(0x0f, 0x05), VECTOR_UD);
}

static void swapgs_exchanges(void **state)
{
    start(0);
    vcpu->segment[GS].base = DATA;
    vcpu->kernel_gs_base = MORE;
    put(vcpu, MORE + 8, 0x1234);
    assert_int_equal(STEP(0x0f, 0x01, 0xf8), STEP_DONE);
    assert_int_equal(vcpu->segment[GS].base, MORE);
    assert_int_equal(vcpu->kernel_gs_base, DATA);
    assert_int_equal(STEP(0x65, 0x48, 0x8b, 0x04, 0x25, 8, 0, 0, 0), STEP_DONE);
    assert_int_equal(vcpu->general[RAX], 0x1234);               /* mov rax, [gs:8] */
    start(3);
    assert_error(STEP(0x0f, 0x01, 0xf8), VECTOR_GP, 0);
}

static void single_steps(void **state)
{
    start(3);
    vcpu->rflags |= FLAG_TF;
    assert_exception(STEP(0x90), VECTOR_DB);
    assert_int_equal(frame(0), CODE + 1);
    assert_true(frame(2) & FLAG_TF);
    assert_true(vcpu->dr[6] & 1 << 14);
}

/* Each of these is #GP at level 3, and not at level 0. */
static void privileged_instructions(void **state)
{
    static const uint8_t codes[][4] = {
        { 0xf4 },                       /* hlt */
        { 0x0f, 0x06 },                 /* clts */
        { 0x0f, 0x09 },                 /* wbinvd */
        { 0x0f, 0x20, 0xc0 },           /* mov rax, cr0 */
        { 0x0f, 0x20, 0xd8 },           /* mov rax, cr3 */
        { 0x0f, 0x22, 0xd8 },           /* mov cr3, rax */
        { 0x0f, 0x21, 0xc0 },           /* mov rax, dr0 */
        { 0x0f, 0x23, 0xc0 },           /* mov dr0, rax */
        { 0x0f, 0x32 },                 /* rdmsr */
        { 0x0f, 0x30 },                 /* wrmsr */
        { 0x0f, 0x01, 0x13 },           /* lgdt [rbx] */
        { 0x0f, 0x01, 0x1b },           /* lidt [rbx] */
        { 0x0f, 0x01, 0x3b },           /* invlpg [rbx] */
        { 0x0f, 0x01, 0xf0 },           /* lmsw ax */
        { 0x0f, 0x00, 0xd2 },           /* lldt dx */
        { 0xfa }, { 0xfb },             /* cli, sti */
        { 0xec }, { 0xef },             /* in al, dx; out dx, eax */
        { 0x6c }, { 0x6f },             /* insb, outsd */
    };
    for (unsigned int i = 0; i < 2 * sizeof codes / sizeof *codes; i++) {
        start(i & 1 ? 3 : 0);
        vcpu->general[RCX] = 0xc0000081;
        vcpu->general[RAX] = i / 2 == 13 ? 1 : PML4;
        vcpu->general[RBX] = vcpu->general[RDI] = vcpu->general[RSI] = DATA;
        enum step step = step_bytes(codes[i / 2], 4);
        if (i & 1)
            assert_error(step, VECTOR_GP, 0);
        else
            assert_int_equal(step, codes[i / 2][0] == 0xf4 ? STEP_HALTED : STEP_DONE);
        assert_int_equal(machine.ports, !(i & 1) && i / 2 >= 17);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exceptions_leave_a_frame),
        cmocka_unit_test(stacks_are_chosen),
        cmocka_unit_test(software_interrupts_need_the_gates_privilege),
        cmocka_unit_test(bad_gates),
        cmocka_unit_test(faults_on_the_way_become_double_and_triple),
        cmocka_unit_test(interrupts_wait_for_if_and_shadows),
        cmocka_unit_test(halt_waits),
        cmocka_unit_test(iret_goes_out),
        cmocka_unit_test(iret_refuses),
        cmocka_unit_test(flags_a_user_may_change),
        cmocka_unit_test(system_calls_come_and_go),
        cmocka_unit_test(swapgs_exchanges),
        cmocka_unit_test(single_steps),
        cmocka_unit_test(privileged_instructions),
    };
    return cmocka_run_group_tests_name("interpret_traps", tests, NULL, end);
}
