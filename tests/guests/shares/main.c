/* SPDX-License-Identifier: MIT */
/*
 * The scheduler, from outside: dom0 makes two domains that do nothing but spin, and looks at the
 * CPU time that each gets. Who has twice the weight has twice as much; and who slept is there at
 * once, but has no more from then on than who did not. (Ours: a machine of one CPU that counts its
 * instructions.)
 *
 * machine: counted
 */
#include "../lib/other.h"

#define MS (NS_PER_S / 1000)
#define LONG  (120 * MS)                /* a dozen slices */
#define SLEEP (100 * MS)

/* nop, and at the end a jmp to the begin: QEMU counts many at once. */
#define NOPS "\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90"
static const char spin[] = NOPS NOPS NOPS NOPS NOPS NOPS "\xeb\x9e";
static const struct other_program spins = { spin, spin + sizeof(spin) - 1, spin };
static struct other one = { .program = &spins }, two = { .program = &spins };

static void set_weight(const struct other *o, uint16_t weight)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_scheduler_op, .domain = o->id };

    op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT;
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
    op.u.scheduler_op.u.credit.weight = weight;
    NEED(domctl(&op) == 0);
}

static uint64_t time_of(const struct other *o)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo, .domain = o->id };

    NEED(domctl(&op) == 0);
    return op.u.getdomaininfo.cpu_time;
}

static void sleep(uint64_t ns)
{
    for (uint64_t until = now_ns() + ns; now_ns() < until; ) {
        struct sched_poll poll = { .timeout = until };

        NEED(HYPERVISOR_sched_op(SCHEDOP_poll, &poll) == 0);
    }
}

/* What each gets while we sleep. */
static void look(uint64_t ns, uint64_t *ones, uint64_t *twos)
{
    uint64_t one_had = time_of(&one), two_had = time_of(&two);

    sleep(ns);
    *ones = time_of(&one) - one_had;
    *twos = time_of(&two) - two_had;
}

static void ratio_is(const char *when, uint64_t times, uint64_t ones, uint64_t twos)
{
    if (twos * 100 > ones * times * 80 && twos * 100 < ones * times * 125)
        test_passed();
    else
        test_failure(__FILE__, __LINE__, "%s: of %lu ms one domain has %lu, the other %lu; "
                     "right is %lu times as much", when, (ones + twos) / MS, ones / MS, twos / MS,
                     times);
}

void test_main(void)
{
    uint64_t ones, twos;

    if (!is_dom0() || !on_domus())
        test_skip("Domus's scheduler, and only dom0 makes domains");
    other_begin(&one, OTHER_FREE);
    other_begin(&two, OTHER_FREE);
    look(LONG, &ones, &twos);
    ratio_is("the same weight", 1, ones, twos);
    set_weight(&two, 512);
    look(LONG, &ones, &twos);
    ratio_is("twice the weight", 2, ones, twos);
    set_weight(&two, 256);
    other_pause(&two, true);
    look(SLEEP, &ones, &twos);
    CHECK(ones > SLEEP * 3 / 4 && twos == 0);
    other_pause(&two, false);
    look(LONG, &ones, &twos);
    ratio_is("one of them has slept", 1, ones, twos);
    other_end(&one);
    other_end(&two);
}
