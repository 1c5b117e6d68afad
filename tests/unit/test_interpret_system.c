/* SPDX-License-Identifier: MIT */
/* The interpreter's segments, modes, control registers, ports, and string instructions that are
 * interrupted. The expectations are from Intel's manual (SDM vol. 2; vol. 3, chapters 3, 5, 9).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "interpret_steps.h"

enum { EXTRA = 0x38 };                          /* a descriptor of each case's own */

/* --- modes ------------------------------------------------------------------------------------ */

/* As a kernel does it: 32-bit code turns paging and long mode on and jumps to 64-bit code. */
static void from_32_bit_code_to_long_mode(void **state)
{
    static const uint8_t code[] = {
        0xb8, 0x00, 0x10, 0x00, 0x00,               /* mov eax, PML4 */
        0x0f, 0x22, 0xd8,                           /* mov cr3, eax */
        0xb8, 0x20, 0x00, 0x00, 0x00,               /* mov eax, PAE */
        0x0f, 0x22, 0xe0,                           /* mov cr4, eax */
        0xb9, 0x80, 0x00, 0x00, 0xc0,               /* mov ecx, EFER */
        0x0f, 0x32,                                 /* rdmsr */
        0x0d, 0x00, 0x01, 0x00, 0x00,               /* or eax, LME */
        0x0f, 0x30,                                 /* wrmsr */
        0x0f, 0x20, 0xc0,                           /* mov eax, cr0 */
        0x0d, 0x00, 0x00, 0x00, 0x80,               /* or eax, PG */
        0x0f, 0x22, 0xc0,                           /* mov cr0, eax */
        0xea, 0x32, 0xa0, 0x00, 0x00, 0x08, 0x00,   /* jmp 8:next */
        0x90, 0x90,
        0x48, 0x83, 0xc3, 0x01,                     /* next: add rbx, 1 */
    };
    start(0);
    vcpu_start(vcpu, &host_ops, &machine, vcpu->decoded);
    vcpu->gdtr = (struct descriptor_table){ GDT, 63 };
    memcpy(machine.memory + CODE, code, sizeof code);
    vcpu->rip = CODE;
    vcpu->general[RBX] = 0xffffffff;
    assert_int_equal(interpret(vcpu, 13), STEP_DONE);
    assert_true(vcpu->efer & EFER_LMA);
    assert_int_equal(vcpu->rip, CODE + sizeof code);
    assert_int_equal(vcpu->general[RBX], 0x100000000);
    assert_int_equal(vcpu->segment[CS].flags, 0x29b);
}

static void modes_that_are_not_offered(void **state)
{
    start(0);
    vcpu->cr0 = CR0_PE;
    vcpu->efer = 0;
    vcpu->segment[CS].flags = 0xc9b;
    tlb_flush(vcpu);
    vcpu->general[RAX] = CR0_PE | CR0_PG;
    assert_int_equal(STEP(0x0f, 0x22, 0xc0), STEP_UNKNOWN);             /* mov cr0, eax */
    assert_string_equal(vcpu->reason, "paging without long mode");
    vcpu->general[RAX] = 0;
    assert_int_equal(STEP(0x0f, 0x22, 0xc0), STEP_UNKNOWN);
    assert_string_equal(vcpu->reason, "real mode");
    assert_int_equal(vcpu->cr0, CR0_PE);
    assert_int_equal(STEP(0x0f, 0x0b), STEP_SHUTDOWN);                  /* no IDT of 32 bits */
    assert_int_equal(vcpu->rip, CODE);
    /* a system descriptor has eight bytes here */
    put(vcpu, GDT + EXTRA, 0x000082000000000f | (uint64_t)DATA << 16);
    vcpu->gdtr.limit = EXTRA + 7;
    vcpu->general[RAX] = EXTRA;
    assert_int_equal(STEP(0x0f, 0x00, 0xd0), STEP_DONE);                /* lldt */
    assert_int_equal(vcpu->ldtr.base, DATA);
    vcpu->cr4 = 0;
    vcpu->efer = EFER_LME;
    vcpu->general[RAX] = CR0_PE | CR0_PG;                               /* no PAE: #GP */
    assert_int_equal(STEP(0x0f, 0x22, 0xc0), STEP_SHUTDOWN);
    assert_int_equal(vcpu->fault.vector, VECTOR_GP);
}

static void control_registers_refuse(void **state)
{
    static const struct { uint8_t modrm; uint64_t value; } bad[] = {
        { 0xc0, 1ull << 32 }, { 0xc0, CR0_PG }, { 0xc0, CR0_PE | CR0_PG | 1 << 29 },
        { 0xc0, CR0_PE },                       /* paging off in 64-bit code */
        { 0xd8, 1ull << 52 }, { 0xe0, 0 }, { 0xe0, CR4_PAE | 1 << 12 }, { 0xe0, CR4_PAE | 1 << 17 },
    };
    for (unsigned int i = 0; i < sizeof bad / sizeof *bad; i++) {
        start(0);
        vcpu->general[RAX] = bad[i].value;
        uint64_t cr0 = vcpu->cr0, cr3 = vcpu->cr3, cr4 = vcpu->cr4;
        assert_error(STEP(0x0f, 0x22, bad[i].modrm), VECTOR_GP, 0);
        assert_true(cr0 == vcpu->cr0 && cr3 == vcpu->cr3 && cr4 == vcpu->cr4);
    }
    assert_exception(STEP(0x0f, 0x20, 0xc8), VECTOR_UD);                /* cr1 */
    start(0);
    vcpu->general[RAX] = CR4_PAE | CR4_TSD;
    assert_int_equal(STEP(0x0f, 0x22, 0xe0), STEP_DONE);
    assert_int_equal(machine.invalidations, 1);
    vcpu->general[RAX] = vcpu->cr0 & ~CR0_WP;
    assert_int_equal(STEP(0x0f, 0x22, 0xc0), STEP_DONE);
    assert_int_equal(machine.invalidations, 2);
}

static void model_specific_registers(void **state)
{
    start(0);
    vcpu->general[RCX] = 0xc0000080;
    vcpu->general[RDX] = 0;
    vcpu->general[RAX] = EFER_SCE | EFER_NXE;                           /* LME off with paging */
    assert_error(STEP(0x0f, 0x30), VECTOR_GP, 0);
    vcpu->general[RAX] = EFER_SCE | EFER_LME;
    assert_int_equal(STEP(0x0f, 0x30), STEP_DONE);
    assert_int_equal(vcpu->efer, EFER_SCE | EFER_LME | EFER_LMA);
    vcpu->general[RCX] = 0xc0000101;
    vcpu->general[RDX] = 0x8000;                                        /* not canonical */
    assert_error(STEP(0x0f, 0x30), VECTOR_GP, 0);
    vcpu->general[RDX] = 0xffff8000;
    assert_int_equal(STEP(0x0f, 0x30), STEP_DONE);
    assert_int_equal(vcpu->segment[GS].base >> 32, 0xffff8000);
    vcpu->general[RCX] = 0x10;
    vcpu->general[RAX] = vcpu->general[RDX] = 1;
    assert_int_equal(STEP(0x0f, 0x30), STEP_DONE);
    assert_int_equal(STEP(0x0f, 0x31), STEP_DONE);                      /* rdtsc */
    assert_int_equal(vcpu->general[RDX], 1);
    assert_in_range(vcpu->general[RAX], 2, 1000);
    vcpu->cr4 |= CR4_TSD;
    vcpu->cpl = 3;
    assert_error(STEP(0x0f, 0x31), VECTOR_GP, 0);
}

/* --- segments --------------------------------------------------------------------------------- */

static void data_segments_load(void **state)
{
    static const struct {
        uint64_t descriptor;
        unsigned int cpl, which, rpl, vector;   /* vector 0: loaded */
    } cases[] = {
        { 0x0000f20000000000, 3, DS, 3, 0 },
        { 0x0000f20000000000, 0, DS, 3, 0 },
        { 0x0000920000000000, 3, DS, 0, VECTOR_GP },    /* more privileged */
        { 0x0000920000000000, 0, DS, 3, VECTOR_GP },    /* by RPL */
        { 0x0000720000000000, 3, ES, 3, VECTOR_NP },
        { 0x0000f80000000000, 3, ES, 3, VECTOR_GP },    /* code that cannot be read */
        { 0x0000fa0000000000, 3, ES, 3, 0 },            /* code that can */
        { 0x00009e0000000000, 3, FS, 3, 0 },            /* conforming code */
        { 0x0000f20000000000, 3, SS, 3, 0 },
        { 0x0000f20000000000, 3, SS, 0, VECTOR_GP },    /* RPL is not CPL */
        { 0x0000f00000000000, 3, SS, 3, VECTOR_GP },    /* not writable */
        { 0x0000720000000000, 3, SS, 3, VECTOR_SS },
        { 0x0000890000000000, 0, DS, 0, VECTOR_GP },    /* a TSS */
    };
    for (unsigned int i = 0; i < sizeof cases / sizeof *cases; i++) {
        start(cases[i].cpl);
        put(vcpu, GDT + EXTRA, cases[i].descriptor);
        uint16_t before = vcpu->segment[cases[i].which].selector;
        vcpu->general[RAX] = EXTRA | cases[i].rpl;
        enum step step = STEP(0x8e, 0xc0 | cases[i].which << 3);
        if (cases[i].vector) {
            assert_error(step, cases[i].vector, EXTRA);
            if (cases[i].which != SS)
                assert_int_equal(vcpu->segment[cases[i].which].selector, before);
            continue;
        }
        assert_int_equal(step, STEP_DONE);
        assert_int_equal(vcpu->segment[cases[i].which].selector, EXTRA | cases[i].rpl);
        assert_true(get(vcpu, GDT + EXTRA) & 1ull << 40);               /* accessed */
    }
    start(3);
    vcpu->general[RAX] = 0;
    assert_int_equal(STEP(0x8e, 0xd8), STEP_DONE);                      /* a null DS */
    assert_error(STEP(0x8e, 0xd0), VECTOR_GP, 0);                       /* SS */
    start(0);
    vcpu->general[RAX] = 0;
    assert_int_equal(STEP(0x8e, 0xd0), STEP_DONE);                      /* is good for level 0 */
    vcpu->general[RAX] = 0x40;
    assert_error(STEP(0x8e, 0xd8), VECTOR_GP, 0x40);                    /* after the table */
    assert_exception(STEP(0x8e, 0xc8), VECTOR_UD);                      /* CS */
    vcpu->general[RAX] = 0x0c;
    assert_error(STEP(0x8e, 0xd8), VECTOR_GP, 0x0c);                    /* there is no LDT */
}

static void system_segments(void **state)
{
    start(0);
    put(vcpu, GDT + EXTRA - 16, 0x0000890000000067 | (uint64_t)0x1234 << 16);
    put(vcpu, GDT + EXTRA - 8, 0xffff8000);
    vcpu->general[RAX] = EXTRA - 16;
    assert_int_equal(STEP(0x0f, 0x00, 0xd8), STEP_DONE);                /* ltr */
    assert_int_equal(vcpu->tr.base, 0xffff800000001234);
    assert_int_equal(get(vcpu, GDT + EXTRA - 16) >> 40 & 0xf, 0xb);     /* busy */
    assert_error(STEP(0x0f, 0x00, 0xd8), VECTOR_GP, EXTRA - 16);        /* so not again */
    assert_int_equal(STEP(0x0f, 0x00, 0xc9), STEP_DONE);                /* str ecx */
    assert_int_equal(vcpu->general[RCX], EXTRA - 16);
    put(vcpu, GDT + EXTRA - 16, 0x000082000000000f | (uint64_t)DATA << 16);
    put(vcpu, GDT + EXTRA - 8, 0);
    vcpu->general[RAX] = EXTRA - 16;
    assert_int_equal(STEP(0x0f, 0x00, 0xd0), STEP_DONE);                /* lldt */
    put(vcpu, DATA + 8, 0x0000920000000000);
    vcpu->general[RAX] = 0x0c;
    assert_int_equal(STEP(0x8e, 0xd8), STEP_DONE);                      /* from the LDT */
    vcpu->general[RAX] = 0;
    assert_int_equal(STEP(0x0f, 0x00, 0xd0), STEP_DONE);
    assert_int_equal(vcpu->ldtr.flags, 0);
}

static void questions_about_selectors(void **state)
{
    static const struct {
        uint64_t descriptor;
        unsigned int cpl, zf;           /* bits: lar, lsl, verr, verw */
    } cases[] = {
        { 0x00c0f2000000ffff, 3, 15 }, { 0x00c0f0000000ffff, 3, 7 },
        { 0x00c092000000ffff, 3, 0 }, { 0x00c0fa000000ffff, 3, 7 },
        { 0x00c0f8000000ffff, 3, 3 }, { 0x00c09e000000ffff, 3, 7 },
        { 0x0000e90000000067, 3, 3 }, { 0x0000ec0000000067, 3, 1 }, { 0x0000ee0000000067, 3, 0 },
    };
    for (unsigned int i = 0; i < sizeof cases / sizeof *cases; i++) {
        start(cases[i].cpl);
        vcpu->gdtr.limit = EXTRA + 15;
        put(vcpu, GDT + EXTRA, cases[i].descriptor);
        vcpu->general[RBX] = EXTRA | cases[i].cpl;
        unsigned int zf = 0;
        assert_int_equal(STEP(0x0f, 0x02, 0xc3), STEP_DONE);            /* lar eax, ebx */
        zf |= vcpu->rflags & FLAG_ZF ? 1 : 0;
        if (cases[i].zf & 1)
            assert_int_equal(vcpu->general[RAX], cases[i].descriptor >> 32 & 0xf0ff00);
        assert_int_equal(STEP(0x0f, 0x03, 0xc3), STEP_DONE);            /* lsl */
        zf |= vcpu->rflags & FLAG_ZF ? 2 : 0;
        if (cases[i].zf & 2)
            assert_int_equal(vcpu->general[RAX], cases[i].descriptor >> 55 & 1 ? 0xfffffff : 0x67);
        assert_int_equal(STEP(0x0f, 0x00, 0xe3), STEP_DONE);            /* verr */
        zf |= vcpu->rflags & FLAG_ZF ? 4 : 0;
        assert_int_equal(STEP(0x0f, 0x00, 0xeb), STEP_DONE);            /* verw */
        zf |= vcpu->rflags & FLAG_ZF ? 8 : 0;
        assert_int_equal(zf, cases[i].zf);
    }
    vcpu->general[RBX] = 0x1000;                                        /* outside: no fault */
    vcpu->rflags |= FLAG_ZF;
    assert_int_equal(STEP(0x0f, 0x03, 0xc3), STEP_DONE);
    assert_false(vcpu->rflags & FLAG_ZF);
}

static void descriptor_tables(void **state)
{
    start(0);
    vcpu->general[RBX] = DATA;
    assert_int_equal(STEP(0x0f, 0x01, 0x03), STEP_DONE);                /* sgdt [rbx] */
    assert_int_equal(get(vcpu, DATA) & 0xffff, 63);
    assert_int_equal(get(vcpu, DATA + 2), GDT);
    put(vcpu, DATA, 0x1234 | (uint64_t)0xffff << 16);
    put(vcpu, DATA + 8, 0);
    assert_int_equal(STEP(0x0f, 0x01, 0x1b), STEP_DONE);                /* lidt [rbx] */
    assert_int_equal(vcpu->idtr.limit, 0x1234);
    assert_int_equal(vcpu->idtr.base, 0xffff);
    vcpu->idtr = (struct descriptor_table){ IDT, 4095 };
    put(vcpu, DATA + 8, 0xffff);                                        /* not canonical */
    assert_error(STEP(0x0f, 0x01, 0x1b), VECTOR_GP, 0);
}

static void far_transfers(void **state)
{
    start(0);                           /* lretq to the kernel's own code segment, as kernels do */
    put(vcpu, STACK - 16, 0x1234);
    put(vcpu, STACK - 8, KERNEL_CODE);
    vcpu->general[RSP] = STACK - 16;
    assert_int_equal(STEP(0x48, 0xcb), STEP_DONE);
    assert_int_equal(vcpu->rip, 0x1234);
    assert_int_equal(vcpu->general[RSP], STACK);
    put(vcpu, DATA, 0x4321);                                            /* call far [rbx] */
    put(vcpu, DATA + 8, KERNEL_CODE);
    vcpu->general[RBX] = DATA;
    assert_int_equal(STEP(0x48, 0xff, 0x1b), STEP_DONE);
    assert_int_equal(vcpu->rip, 0x4321);
    assert_int_equal(get(vcpu, STACK - 16), CODE + 3);
    assert_int_equal(get(vcpu, STACK - 8), KERNEL_CODE);
    put(vcpu, DATA + 8, USER_CODE);                                     /* no jump outwards */
    assert_error(STEP(0x48, 0xff, 0x2b), VECTOR_GP, USER_CODE & ~3);
    put(vcpu, DATA + 8, TASK);
    assert_int_equal(STEP(0x48, 0xff, 0x2b), STEP_UNKNOWN);
    /* outwards goes a return, with the stack; to 32-bit code */
    start(0);
    const uint64_t words[] = { 0x1234, USER_CODE_32, 0x5678, USER_DATA };
    for (unsigned int i = 0; i < 4; i++)
        put(vcpu, DATA + 8 * i, words[i]);
    vcpu->general[RSP] = DATA;
    assert_int_equal(STEP(0x48, 0xcb), STEP_DONE);
    assert_int_equal(vcpu->cpl, 3);
    assert_int_equal(code_size(vcpu), CODE_32);
    assert_int_equal(vcpu->general[RSP], 0x5678);
    vcpu->general[RAX] = ~0ull;
    assert_int_equal(STEP(0x40), STEP_DONE);                            /* inc eax */
    assert_int_equal(vcpu->general[RAX], 0);
    vcpu->segment[ES] = (struct segment){ 0 };
    assert_error(STEP(0x26, 0x8a, 0x03), VECTOR_GP, 0);                 /* es: a null segment */
    assert_int_equal(get(vcpu, KERNEL_STACK - 32), USER_CODE_32);
}

static void limits_of_32_bit_segments(void **state)
{
    static const struct { uint64_t address; bool write, allowed; } cases[] = {
        { 0xffc, true, true }, { 0xffd, false, false }, { 0xffffffff, false, false },
    };
    for (unsigned int i = 0; i < 3; i++) {
        start(3);
        vcpu->segment[CS].flags = 0xcfb;
        vcpu->segment[DS] = (struct segment){ USER_DATA, 0x4f3, 0xfff, DATA };
        vcpu->general[RBX] = cases[i].address;
        enum step step = STEP(cases[i].write ? 0x89 : 0x8b, 0x03);
        if (cases[i].allowed)
            assert_int_equal(step, STEP_DONE);
        else
            assert_error(step, VECTOR_GP, 0);
    }
    start(3);
    vcpu->segment[CS].flags = 0xcfb;
    vcpu->segment[DS].flags = 0x4f1;                                    /* not writable */
    vcpu->general[RBX] = DATA;
    assert_int_equal(STEP(0x8b, 0x03), STEP_DONE);
    assert_error(STEP(0x89, 0x03), VECTOR_GP, 0);
}

/* --- ports ------------------------------------------------------------------------------------ */

static void ports_by_iopl_and_map(void **state)
{
    start(3);
    vcpu->rflags |= FLAG_IOPL;
    vcpu->general[RDX] = 0x3f8;
    assert_int_equal(STEP(0xec), STEP_DONE);
    assert_int_equal(vcpu->general[RAX] & 0xff, 0xf8);
    vcpu->rflags &= ~(uint64_t)FLAG_IOPL;
    vcpu->tr.limit = 0x68 + 0x80;                                       /* ports 0 to 0x3ff */
    vcpu->general[RDX] = 0x3f8;
    assert_int_equal(STEP(0xec), STEP_DONE);
    machine.memory[TSS + 0x68 + 0x7f] = 0x10;                           /* not 0x3fc */
    assert_int_equal(STEP(0xed), STEP_DONE);                            /* 0x3f8 to 0x3fb */
    vcpu->general[RDX] = 0x3f9;
    assert_error(STEP(0xed), VECTOR_GP, 0);
    vcpu->cpl = 3;
    vcpu->segment[CS].selector = USER_CODE;
    vcpu->general[RDX] = 0x400;                                         /* behind the map */
    assert_error(STEP(0xec), VECTOR_GP, 0);
}

/* --- strings ---------------------------------------------------------------------------------- */

static void repeated_stores_stop_at_a_fault(void **state)
{
    start(0);
    vcpu->general[RDI] = SIZE - 8;                  /* then there is no memory: stores to nothing */
    vcpu->general[RCX] = 20;
    put(vcpu, PDPT + 8 * 5, 0x20000 | 7);
    put(vcpu, 0x20000, 0x21000 | 7);
    put(vcpu, 0x21000, DATA | 3);                   /* one page, and no more */
    vcpu->general[RDI] = (5ull << 30) + 4096 - 8;
    vcpu->general[RAX] = 0x5a;
    memcpy(machine.memory + CODE, (uint8_t[]){ 0xf3, 0xaa }, 2);        /* rep stosb */
    for (unsigned int i = 0; i < 20 && vcpu->cr2 == 0; i++)
        interpret_one(vcpu);
    assert_error(STEP_EXCEPTION, VECTOR_PF, 2);
    assert_int_equal(vcpu->cr2, (5ull << 30) + 4096);
    assert_int_equal(vcpu->general[RCX], 12);
    assert_int_equal(vcpu->general[RDI], (5ull << 30) + 4096);
    assert_int_equal(get(vcpu, DATA + 4088), 0x5a5a5a5a5a5a5a5a);
    assert_int_equal(get(vcpu, vcpu->general[RSP] + 8), CODE);
}

/* However many there are, a step ends, and an interrupt comes in between. */
static void repetition_is_bounded(void **state)
{
    start(0);
    vcpu->rflags |= FLAG_IF;
    vcpu->general[RCX] = ~0ull;
    vcpu->general[RDI] = DATA;
    assert_int_equal(STEP(0xf3, 0xaa), STEP_DONE);
    assert_int_equal(interpret_one(vcpu), STEP_DONE);
    assert_int_equal(vcpu->rip, CODE);
    assert_in_range(vcpu->instructions, 4000, 4200);
    assert_int_equal(vcpu->general[RCX], ~0ull - vcpu->instructions);
    vcpu->interrupt_pending = true;
    assert_int_equal(interpret(vcpu, 1000000), STEP_INTERRUPT);
    assert_int_equal(vcpu->rip, CODE);
    vcpu->interrupt_pending = false;
    vcpu->general[RSI] = DATA;
    vcpu->general[RDI] = DATA;
    assert_int_equal(STEP(0xf3, 0xa6), STEP_DONE);                      /* repe cmpsb: one */
    assert_int_equal(vcpu->rip, CODE);
}

/* Overlapping moves go item by item, at once as one by one. */
static void overlapping_moves(void **state)
{
    start(0);
    machine.memory[DATA] = 0xab;
    vcpu->general[RSI] = DATA;
    vcpu->general[RDI] = DATA + 1;
    vcpu->general[RCX] = 9;
    while (vcpu->rip == CODE)
        assert_int_equal(STEP(0xf3, 0xa4), STEP_DONE);                  /* rep movsb */
    assert_int_equal(get(vcpu, DATA), 0xabababababababab);
    assert_int_equal(machine.memory[DATA + 9], 0xab);
    assert_int_equal(machine.memory[DATA + 10], 0);
}

static void fpu_images_are_kept(void **state)
{
    start(0);
    vcpu->general[RBX] = DATA + 16;
    assert_int_equal(STEP(0x0f, 0xae, 0x03), STEP_DONE);                /* fxsave [rbx] */
    assert_int_equal(get(vcpu, DATA + 16) & 0xffff, 0x37f);
    put(vcpu, DATA + 520, 0x77);
    assert_int_equal(STEP(0x0f, 0xae, 0x0b), STEP_DONE);                /* fxrstor */
    put(vcpu, DATA + 520, 0);
    assert_int_equal(STEP(0x0f, 0xae, 0x03), STEP_DONE);
    assert_int_equal(get(vcpu, DATA + 520), 0x77);
    vcpu->general[RBX] = DATA + 24;
    assert_error(STEP(0x0f, 0xae, 0x03), VECTOR_GP, 0);
    vcpu->cr0 |= CR0_TS;
    assert_exception(STEP(0x0f, 0xae, 0x03), VECTOR_NM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_32_bit_code_to_long_mode),
        cmocka_unit_test(modes_that_are_not_offered),
        cmocka_unit_test(control_registers_refuse),
        cmocka_unit_test(model_specific_registers),
        cmocka_unit_test(data_segments_load),
        cmocka_unit_test(system_segments),
        cmocka_unit_test(questions_about_selectors),
        cmocka_unit_test(descriptor_tables),
        cmocka_unit_test(far_transfers),
        cmocka_unit_test(limits_of_32_bit_segments),
        cmocka_unit_test(ports_by_iopl_and_map),
        cmocka_unit_test(repeated_stores_stop_at_a_fault),
        cmocka_unit_test(repetition_is_bounded),
        cmocka_unit_test(overlapping_moves),
        cmocka_unit_test(fpu_images_are_kept),
    };
    return cmocka_run_group_tests_name("interpret_system", tests, NULL, end);
}
