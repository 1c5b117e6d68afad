/* SPDX-License-Identifier: MIT */
/*
 * The end of a machine of several CPUs: all are called, each tells where it was when it is its
 * turn, however early or late it comes, and who does not answer is named. The others run where the
 * one that asks waits: in cpu_relax.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <asm/prctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail                                     /* the hypervisor has one, too */
#include "machine/acpi.h"
#include "cpu_alarm.h"
#include "machine/apic.h"
#include "machine/cpu.h"
#include "machine/dump.h"
#include "machine/stop.h"
#include "machine/system_time.h"
#include "lib/printk.h"
#include "steps_host.h"

#define CPUS     4u
#define HERE     1u
#define KHZ      1000ul
#define PATIENCE (5 * KHZ * 1000)               /* ticks */

struct cpu *cpus[MAX_CPUS];
uint32_t cpus_online;
static struct cpu cpu[CPUS];
static uint64_t tsc;
static jmp_buf away;                            /* from a CPU that waits or has halted */
static enum { CALLED = 1, HALTED } state_of[CPUS];
static uint32_t deaf;                           /* these do not answer, a bit each */
static bool in_guest[CPUS];

static void be(struct cpu *c)
{
    c->self = c;
    syscall(SYS_arch_prctl, ARCH_SET_GS, c);
}

uint64_t tsc_khz(void)
{
    return KHZ;
}
uint64_t rdtsc(void)
{
    return tsc;
}
uint64_t now_ns(void)
{
    return tsc * (1000000 / KHZ);
}
uint64_t read_cr3(void)
{
    return 0x1000 * this_cpu()->id;
}
void lapic_send_nmi(uint32_t apic_id)
{
    assert_true(machine_stopping());            /* who finds it set knows what the NMI is for */
    step("nmi %u. ", apic_id);
    state_of[apic_id / 10] = CALLED;
}
void machine_halt(void)
{
    state_of[this_cpu()->id] = HALTED;
    longjmp(away, 1);
}
void print_registers(const struct cpu_user_regs *regs, uint64_t cr3)
{
    step("registers %lx %lx. ", regs->rip, cr3);
}
void print_stack_trace(uint64_t rip, uint64_t frame_pointer)
{
    step("trace %lx %lx. ", rip, frame_pointer);
}
void printk_at(int level, const char *format, ...)
{
    char line[200];
    va_list arguments;

    assert_int_equal(level, LOG_ERROR);
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    step("%s. ", line);
}

/* One after the other looks whether it is its turn: the last first. */
void cpu_relax(void)
{
    if (this_cpu() != &cpu[HERE])
        longjmp(away, 1);
    tsc += PATIENCE / 100;
    for (volatile unsigned int i = CPUS; i-- > 0;) {
        struct cpu_user_regs regs = { .cs = in_guest[i] ? 0xe033 : 0xe008, .rip = 0x100 + i,
                                      .rbp = 0x200 + i };

        if (state_of[i] != CALLED || (deaf >> i & 1))
            continue;
        be(&cpu[i]);
        if (setjmp(away) == 0)
            cpu_stopped(&regs);
        be(&cpu[HERE]);
    }
}

static void stop_here(uint32_t online)
{
    cpus_online = online;
    for (unsigned int i = 0; i < CPUS; i++) {
        cpu[i].id = i;
        cpu[i].apic_id = 10 * i;
        cpus[i] = &cpu[i];
    }
    be(&cpu[HERE]);
    assert_false(machine_stopping());
    cpus_stop();
    for (unsigned int i = 0; i < CPUS; i++)
        if (state_of[i])
            step("%s", state_of[i] == HALTED ? "H" : "-");
}

/* A machine stops once: in a process of its own. How long it took. */
static uint64_t stops(uint32_t online)
{
    struct { uint64_t ticks; char steps[sizeof(steps)]; } *heard =
        mmap(NULL, sizeof(*heard), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t ticks;
    int status;

    if (fork() == 0) {
        stop_here(online);
        heard->ticks = tsc;
        strcpy(heard->steps, steps);
        _exit(0);
    }
    wait(&status);
    assert_int_equal(status, 0);
    strcpy(steps, heard->steps);
    ticks = heard->ticks;
    munmap(heard, sizeof(*heard));
    return ticks;
}

static void all_answer(void **state)
{
    in_guest[0] = in_guest[3] = true;
    assert_true(stops(CPUS) < PATIENCE);
    done("nmi 0. nmi 20. nmi 30. CPU 0 was in a guest. registers 100 0. "
         "CPU 2 was in the hypervisor. registers 102 2000. trace 102 202. "
         "CPU 3 was in a guest. registers 103 3000. HHH");
}

static void one_does_not(void **state)
{
    uint64_t ticks;

    deaf = 1u << 2;
    ticks = stops(CPUS);
    done("nmi 0. nmi 20. nmi 30. CPU 0 was in a guest. registers 100 0. "
         "CPU 2 (APIC 20) does not answer. CPU 3 was in a guest. registers 103 3000. H-H");
    assert_true(ticks >= PATIENCE && ticks < PATIENCE + PATIENCE / 10);
    deaf = ~0u;
    stops(CPUS);
    done("nmi 0. nmi 20. nmi 30. CPU 0 (APIC 0) does not answer. CPU 2 (APIC 20) does not answer. "
         "CPU 3 (APIC 30) does not answer. ---");
    deaf = 0;
}

static void there_are_no_others(void **state)
{
    stops(2);
    done("nmi 0. CPU 0 was in a guest. registers 100 0. H");
    stops(0);                                   /* before the first was counted */
    done("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_answer),
        cmocka_unit_test(one_does_not),
        cmocka_unit_test(there_are_no_others),
    };

    cpu_alarm(60);                              /* for ever is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
