/* SPDX-License-Identifier: MIT */
/* Whatever a guest executes, and whatever its tables say: the interpreter touches no memory but the
 * guest's (the sanitizers would tell), returns in bounded time, and leaves a processor that the
 * platform can rely on. INTERPRET_SEED and INTERPRET_CASES choose others, and more.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <unistd.h>
#include "interpret_host.h"

enum { SIZE = 0x20000, LIMIT = 300, PAGE = 4096 };

static struct host_machine machine;
static struct vcpu *vcpu;

static uint64_t word(void)
{
    return (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
}

/* Into memory, into the tables, beside them, anywhere. */
static uint64_t address(void)
{
    switch (random() % 4) {
    case 0: return (uint64_t)random() % SIZE;
    case 1: return (uint64_t)random() % SIZE | ((uint64_t)random() % 6) << 30;
    case 2: return ((uint64_t)random() % SIZE | (PAGE - 1)) - (uint64_t)random() % 8;
    default: return word();
    }
}

/* Bytes of which most are instructions that the interpreter knows. */
static void put_code(uint64_t at)
{
    static const uint8_t often[] = { 0x0f, 0x48, 0x66, 0xf3, 0xf0, 0x65, 0x8e, 0xcf, 0x01, 0x00 };
    for (uint64_t i = at; i < at + 64 && i < SIZE; i++)
        machine.memory[i] = random() % 4 ? (uint8_t)random() : often[random() % sizeof often];
}

/* Entries that point to memory, to themselves, to nowhere, with any bits. */
static void spoil_tables(void)
{
    static const uint32_t tables[] = { PML4, PDPT, GDT, IDT, TSS };
    for (unsigned int i = (unsigned int)random() % 6; i; i--) {
        uint64_t at = tables[random() % 5] + 8 * ((uint64_t)random() % 16), value = word();
        if (random() % 2)
            value = ((uint64_t)random() % SIZE & ~(uint64_t)(PAGE - 1)) | (value & 0xfff) | 1;
        put(vcpu, at, value);
    }
}

static void spoil_registers(void)
{
    for (unsigned int i = 0; i < 16; i++)
        vcpu->general[i] = address();
    vcpu->rflags = FLAG_ALWAYS |
                   (word() & (FLAGS_STATUS | FLAG_IF | FLAG_DF | FLAG_IOPL | FLAG_AC));
    if (random() % 16 == 0)
        vcpu->rflags |= FLAG_TF | FLAG_NT;
    if (random() % 8 == 0)
        vcpu->cr4 |= word() & CR4_TSD;
    if (random() % 8 == 0)
        vcpu->segment[CS].flags ^= SEGMENT_LONG | (random() % 2 ? SEGMENT_BIG : 0);
    if (random() % 8 == 0)
        vcpu->gdtr.limit = (uint16_t)random();
    if (random() % 8 == 0)
        vcpu->idtr.base = address();
    if (random() % 8 == 0)
        vcpu->tr.limit = (uint32_t)random();
}

static void assert_sane(uint64_t before)
{
    /* what one instruction repeats at once is within a page */
    assert_in_range(vcpu->instructions - before, 0, LIMIT + PAGE);
    assert_in_range(vcpu->cpl, 0, 3);
    assert_true(vcpu->rflags & FLAG_ALWAYS);
    assert_false(vcpu->rflags & FLAG_VM);
    assert_true(vcpu->cr0 & CR0_PE);
    assert_int_equal(!(vcpu->efer & EFER_LMA), !(vcpu->cr0 & CR0_PG) || !(vcpu->efer & EFER_LME));
    assert_in_range(vcpu->byte_count, 0, LONGEST_INSTRUCTION);
    for (unsigned int i = 0; i < SEGMENTS; i++)
        assert_false(vcpu->segment[i].flags >> 12);
}

static void run(void)
{
    for (unsigned int round = 0; round < 4; round++) {
        uint64_t before = vcpu->instructions;
        enum step step = interpret(vcpu, LIMIT);
        assert_sane(before);
        if (step == STEP_INTERRUPT || (step == STEP_HALTED && random() % 2))
            step = deliver_interrupt(vcpu, (uint8_t)random());
        if (step == STEP_UNKNOWN || step == STEP_SHUTDOWN)
            assert_non_null(vcpu->reason);
        if (step == STEP_UNKNOWN || step == STEP_SHUTDOWN || step == STEP_HALTED) return;
        vcpu->interrupt_pending = random() % 2;
    }
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);
    return value ? strtoull(value, NULL, 0) : otherwise;
}

static void anything(void **state)
{
    uint64_t seed = setting("INTERPRET_SEED", 7), cases = setting("INTERPRET_CASES", 20000);
    uint64_t done = 0;
    print_message("seed %lu, %lu cases\n", seed, cases);
    srandom((unsigned int)seed);
    vcpu = machine_start(&machine, &host_ops, SIZE);
    alarm(300);
    for (uint64_t i = 0; i < cases; i++) {
        void *decoded = vcpu->decoded;
        vcpu_start(vcpu, &host_ops, &machine, decoded);
        enter_long_mode(vcpu, random() % 2 ? 3 : 0);
        if (random() % 8 == 0) {
            vcpu->cr0 &= ~CR0_PG;
            vcpu->efer &= ~(EFER_LMA | EFER_LME);
        }
        machine.watched = random() % 4 ? 0 : (uint64_t)random() % SIZE & ~(uint64_t)(PAGE - 1);
        vcpu->rip = address() & (SIZE - 1);
        put_code(vcpu->rip);
        put_code(HANDLERS + 16 * VECTOR_GP);
        put_code((uint64_t)random() % SIZE);
        spoil_registers();
        spoil_tables();
        tlb_flush(vcpu);
        run();
        done += vcpu->instructions;
    }
    alarm(0);
    print_message("%lu instructions\n", done);
    assert_true(done > cases);
    machine_end(vcpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(anything) };
    return cmocka_run_group_tests_name("interpret_hostile", tests, NULL, NULL);
}
