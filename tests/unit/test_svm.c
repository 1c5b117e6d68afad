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
    assert_int_equal(vmcb.interrupts, VMCB_VIRTUAL_MASKING);
    assert_int_equal(vmcb.pat, 0x0606060606060606);
    assert_int_equal(vmcb.efer, 0x1500);
    assert_int_equal(vmcb.cr4, 0x60);
    assert_int_equal(vmcb.cr0, 0x80000011);
    assert_int_equal(vmcb.rflags, 2);
    assert_int_equal(vmcb.dr7, 0x400);
    assert_int_equal(vmcb.dr6, 0xffff0ff0);
    assert_int_equal(vmcb.port_map | vmcb.msr_map | vmcb.nested_cr3, 0);    /* svm.c's */
    run.wishes = DOMUS_RUN_WINDOW;
    run_to_vmcb(&run, &vmcb);
    assert_int_equal(vmcb.interrupts,
                     VMCB_VIRTUAL_MASKING | VMCB_VIRTUAL_PENDING | VMCB_VIRTUAL_ALWAYS);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(exits_there_are, set_up),
        cmocka_unit_test_setup(what_is_ours_to_say, set_up),
        cmocka_unit_test_setup(one_privilege_level, set_up),
        cmocka_unit_test_setup(what_comes_back, set_up),
        cmocka_unit_test_setup(nothing_of_what_is_invalid, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
