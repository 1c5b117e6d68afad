/* SPDX-License-Identifier: MIT */
/*
 * A fuzzer with a fixed seed (seed=N and rounds=N on the command line choose others): every
 * hypercall number with numbers, pointers and structures made of values that have hurt before:
 * around page ends, powers of two, the hypervisor's half, non-canonical addresses, frames of
 * others, huge counts. The guest may be refused a million times; the machine must go on, and the
 * guest's own next sane call must work. Results are errnos or what the call may say, never more;
 * some calls succeed and most are refused; and pages of ours that no call was given stay as they
 * are. On Domus each refusal is also written down with the errno and the call that it was, once,
 * and nothing is written down for a call that did what it was asked to. Calls that would rightly
 * end or stop this very guest (shutdown, block, iret, its own trap table, closing its console) are
 * left out. Idea: XSA-212, 296 and most others: "pass wild pointers and counts to every hypercall".
 */
#include "../lib/test.h"

#include <abi/domus.h>

static uint64_t seed;
/* a page with nothing behind it: a wild count runs off its end, not into our own data */
static uint64_t *buffer;
static uint64_t *victim;                    /* a page of ours that may come to harm */
static unsigned long foreign;
static unsigned int taken, refused;

#define BYSTANDERS 16
/* pages of ours that no call names: before and behind the victim in the machine, most likely */
static uint64_t *bystander[BYSTANDERS];

static uint64_t any_value(void)
{
    uint64_t r = next_random(&seed);

    switch (r % 20) {
    case 0:  return 0;
    case 1:  return ~0UL;
    case 2:  return r >> 32 & 0xff;
    case 3:  return r >> 32 & 0xffff;
    case 4:  return 1UL << (r >> 40 & 63);
    case 5:  return (1UL << (r >> 40 & 63)) - 1;
    case 6:  return 0xffff800000000000UL + (r & 0x7fffffffff8UL);
    case 7:  return 0x800000000000UL + (r >> 20);
    case 8:  return (unsigned long)buffer + 4096 - (r >> 32 & 63);
    case 9:  return (unsigned long)buffer;
    case 10: return (unsigned long)&buffer[r >> 32 & 255];
    case 11: return virt_to_mfn(victim);
    case 12: return (uint64_t)virt_to_mfn(victim) << PAGE_SHIFT | (r >> 32 & 0xfff);
    case 13: return foreign;
    case 14: return (uint64_t)foreign << PAGE_SHIFT | (r >> 32 & 0xfff);
    case 15: return DOMID_SELF;
    case 16: return 0x7ff0 + (r >> 32 & 15);
    case 17: return (unsigned long)victim;
    case 18: return r >> 32 & 7;
    default: return r;
    }
}

/*
 * A number that happens to name one of our own frames, but the victim's, might have us clear our
 * own stack: that would say nothing about the hypervisor.
 */
static uint64_t harmless(uint64_t value)
{
    unsigned long frame = virt_to_mfn(victim);

    if (value != frame && is_ours(value)) return frame;
    if (value >> PAGE_SHIFT != frame && is_ours((value & PTE_MFN_MASK) >> PAGE_SHIFT))
        return (uint64_t)frame << PAGE_SHIFT | (value & 0xfff);
    return value;
}

static uint64_t random_value(void)
{
    return harmless(any_value());
}

static void random_buffer(void)
{
    for (int i = 0; i < 48; i++)
        buffer[i] = random_value();
    for (int i = 0; i < 8; i++)             /* narrow fields: sub-commands, ports, domain numbers */
        ((uint32_t *)(void *)buffer)[next_random(&seed) % 64] = (uint32_t)next_random(&seed) & 63;
    for (int i = 0; i < 48; i++) {
        buffer[i] = harmless(buffer[i]);
        /* the victim, once an empty but valid L4, would be our end */
        if ((uint32_t)buffer[i] == MMUEXT_NEW_BASEPTR)
            buffer[i]++;
    }
}

/* What a sane kernel would not do to itself. */
static bool suicidal(unsigned long number, const uint64_t *a)
{
    switch (number) {
    case __HYPERVISOR_set_trap_table:
    case __HYPERVISOR_set_callbacks:
    case __HYPERVISOR_callback_op:
    case __HYPERVISOR_stack_switch:
    case __HYPERVISOR_set_gdt:
    case __HYPERVISOR_iret:
    case __HYPERVISOR_nmi_op:
    case __HYPERVISOR_set_debugreg:
    case __HYPERVISOR_fpu_taskswitch:
        return true;
    case __HYPERVISOR_console_io:
        return a[0] == CONSOLEIO_write;     /* noise on the serial line hides the result */
    case __HYPERVISOR_sched_op:
    case __HYPERVISOR_sched_op_compat:
        return true;                        /* the system tests have guests for these */
    case __HYPERVISOR_vcpu_op:
        return (uint32_t)a[0] == VCPUOP_down || (uint32_t)a[0] == VCPUOP_register_vcpu_info ||
               (uint32_t)a[0] == VCPUOP_send_nmi;
    case __HYPERVISOR_event_channel_op:
        return (uint32_t)a[0] == EVTCHNOP_close || (uint32_t)a[0] == EVTCHNOP_reset;
    case __HYPERVISOR_update_va_mapping:
    case __HYPERVISOR_update_va_mapping_otherdomain:
        return (a[0] & PAGE_MASK) == (unsigned long)buffer;
    case __HYPERVISOR_platform_op:
    case __HYPERVISOR_domctl:
    case __HYPERVISOR_sysctl:
    case __HYPERVISOR_physdev_op:
    case __HYPERVISOR_kexec_op:
        return is_privileged();             /* dom0 may really do these things */
    case __HYPERVISOR_multicall:
        return true;                        /* made below, of calls that passed this gate */
    default:
        return number > 127;
    }
}

static void random_call(unsigned long *number, uint64_t *a)
{
    do {
        *number = next_random(&seed) % 64;
        for (int i = 0; i < 5; i++)
            a[i] = random_value();
        if (next_random(&seed) % 4)         /* a plausible sub-command, then a plausible pointer */
            a[0] = next_random(&seed) % 48;
        if (next_random(&seed) % 2)
            a[1] = (unsigned long)buffer;
        if (next_random(&seed) % 2)
            a[2] = next_random(&seed) % 4;
        if (*number == __HYPERVISOR_mmu_update || *number == __HYPERVISOR_mmuext_op ||
            *number == __HYPERVISOR_set_gdt) {
            a[0] = next_random(&seed) % 8 ? (unsigned long)buffer : random_value();
            a[1] = next_random(&seed) % 8 ? next_random(&seed) % 5 : random_value();
            a[2] = next_random(&seed) % 8 ? 0 : random_value();
            a[3] = next_random(&seed) % 8 ? DOMID_SELF : random_value();
        }
    } while (suicidal(*number, a));
}

/* ---- why ---- */

static struct domus_last_error why;
static bool asking;                         /* whether there is somebody who says why */

static uint64_t refusals(void)
{
    if (asking)
        NEED(HYPERVISOR_domus_op(DOMUS_last_error, &why) == 0);
    return why.refusals;
}

/* What answers otherwise than by an errno may have been refused all the same: requests with a
 * status each, extents that are counted. */
static bool has_statuses(unsigned long number)
{
    return number == __HYPERVISOR_grant_table_op || number == __HYPERVISOR_memory_op;
}

static bool written_down(unsigned long number, long result, uint64_t more)
{
    if (result >= 0) return more == 0;
    return (has_statuses(number) ? more >= 1 : more == 1) && why.error == result &&
           why.hypercall == number && !(why.about & DOMUS_ABOUT_STATUS);
}

static void explained(unsigned long number, uint64_t command, long result, uint64_t before)
{
    uint64_t more = refusals() - before;

    if (!asking || (result >= 0 && has_statuses(number))) return;
    if (number == __HYPERVISOR_domus_op && command == DOMUS_last_error)
        result = 0;                         /* asking does not change the answer */
    if (!written_down(number, result, more))
        test_failure(__FILE__, __LINE__, "hypercall %lu says %ld; %lu refusals more, %s", number,
                     result, more, why.words);
}

/* ---- the calls ---- */

/* An errno, or a value that the call may have: a pointer of the hypervisor's in it would be a
 * leak. */
static void judge(unsigned long number, uint64_t command, long result)
{
    /* what we put there, or the progress that we said */
    bool own = number == __HYPERVISOR_get_debugreg
               || (number == __HYPERVISOR_memory_op && result == (long)(command >> 6));

    if (result < 0)
        refused++;
    else
        taken++;
    if (!own && (result < -4095 || result > 1L << 40))
        test_failure(__FILE__, __LINE__, "hypercall %lu says %lx", number, result);
}

static void one_round(void)
{
    static struct multicall_entry calls[4];
    unsigned long number, least = 0, most = 0;
    uint64_t a[5], before = why.refusals;
    long result;

    random_buffer();
    if (next_random(&seed) % 16) {
        random_call(&number, a);
        result = hypercall_by_syscall(number, a[0], a[1], a[2], a[3], a[4]);
        explained(number, a[0], result, before);
        judge(number, a[0], result);
        return;
    }
    for (int i = 0; i < 4; i++) {
        random_call(&number, a);
        calls[i] = (struct multicall_entry){ .op = number,
                                             .args = { a[0], a[1], a[2], a[3], a[4] } };
    }
    CHECK_IS(HYPERVISOR_multicall(calls, 4), 0);
    for (int i = 0; i < 4; i++) {
        judge(calls[i].op, calls[i].args[0], (long)calls[i].result);
        if (calls[i].op == __HYPERVISOR_domus_op && calls[i].args[0] == DOMUS_last_error)
            continue;
        least += (long)calls[i].result < 0;
        most += has_statuses(calls[i].op) ? 1000 : (long)calls[i].result < 0;
    }
    uint64_t more = refusals() - before;
    if (asking && (more < least || more > most))
        test_failure(__FILE__, __LINE__, "%lu of 4 calls refused, %lu written down", least, more);
}

static uint64_t mark(unsigned int page, unsigned int word)
{
    return ((uint64_t)page << 32 | word) * 0x9e3779b97f4a7c15UL;
}

/* Whatever has become of the victim, the rest of us stands. */
static void still_alive(void)
{
    CHECK(HYPERVISOR_xen_version(XENVER_version, NULL) > 0);
    CHECK_IS(mmuext_mfn(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
    for (unsigned int i = 0; i < BYSTANDERS; i++)
        for (unsigned int j = 0; j < 512; j++)
            if (bystander[i][j] != mark(i, j)) {
                test_failure(__FILE__, __LINE__,
                             "a page that no call named has changed: word %u is %lx", j,
                             bystander[i][j]);
                bystander[i][j] = mark(i, j);
            }
}

static void place_bystanders(void)
{
    for (unsigned int i = 0; i < BYSTANDERS; i++) {
        if (i == BYSTANDERS / 2)
            victim = alloc_zeroed_page();
        NEED((bystander[i] = alloc_zeroed_page()) != NULL);
        for (unsigned int j = 0; j < 512; j++)
            bystander[i][j] = mark(i, j);
    }
}

static bool ignore(struct trap_frame *frame)
{
    return true;
}

void test_main(void)
{
    uint64_t rounds = number_option("rounds", 20000);

    seed = number_option("seed", 0x5eed);
    buffer = alloc_pages(1);
    place_bystanders();
    foreign = foreign_mfn();
    NEED(buffer && victim);
    NEED(HYPERVISOR_update_va_mapping((unsigned long)buffer + PAGE_SIZE, 0, UVMF_INVLPG) == 0);
    asking = on_domus();
    CHECK_REFUSED(HYPERVISOR_xen_version(9999, NULL));          /* so that there is an answer */
    (void)refusals();
    set_trap_handler(TRAP_DB, ignore);
    events_mask_all();
    for (uint64_t i = 0; i < rounds; i++) {
        one_round();
        if (i % 1000 == 0)
            still_alive();
    }
    still_alive();
    printk("attack-hypercalls: %u calls taken, %u refused\n", taken, refused);
    CHECK(taken > rounds / 50 && refused > rounds / 2);
    (void)HYPERVISOR_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
}
