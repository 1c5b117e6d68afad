/* SPDX-License-Identifier: MIT */
/*
 * What a processor of DOMUS_run writes is given away while it runs, by another vCPU that flushes
 * nothing: a frame back to the hypervisor and out again, a neighbour's frame by the end of its
 * grant, or by the neighbour's giving it back, the processor's own level-4 table. What comes out
 * must be clean and stay so (I9), and the books balance in the middle. Then lists of such calls
 * beside it. Idea: XSA-241, 242, 286, 401, with translations that a load of CR3 does not reach.
 * on xen: SKIP
 * machine: vcpus
 */
#include "../lib/other.h"
#include "../lib/vcpus.h"
#include "../lib/virtual.h"
#include <pvguest/bits.h>

#define ADDS "\x48\x83\x04\x25\x38\xc0\0\0\x02\xeb\xf5"     /* again: add qword [c038h], 2 */

enum { COUNTED = 0xc000, WORD = 7, REF = 8, ROUNDS = 4, TRIES = 20, LIST = 16 };

static struct domus_run second;
static volatile uint64_t exits, faults, refused;
static volatile bool stop;
static struct other other;

static void run_second(unsigned long id)
{
    while (!stop) {
        long result = HYPERVISOR_domus_op(DOMUS_run, &second);

        NEED(result == 0 || result == -EINVAL);
        exits++;
        if (result)
            refused++;
        else if (second.exit == DOMUS_EXIT_INTERRUPT)
            continue;
        else
            faults++;
        NEED(result || (second.exit == DOMUS_EXIT_NESTED_FAULT &&
                        second.info[1] == COUNTED + 8 * WORD));
        vcpu_yield();
    }
    vcpu_end(id);
}

/* Something changes, within ten seconds. */
static bool moves(const volatile uint64_t *word)
{
    uint64_t was = *word, start = now_ns();

    while (*word == was && now_ns() - start < 10 * NS_PER_S)
        vcpu_yield();
    return *word != was;
}

/* The processor has come out, and into what there is now. */
static void stays(const volatile uint64_t *page, uint64_t value)
{
    CHECK_IS(page[WORD], value);
    CHECK(moves(&faults));
    CHECK(moves(&faults));
    CHECK_IS(page[WORD], value);
}

static void nowhere(void)
{
    NEED(write_entry(virt_to_machine(&vm.l1[COUNTED / PAGE_SIZE]), 0) == 0);
}

/* ---- our own ---- */

static void given_back(void)
{
    uint64_t *page = alloc_zeroed_page();
    unsigned long pfn = virt_to_pfn(page);
    xen_pfn_t frame = virt_to_mfn(page), before = frame;
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };
    struct mmu_update quiet[2] = { { entry_address(page, 1), 0 },
                                   { virt_to_machine(&vm.l1[COUNTED / PAGE_SIZE]), 0 } };

    set_xen_guest_handle(r.extent_start, &frame);
    NEED(vm_map(COUNTED, frame, VM_RW) == 0);
    CHECK(moves(page + WORD));
    NEED(HYPERVISOR_mmu_update(quiet, 2, NULL, DOMID_SELF) == 0);
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r), 1);
    frame = pfn;
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_populate_physmap, &r), 1);
    CHECK_IS(frame, before);                    /* or nothing is seen here */
    p2m[pfn] = frame;
    NEED(HYPERVISOR_update_va_mapping((unsigned long)page, (uint64_t)frame << PAGE_SHIFT | PROT_RW,
                                      UVMF_INVLPG) == 0);
    stays(page, 0);
    free_page(page);
}

/* ---- a neighbour's ---- */

static grant_handle_t grant_written(volatile uint64_t *page)
{
    struct gnttab_map_grant_ref op = { .host_addr = virt_to_machine(&vm.l1[COUNTED / PAGE_SIZE]),
                                       .flags = GNTMAP_host_map | GNTMAP_contains_pte,
                                       .dom = other.id, .ref = REF };

    other_grant(&other, REF, 0, other.frame[OTHER_FREE], GTF_permit_access);
    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    CHECK_IS(op.status, GNTST_okay);
    CHECK(moves(page + WORD));
    return op.handle;
}

static void grant_end(grant_handle_t handle)
{
    struct gnttab_unmap_grant_ref op = { .handle = handle,
                                         .host_addr =
                                             virt_to_machine(&vm.l1[COUNTED / PAGE_SIZE]) };

    CHECK_IS(HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, &op, 1), 0);
    CHECK_IS(op.status, GNTST_okay);
}

static void grant_ended(void)
{
    uint64_t *page = other_map(&other, OTHER_FREE), seen;
    grant_handle_t handle = grant_written(page);

    CHECK_IS(HYPERVISOR_domus_op(DOMUS_audit, NULL), 0);
    grant_end(handle);
    seen = page[WORD];
    stays(page, seen);
    CHECK_IS(other_grant_flags(&other, REF) & (GTF_reading | GTF_writing), 0);
    unmap_frames(page, 1);
}

/* The neighbour gives it back, the last entry that holds it is ours and goes, and the neighbour has
 * a page again. */
static void neighbour_gives_back(void)
{
    uint64_t *page = other_map(&other, OTHER_FREE);
    xen_pfn_t before = other.frame[OTHER_FREE];
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };
    volatile xen_pfn_t *list = (xen_pfn_t *)(void *)(other.data + 256);
    grant_handle_t handle = grant_written(page);

    unmap_frames(page, 1);
    NEED(other_call(&other, __HYPERVISOR_update_va_mapping, OTHER_VA(OTHER_FREE), 0, UVMF_INVLPG,
                    0) == 0);
    set_xen_guest_handle(r.extent_start, (xen_pfn_t *)(OTHER_VA(OTHER_DATA) + 256));
    *list = before;
    CHECK_IS(other_op(&other, __HYPERVISOR_memory_op, XENMEM_decrease_reservation, &r, sizeof(r)),
             1);
    grant_end(handle);
    r = (struct xen_memory_reservation){ .nr_extents = 1, .domid = other.id };
    set_xen_guest_handle(r.extent_start, &other.frame[OTHER_FREE]);
    other.frame[OTHER_FREE] = OTHER_FREE;
    CHECK_IS(HYPERVISOR_memory_op(XENMEM_populate_physmap, &r), 1);
    CHECK_IS(other.frame[OTHER_FREE], before);
    page = other_map(&other, OTHER_FREE);
    stays(page, 0);
    unmap_frames(page, 1);
}

/* ---- the table that it runs on ---- */

/* Nobody pins it: it is a table as long as the processor is inside, and written by us when it is
 * not; never both. */
static void its_table_goes(void)
{
    uint64_t frame = virt_to_mfn(vm.l4), entry = entry_address(vm.l4, 1);
    uint64_t written = 0, bad, refusals;
    uint64_t *page = (uint64_t *)vm_at(COUNTED);

    NEED(vm_map(COUNTED, virt_to_mfn(page), VM_RW) == 0);
    for (int i = 0; i < TRIES; i++) {
        CHECK_IS(mmuext_mfn(MMUEXT_UNPIN_TABLE, frame), 0);
        if (write_entry(entry, frame << PAGE_SHIFT | PROT_RW) == 0) {
            written++;
            NEED(mmuext_mfn(MMUEXT_TLB_FLUSH_LOCAL, 0) == 0);
            bad = vm.l4[1];
            refusals = refused;
            vm.l4[1] = (uint64_t)foreign_mfn() << PAGE_SHIFT | PROT_TABLE;
            CHECK(moves(&refused));
            CHECK(refused > refusals);
            vm.l4[1] = bad;
            NEED(write_entry(entry, frame << PAGE_SHIFT | PROT_RO) == 0);
        }
        CHECK_IS(HYPERVISOR_domus_op(DOMUS_audit, NULL), 0);
        CHECK_IS(mmuext_mfn(MMUEXT_PIN_L4_TABLE, frame), 0);
        CHECK(moves(page + WORD));
    }
    printk("svm-races: written %lu times of %u\n", written, TRIES);
    nowhere();
}

/* ---- lists ---- */

static void lists(void)
{
    static struct multicall_entry calls[LIST];
    uint64_t start = now_ns();

    events_mask_all();
    /* Another loop, where none was: of one that other processors are in, and that is written over,
     * QEMU may go on to run the old one here. */
    vm_long(SAME(ADDS));
    memcpy((uint8_t *)vm_at(run.rip) + 256, "\x48\xff\xc1\xeb\xfb", 5);      /* again: inc rcx */
    run.rip += 256;
    for (int i = 0; i < LIST; i++)
        calls[i] = (struct multicall_entry){ .op = __HYPERVISOR_domus_op,
                                             .args = { DOMUS_run, (unsigned long)&run } };
    CHECK_IS(HYPERVISOR_set_timer_op((long)(start + 20 * NS_PER_MS)), 0);
    CHECK_IS(HYPERVISOR_multicall(calls, LIST), 0);
    for (int i = 0; i < LIST; i++)
        CHECK_IS(calls[i].result, 0);
    CHECK_IS(run.exit, DOMUS_EXIT_INTERRUPT);
    CHECK(now_ns() - start < 5 * NS_PER_S);
    events_poll();
    events_unmask_all();
}

void test_main(void)
{
    if (!on_domus())
        test_skip("DOMUS_run is ours");
    vm_create();
    vm_long(SAME("\xf4"));
    if (vm_run_once() != 0)
        test_skip("no hardware assistance");
    vm_long(SAME(ADDS));
    memcpy(&second, &run, sizeof(run));
    nowhere();
    NEED(vcpus_start(2, run_second) == 2);
    other_begin(&other, OTHER_FREE + 1);
    for (int i = 0; i < ROUNDS; i++) {
        given_back();
        grant_ended();
        neighbour_gives_back();
    }
    its_table_goes();
    lists();
    stop = true;
    vcpus_wait(2);
    other_end(&other);
    CHECK(exits > 0);
}
