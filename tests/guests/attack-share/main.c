/* SPDX-License-Identifier: MIT */
/*
 * A domain that takes all the CPU it can get, with all its vCPUs, and says how much work it did by
 * when. Beside others of its kind it shows what part each domain gets (tests/system/test_share.py).
 * How it behaves, `how=` says: "spin", the default; "yield", which gives way after each bit of
 * work; or "sleep", which computes for SPELL_NS and sleeps as long. It says what it did each tenth
 * of a second, or each `every=` milliseconds. As dom0 it can only count for a moment. Idea: a
 * hypervisor that shares the CPU by vCPU gives most of it to who has most vCPUs.
 */
#include "../lib/test.h"
#include "../lib/vcpus.h"

#define SPELL_NS (2 * NS_PER_MS)

static struct { volatile uint64_t done; } __attribute__((aligned(64))) work[MOST_VCPUS];
static char how[8] = "spin", name[16] = "share", every[8] = "100";

static void some_work(unsigned long id)
{
    for (int i = 0; i < 200; i++)
        asm volatile("" : : "r"(i));
    work[id].done++;
}

/* Returns the time: everybody looks at the clock once for each bit of work. */
static uint64_t work_a_spell(unsigned long id)
{
    bool sleeps = how[1] == 'l';
    uint64_t until = sleeps ? now_ns() + SPELL_NS : 0, now;

    do {
        some_work(id);
        now = now_ns();
    } while (now < until);
    if (how[0] == 'y')
        vcpu_yield();
    else if (sleeps)
        vcpu_poll(NULL, 0, now + SPELL_NS);
    return now;
}

static void run(unsigned long id)
{
    for (;;)
        (void)work_a_spell(id);
}

static uint64_t all_work(unsigned int vcpus)
{
    uint64_t sum = 0;

    for (unsigned int i = 0; i < vcpus; i++)
        sum += work[i].done;
    return sum;
}

void test_main(void)
{
    unsigned int vcpus = vcpu_count();
    uint64_t start = now_ns(), next = start, between;

    (void)command_option("how", how, sizeof(how));
    (void)command_option("name", name, sizeof(name));
    (void)command_option("every", every, sizeof(every));
    between = strtoul(every, NULL, 10) * NS_PER_MS;
    events_mask_all();
    for (unsigned int i = 1; i < vcpus; i++) {
        NEED(vcpu_prepare(i, run) == 0);
        NEED(HYPERVISOR_vcpu_op(VCPUOP_up, i, NULL) == 0);
    }
    while (!is_dom0() || now_ns() < start + NS_PER_S) {
        uint64_t now = work_a_spell(0);

        if (now < next)
            continue;
        next = now + between;
        printk("attack-share: %s %lu at %lu us\n", name, all_work(vcpus), now / NS_PER_US);
    }
    CHECK(all_work(vcpus) > 0);
}
