/* SPDX-License-Identifier: MIT */
/* Rows about page-table entries: by mmu_update alone and in batches, by update_va_mapping, and by a
 * plain store that traps. */
#include "bench.h"

#define PAGES 512

static char *area;                      /* PAGES pages, consecutive */
static uint64_t area_mfn[PAGES], area_entry[PAGES];
static struct mmu_update updates[PAGES];
static unsigned int batch;
static volatile uint64_t *entry;
static uint64_t rw, ro;
static bool turn;

uint64_t *bench_table(void)
{
    uint64_t *table = alloc_zeroed_page();

    if (table == NULL)
        panic("benchmark failed: no memory\n");
    must(page_set_readonly(table, true), "page_set_readonly");
    return table;
}

long write_entry(uint64_t machine_address, uint64_t value)
{
    struct mmu_update update = { .ptr = machine_address, .val = value };

    return HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF);
}

long mmuext(unsigned int command, unsigned long mfn)
{
    struct mmuext_op op = { .cmd = command, .arg1.mfn = mfn };

    return HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

/* Each of the first `batch` entries changes from its page's frame to its neighbour's or back: all
 * checks and counts are made. */
static void fill(void)
{
    turn = !turn;
    for (unsigned int i = 0; i < batch; i++)
        updates[i] = (struct mmu_update){
            .ptr = area_entry[i], .val = area_mfn[turn ? i ^ 1 : i] << PAGE_SHIFT | PROT_RW
        };
}

/* The same page, only its permission: no frame changes hands. */
static void fill_permission(void)
{
    for (unsigned int i = 0; i < batch; i++)
        updates[i] = (struct mmu_update){ .ptr = area_entry[0], .val = i & 1 ? rw : ro };
}

static void update(void)
{
    (void)HYPERVISOR_mmu_update(updates, batch, NULL, DOMID_SELF);
}

static void measure_batch(const char *name, unsigned int n)
{
    batch = n;
    turn = false;
    measure(name, CALL, n, fill, update);
    if (turn) {                         /* an odd number of runs left them at their neighbours' */
        fill();
        update();
    }
}

static void flip(void)
{
    turn = !turn;
}
static void by_va(void)
{
    (void)HYPERVISOR_update_va_mapping((unsigned long)area, turn ? ro : rw, UVMF_NONE);
}
static void by_va_invlpg(void)
{
    (void)HYPERVISOR_update_va_mapping((unsigned long)area, turn ? ro : rw, UVMF_INVLPG);
}
static void by_store(void)
{
    *entry = turn ? ro : rw;
}

static void by_cmpxchg(void)
{
    uint64_t old = *entry;

    asm volatile("lock cmpxchg %2, %1" : "+a" (old), "+m" (*entry) : "r" (turn ? ro : rw) : "cc");
}

void bench_tables(void)
{
    area = alloc_pages(9);
    if (area == NULL)
        panic("benchmark failed: no memory\n");
    for (unsigned int i = 0; i < PAGES; i++) {
        area_mfn[i] = virt_to_mfn(area + i * PAGE_SIZE);
        area_entry[i] = virt_to_machine(pt_walk((unsigned long)area + i * PAGE_SIZE, 1));
    }
    rw = area_mfn[0] << PAGE_SHIFT | PROT_RW;
    ro = area_mfn[0] << PAGE_SHIFT | PROT_RO;
    entry = (volatile uint64_t *)(uintptr_t)pt_walk((unsigned long)area, 1);

    group("page-table entries");
    measure_batch("mmu_update, 1 PTE", 1);
    measure_batch("mmu_update, batch of 8, per PTE", 8);
    measure_batch("mmu_update, batch of 64, per PTE", 64);
    measure_batch("mmu_update, batch of 512, per PTE", 512);
    batch = 64;
    measure("mmu_update, 64, RW<->RO on the same page, per PTE", CALL, 64, fill_permission, update);
    measure("one entry (update_va_mapping, no flush / mov to the read-only L1)", CALL, 1, flip,
            by_va);
    measure("update_va_mapping, INVLPG", CALL, 1, flip, by_va_invlpg);
    measure("one entry (update_va_mapping, no flush / mov to the read-only L1)", TRAP, 1, flip,
            by_store);
    measure("lock cmpxchg to the read-only L1", TRAP, 1, flip, by_cmpxchg);
    must(HYPERVISOR_update_va_mapping((unsigned long)area, rw, UVMF_INVLPG), "restore");
    must(mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0), "flush");
    free_pages(area, 9);
}
