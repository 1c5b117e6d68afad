/* SPDX-License-Identifier: MIT */
/*
 * Pages that are consecutive in the machine, for devices that know no page tables. Ours are
 * scattered; XENMEM_exchange takes 2^order single frames of ours and gives one block for them,
 * under the same pfns.
 */
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>

static int exchange(unsigned long *mfns, unsigned int order, unsigned int address_bits,
                    unsigned long pfn, unsigned long *block_mfn)
{
    struct xen_memory_exchange op = {
        .in = { .nr_extents = 1UL << order, .extent_order = 0, .domid = DOMID_SELF },
        .out = { .nr_extents = 1,
                 .extent_order = order,
                 .mem_flags = XENMEMF_address_bits(address_bits),
                 .domid = DOMID_SELF },
    };
    long error;

    *block_mfn = pfn;       /* in: the pfn the block shall have; out: its first mfn */
    set_xen_guest_handle(op.in.extent_start, mfns);
    set_xen_guest_handle(op.out.extent_start, block_mfn);
    error = HYPERVISOR_memory_op(XENMEM_exchange, &op);
    return error ? (int)error : op.nr_exchanged == 1UL << order ? 0 : refused(-ENOMEM);
}

static void set_mappings(char *va, unsigned long n, bool mapped)
{
    for (unsigned long i = 0; i < n; i++) {
        unsigned long address = (unsigned long)va + i * PAGE_SIZE;

        pt_set_va(address,
                  mapped ? (uint64_t)virt_to_mfn((void *)address) << PAGE_SHIFT | PROT_RW : 0);
    }
    pt_flush_tlb();
    pt_flush();
}

void *alloc_machine_contiguous(unsigned int order, unsigned int address_bits)
{
    unsigned long n = 1UL << order, pfn, block_mfn;
    char *va = alloc_pages(order);
    unsigned long *mfns = malloc(n * sizeof(*mfns));
    int error;

    if (!va || !mfns) {
        if (va)
            free_pages(va, order);
        free(mfns);
        return NULL;
    }
    pfn = virt_to_pfn(va);
    memcpy(mfns, &p2m[pfn], n * sizeof(*mfns));
    /* A frame that is mapped cannot be given away. */
    set_mappings(va, n, false);
    error = exchange(mfns, order, address_bits, pfn, &block_mfn);
    for (unsigned long i = 0; i < n && !error; i++)
        p2m[pfn + i] = block_mfn + i;
    set_mappings(va, n, true);
    free(mfns);
    if (error) {
        free_pages(va, order);
        return NULL;
    }
    memset(va, 0, n * PAGE_SIZE);
    return va;
}
