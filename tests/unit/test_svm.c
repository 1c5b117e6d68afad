/* SPDX-License-Identifier: MIT */
/*
 * What a guest's processor gets whatever the guest says: which exits there are (those too that no
 * machine of ours can show), memory types, its translations flushed, what the CPU needs in CR4 and
 * EFER; and that what comes back is the processor's, not ours. tests/guests/svm sees the rest on a
 * CPU.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#undef fail                                     /* the hypervisor has one, too */
#include "svm/vmcb.h"
#include "fail_host.h"

/* Numbers of exits, which are those of the bits from 0x60 on (appendix C). */
static const uint8_t wanted[] = {
    0x60, 0x61, 0x62, 0x63, 0x64,               /* INTR NMI SMI INIT VINTR */
    0x6f, 0x72, 0x73, 0x76,                     /* RDPMC CPUID RSM INVD */
    0x78, 0x7a, 0x7b, 0x7c, 0x7d, 0x7e, 0x7f,   /* HLT INVLPGA IOIO MSR TASK FERR SHUTDOWN */
    0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86,   /* VMRUN VMMCALL VMLOAD VMSAVE STGI CLGI SKINIT */
    0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x8e,   /* ICEBP WBINVD MONITOR MWAIT (2) XSETBV RDPRU */
};

static struct domus_run run;
static struct vmcb vmcb;

static int set_up(void **state)
{
    memset(&run, 0, sizeof(run));
    memset(&vmcb, 0, sizeof(vmcb));
    run = (struct domus_run){ .cr0 = 0x80000001, .cr4 = 0x20, .efer = 0x500, .rip = 0x1000 };
    return 0;
}

static void exits_there_are(void **state)
{
    uint64_t bits = 0;

    for (unsigned int i = 0; i < sizeof(wanted); i++)
        bits |= 1ul << (wanted[i] - 0x60);
    run_to_vmcb(&run, &vmcb);
    assert_int_equal(vmcb.intercepts | (uint64_t)vmcb.more_intercepts << 32, bits);
    assert_int_equal(vmcb.exceptions, 1u << 1 | 1u << 17 | 1u << 18);
    assert_int_equal(vmcb.read_cr, 0xffff & ~(1 << 0 | 1 << 2 | 1 << 3));
    assert_int_equal(vmcb.write_cr, 0xffff & ~(1 << 2 | 1 << 3));
    assert_int_equal(vmcb.read_dr & vmcb.write_dr, 0xffff);
}

static void what_is_ours_to_say(void **state)
{
    assert_int_equal(run_check(&run), 0);
    run_to_vmcb(&run, &vmcb);
    assert_int_equal(vmcb.asid, 1);
    assert_int_equal(vmcb.tlb_control, 1);
    assert_int_equal(vmcb.nested, 1);
    assert_int_equal(vmcb.interrupts, 1ul << 24);
    assert_int_equal(vmcb.pat, 0x0606060606060606);
    assert_int_equal(vmcb.efer, 0x1500);
    assert_int_equal(vmcb.cr4, 0x60);
    assert_int_equal(vmcb.cr0, 0x80000011);
    assert_int_equal(vmcb.rflags, 2);
    assert_int_equal(vmcb.dr7, 0x400);
    assert_int_equal(vmcb.dr6, 0xffff0ff0);
    assert_int_equal(vmcb.port_map | vmcb.msr_map | vmcb.nested_cr3, 0);    /* svm.c's */
    run.wishes = ~DOMUS_RUN_WINDOW;                     /* which run_check refuses */
    run_to_vmcb(&run, &vmcb);
    assert_int_equal(vmcb.interrupts, 1ul << 24);
    run.wishes = DOMUS_RUN_WINDOW;
    run_to_vmcb(&run, &vmcb);
    assert_int_equal(vmcb.interrupts, 1ul << 24 | 1ul << 20 | 1ul << 8);
}

/* The level goes in from SS, and comes back there. */
static void one_privilege_level(void **state)
{
    run.segment[DOMUS_RUN_SS].flags = 0xcf3;
    run_to_vmcb(&run, &vmcb);
    assert_int_equal(vmcb.cpl, 3);
    vmcb.cpl = 0;
    run_from_vmcb(&run, &vmcb);
    assert_int_equal(run.segment[DOMUS_RUN_SS].flags, 0xc93);
}

static void what_comes_back(void **state)
{
    run_to_vmcb(&run, &vmcb);
    vmcb.exit = 0x400;
    vmcb.info[0] = 0x100000006;
    vmcb.info[1] = 0x123456;
    vmcb.interrupted = 0x80000b0e | 2ul << 32;
    vmcb.shadow = 3;
    vmcb.cr2 = 0x777;
    run.inject = 0x80000030;
    run_from_vmcb(&run, &vmcb);
    assert_int_equal(run.exit, DOMUS_EXIT_NESTED_FAULT);
    assert_int_equal(run.info[0], 0x100000006);
    assert_int_equal(run.info[1], 0x123456);
    assert_int_equal(run.interrupted, 0x280000b0e);
    assert_int_equal(run.inject, 0);
    assert_int_equal(run.shadow, 1);
    assert_int_equal(run.cr2, 0x777);
    assert_int_equal(run.cr4, 0x20);                    /* as the guest has it */
    assert_int_equal(run.efer, 0x500);
    for (vmcb.exit = 0x60; vmcb.exit < 0x65; vmcb.exit++) {     /* NMI, SMI, INIT: one thing */
        run_from_vmcb(&run, &vmcb);
        assert_int_equal(run.exit, vmcb.exit == 0x64 ? 0x64 : DOMUS_EXIT_INTERRUPT);
    }
    vmcb.interrupted = 0x30;                            /* not valid */
    run_from_vmcb(&run, &vmcb);
    assert_int_equal(run.interrupted, 0);
}

/* Of what is invalid the block has who knows what. */
static void nothing_of_what_is_invalid(void **state)
{
    struct domus_run before;

    run_to_vmcb(&run, &vmcb);
    before = run;
    memset(&vmcb, 0xee, sizeof(vmcb));
    vmcb.exit = ~0ul;
    run_from_vmcb(&run, &vmcb);
    before.exit = DOMUS_EXIT_INVALID;
    assert_memory_equal(&before, &run, sizeof(run));
}

/* --- what no processor may have --------------------------------------------------------------- */

#define EACH_BIT(field, may)                                                                      \
    for (unsigned int bit = 0; bit < 8 * sizeof(run.field); bit++) {                              \
        set_up(NULL);                                                                             \
        run.field |= (typeof(run.field))1 << bit;                                                 \
        assert_int_equal(run_check(&run), (may) >> bit & 1 ? 0 : -EINVAL);                        \
    }

static void bits_there_are(void **state)
{
    EACH_BIT(cr0, 1ul << 31 | 1ul << 18 | 1ul << 16 | 0x3f);
    EACH_BIT(cr4, 1ul << 21 | 1ul << 20 | 1ul << 16 | 0xfff);
    EACH_BIT(efer, 1ul << 11 | 1ul << 10 | 1ul << 8 | 1);
    EACH_BIT(rflags, 1ul << 21 | 1ul << 18 | 1ul << 16 | 0x7fd7);
    EACH_BIT(wishes, 1ul);
    EACH_BIT(shadow, 1ul);
}

static void modes_there_are(void **state)
{
    static const struct { uint64_t cr0, efer, cr4; bool ok; } modes[] = {
        { 0, 0, 0, true },              { 1, 0, 0, true },          { 0x80000000, 0, 0, false },
        { 0x80000002, 0, 0, false },
        { 0x80000001, 0, 0, true },     { 0x80000001, 0, 0x20, true },
        { 1, 0x100, 0x20, true },       { 1, 0x100, 0, false },     { 1, 0x500, 0x20, false },
        { 1, 0x400, 0x20, false },      { 0x80000001, 0x100, 0x20, false },
        { 0x80000001, 0x400, 0x20, false },
        { 0x80000001, 0x500, 0x20, true },      { 0x80000001, 0x500, 0, false },
    };

    for (unsigned int i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        run.cr0 = modes[i].cr0;
        run.efer = modes[i].efer;
        run.cr4 = modes[i].cr4;
        assert_int_equal(run_check(&run), modes[i].ok ? 0 : -EINVAL);
    }
}

static void addresses_there_are(void **state)
{
    uint64_t *const of[] = {
        &run.rip, &run.lstar, &run.cstar, &run.kernel_gs_base, &run.ldtr.base, &run.tr.base,
        &run.gdtr.base, &run.idtr.base, &run.segment[0].base, &run.segment[1].base,
        &run.segment[2].base, &run.segment[3].base, &run.segment[4].base, &run.segment[5].base,
    };

    for (unsigned int i = 0; i < sizeof(of) / sizeof(*of); i++) {
        *of[i] = 1ul << 47;
        assert_int_equal(run_check(&run), -EINVAL);
        *of[i] = ~0ul << 47;
        assert_int_equal(run_check(&run), 0);
        *of[i] = (1ul << 47) - 1;
        assert_int_equal(run_check(&run), 0);
    }
}

/* Interrupts have no error code and no exception's number; exceptions have one where the manual
 * says so (volume 2, table 8-1). An NMI, and what a program asks for, are not to be injected. */
static void events_there_are(void **state)
{
    for (unsigned int vector = 0; vector < 256; vector++)
        for (unsigned int kind = 0; kind < 8; kind++)
            for (unsigned int error = 0; error < 2; error++) {
                bool has = vector == 8 || vector == 17 || (vector >= 10 && vector <= 14),
                     ok = kind == 0 ? vector >= 16 && !error
                                    : kind == 3 && vector < 31 && vector != 2 && error == has;

                run.inject = 0x80000000 | error << 11 | kind << 8 | vector;
                assert_int_equal(run_check(&run), ok ? 0 : -EINVAL);
                run.inject |= 0xffffffffull << 32;      /* the error code */
                assert_int_equal(run_check(&run), ok ? 0 : -EINVAL);
                run.inject &= ~0x80000000ull;
                assert_int_equal(run_check(&run), -EINVAL);
            }
    for (unsigned int bit = 12; bit < 31; bit++) {
        run.inject = 0x80000030 | 1u << bit;
        assert_int_equal(run_check(&run), -EINVAL);
    }
    run.inject = 0;
    assert_int_equal(run_check(&run), 0);
}

/* --- each register, there and back ------------------------------------------------------------ */

/* By its name in both. */
#define BOTH_HAVE                                                                                 \
    SAME(gdtr) SAME(ldtr) SAME(idtr) SAME(tr) SAME(cr3) SAME(cr2) SAME(rip) SAME(star)            \
    SAME(lstar) SAME(cstar) SAME(sfmask) SAME(kernel_gs_base)

static void each_register(void **state)
{
    for (size_t i = 0; i < sizeof(run); i++)
        ((uint8_t *)&run)[i] = (uint8_t)(i * 37 + i / 256);
    run.segment[DOMUS_RUN_SS].flags = 0x460;
    run_to_vmcb(&run, &vmcb);
#define SAME(name) assert_memory_equal(&vmcb.name, &run.name, sizeof(run.name));
    BOTH_HAVE
    assert_memory_equal(vmcb.segment, run.segment, sizeof(run.segment));
    assert_true(vmcb.rax == run.general[0] && vmcb.rsp == run.general[4]);
    assert_true(vmcb.rflags == (run.rflags | 2) && vmcb.cr0 == (run.cr0 | 0x10));
    assert_true(vmcb.cr4 == (run.cr4 | 0x40) && vmcb.efer == (run.efer | 0x1000));
    assert_true(vmcb.tsc_offset == run.tsc_offset && vmcb.inject == run.inject);
    assert_true(vmcb.shadow == run.shadow && vmcb.cpl == 3);
    for (size_t i = 0; i < sizeof(vmcb); i++)
        ((uint8_t *)&vmcb)[i] = (uint8_t)(i * 41 + i / 256 + 1);
    vmcb.cpl = 1;
    vmcb.exit = 0x72;
    run_from_vmcb(&run, &vmcb);
    vmcb.segment[DOMUS_RUN_SS].flags &= (uint16_t)~0x60;
    vmcb.segment[DOMUS_RUN_SS].flags |= 0x20;
    BOTH_HAVE
    assert_memory_equal(vmcb.segment, run.segment, sizeof(run.segment));
    assert_true(vmcb.rax == run.general[0] && vmcb.rsp == run.general[4]);
    assert_true(vmcb.rflags == run.rflags && vmcb.dr6 == run.dr6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(exits_there_are, set_up),
        cmocka_unit_test_setup(what_is_ours_to_say, set_up),
        cmocka_unit_test_setup(one_privilege_level, set_up),
        cmocka_unit_test_setup(what_comes_back, set_up),
        cmocka_unit_test_setup(nothing_of_what_is_invalid, set_up),
        cmocka_unit_test_setup(bits_there_are, set_up),
        cmocka_unit_test_setup(modes_there_are, set_up),
        cmocka_unit_test_setup(addresses_there_are, set_up),
        cmocka_unit_test_setup(events_there_are, set_up),
        cmocka_unit_test_setup(each_register, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
