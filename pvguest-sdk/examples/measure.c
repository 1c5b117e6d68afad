/* SPDX-License-Identifier: MIT */
/*
 * What operations cost: by hypercall, by the instruction that traps, in lists; beside each what was
 * predicted. Under QEMU's `-icount shift=0,sleep=off` the TSC counts instructions, of guest and
 * hypervisor together: then a tick is one, and every run says the same. Elsewhere ticks are time.
 */
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/sched.h>
#include <pvguest/start.h>
#include <pvguest/time.h>

#define RUNS  51
#define CALLS 16
#define BATCH 64

struct row {
    const char *name;
    unsigned int predicted;         /* ticks an operation, said before the first run */
    unsigned int per;               /* operations in a run */
    void (*before)(void);           /* what a run needs and is not measured; or NULL */
    void (*run)(void);
};

static struct multicall_entry calls[CALLS];
/* The pages that entries are written for, and where these entries are. */
static char *area;
static uint64_t *area_entry;
static uint64_t entry;                  /* what is written next, where it is only one */
static struct mmu_update updates[BATCH];
static unsigned int nr_updates;
static bool turn;

/* ---- the stopwatch ---- */

static uint64_t median(uint64_t *samples)
{
    for (unsigned int i = 1; i < RUNS; i++)
        for (unsigned int j = i; j > 0 && samples[j - 1] > samples[j]; j--) {
            uint64_t swap = samples[j];

            samples[j] = samples[j - 1];
            samples[j - 1] = swap;
        }
    return samples[RUNS / 2];
}

/* Of a whole run, the stopwatch's own ticks among them. */
static uint64_t ticks_of(void (*before)(void), void (*run)(void))
{
    uint64_t samples[RUNS];

    for (unsigned int i = 0; i < RUNS; i++) {
        if (before)
            before();
        uint64_t start = read_tsc();
        run();
        samples[i] = read_tsc() - start;
    }
    return median(samples);
}

static void nothing(void)
{
    asm volatile("");
}

/* Of one operation, to the nearest tick. */
static uint64_t cost(const struct row *row)
{
    uint64_t ticks = ticks_of(row->before, row->run) - ticks_of(NULL, nothing);

    return (ticks + row->per / 2) / row->per;
}

/* ---- what is measured ---- */

static void null_call(void)
{
    (void)HYPERVISOR_xen_version(XENVER_version, NULL);
}

static void fill_calls(void)
{
    for (unsigned int i = 0; i < CALLS; i++)
        calls[i] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version,
                                             .args = { XENVER_version } };
}
static void multicall(void)
{
    (void)HYPERVISOR_multicall(calls, CALLS);
}

static void ts_call(void)
{
    (void)HYPERVISOR_fpu_taskswitch(0);
}
static void ts_trap(void)
{
    asm volatile("clts");
}

/* The entry of the first page, which becomes read-only and writable in turn. */
static void flip(void)
{
    turn = !turn;
    entry = virt_to_mfn(area) << PAGE_SHIFT | (turn ? PROT_RO : PROT_RW);
}
static void pte_call(void)
{
    (void)HYPERVISOR_update_va_mapping((unsigned long)area, entry, UVMF_NONE);
}
static void pte_store(void)
{
    *(volatile uint64_t *)area_entry = entry;
}

/* Each of n entries changes to its neighbour's frame, or back. */
static void fill_updates(unsigned int n)
{
    turn = !turn;
    nr_updates = n;
    for (unsigned int i = 0; i < n; i++)
        updates[i] = (struct mmu_update){
            .ptr = virt_to_machine(&area_entry[i]),
            .val = virt_to_mfn(area + (turn ? i ^ 1 : i) * PAGE_SIZE) << PAGE_SHIFT | PROT_RW,
        };
}
static void fill_one(void)
{
    fill_updates(1);
}
static void fill_batch(void)
{
    fill_updates(BATCH);
}
static void pte_list(void)
{
    (void)HYPERVISOR_mmu_update(updates, nr_updates, NULL, DOMID_SELF);
}

/* ---- the table ---- */

enum { NULL_CALL, MULTICALL, TS_CALL, TS_TRAP, PTE_CALL, PTE_STORE, PTE_ONE, PTE_BATCH, NR_ROWS };

static const struct row rows[NR_ROWS] = {
    [NULL_CALL] = { "null-call", 80, 1, NULL, null_call },
    [MULTICALL] = { "multicall", 90, CALLS, fill_calls, multicall },
    [TS_CALL]   = { "ts-call", 90, 1, NULL, ts_call },
    [TS_TRAP]   = { "ts-trap", 350, 1, NULL, ts_trap },
    [PTE_CALL]  = { "pte-call", 350, 1, flip, pte_call },
    [PTE_STORE] = { "pte-store", 800, 1, flip, pte_store },
    [PTE_ONE]   = { "pte-list-of-1", 450, 1, fill_one, pte_list },
    [PTE_BATCH] = { "pte-list-of-64", 180, BATCH, fill_batch, pte_list },
};

/* A list of n entries costs fixed + n * each: when is it cheaper than n single calls? */
static void tell_lists(uint64_t of_one, uint64_t of_batch, uint64_t single)
{
    uint64_t each = (of_batch * BATCH - of_one) / (BATCH - 1), fixed = of_one - each;

    printk("measure: list fixed %lu\nmeasure: list each %lu\n", fixed, each);
    if (single > each)
        printk("measure: list cheaper-from %lu\n", fixed / (single - each) + 1);
}

void guest_main(void)
{
    uint64_t costs[NR_ROWS];

    events_mask_all();
    area = alloc_pages(6);          /* BATCH of them, whose entries are in one table */
    if (!area)
        panic("measure: no memory\n");
    area_entry = (uint64_t *)(uintptr_t)pt_walk((unsigned long)area, 1);
    for (unsigned int i = 0; i < NR_ROWS; i++) {
        costs[i] = cost(&rows[i]);
        printk("measure: %s predicted %u\nmeasure: %s measured %lu\n", rows[i].name,
               rows[i].predicted, rows[i].name, costs[i]);
    }
    tell_lists(costs[PTE_ONE], costs[PTE_BATCH], costs[PTE_CALL]);
    printk("measure: end\n");
    poweroff();
}
