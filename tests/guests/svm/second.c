/* SPDX-License-Identifier: MIT */
/*
 * While a processor runs on another vCPU, the frame that it writes becomes a page table: from then
 * on it must not write a single time more (I9), though nobody flushed. And the books balance
 * meanwhile, with the table that its CPU holds.
 */
#include "../lib/vcpus.h"
#include "parts.h"

#define ROUNDS 8
enum { COUNTED = 0xc000 };

static struct domus_run second;
static volatile uint64_t exits, faults;
static volatile bool stop;

static void run_second(unsigned long id)
{
    while (!stop) {
        NEED(HYPERVISOR_domus_op(DOMUS_run, &second) == 0);
        exits++;
        if (second.exit == DOMUS_EXIT_INTERRUPT)
            continue;
        NEED(second.exit == DOMUS_EXIT_NESTED_FAULT && second.info[1] == COUNTED + 0x38);
        faults++;
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

static void one_round(volatile uint64_t *counter, unsigned int pin)
{
    uint64_t *page = ADDRESS(counter - 7), seen;
    unsigned long frame = virt_to_mfn(page);

    NEED(vm_map(COUNTED, frame, VM_RW) == 0);
    CHECK(moves(counter));
    CHECK_IS(HYPERVISOR_domus_op(DOMUS_audit, NULL), 0);
    CHECK(moves(counter));
    struct mmu_update quiet[2] = {
        { entry_address(page, 1), (uint64_t)frame << PAGE_SHIFT | PROT_RO },
        { virt_to_machine(&vm.l1[COUNTED / PAGE_SIZE]), 0 },
    };
    NEED(HYPERVISOR_mmu_update(quiet, 2, NULL, DOMID_SELF) == 0);
    CHECK_IS(mmuext_mfn(pin, frame), 0);
    seen = *counter;
    CHECK(moves(&faults));
    CHECK(moves(&faults));
    CHECK_IS(*counter, seen);
    CHECK_IS(mmuext_mfn(MMUEXT_UNPIN_TABLE, frame), 0);
    /* what was an L4 has entries of the hypervisor's */
    NEED(write_entry(entry_address(page, 1), (uint64_t)frame << PAGE_SHIFT | PROT_RW) == 0);
    NEED(mmuext_mfn(MMUEXT_TLB_FLUSH_LOCAL, 0) == 0);
    memset(page, 0, PAGE_SIZE);
}

void with_a_second_vcpu(void)
{
    uint64_t *page = (uint64_t *)vm_at(COUNTED);

    vm_long(SAME("\x48\x83\x04\x25\x38\xc0\0\0\x02\xeb\xf5"));  /* again: add qword [c038h], 2 */
    memcpy(&second, &run, sizeof(run));
    memset(page, 0, PAGE_SIZE);
    if (vcpus_start(2, run_second) != 2) return;
    for (unsigned int i = 0; i < ROUNDS; i++)
        one_round(page + 7, i % 2 ? MMUEXT_PIN_L4_TABLE : MMUEXT_PIN_L1_TABLE);
    stop = true;
    vcpus_wait(2);
    NEED(vm_map(COUNTED, virt_to_mfn(page), VM_RW) == 0);
    CHECK(exits > 0);
}
