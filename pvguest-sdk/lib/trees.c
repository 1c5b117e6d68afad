/* SPDX-License-Identifier: MIT */
/*
 * Page tables of processes: pages become tables and roots, and are pages again. The one thing to
 * know is the order: a page is a table for the hypervisor as long as an entry of a table or a pin
 * names it, and only before and after that anybody may write to it.
 */
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/string.h>

#define USER_SLOTS        256       /* of a root: the lower half */
#define FIRST_KERNEL_SLOT 272       /* behind the hypervisor's */

int pt_make_table(void *page)
{
    int error = pt_flush();

    memset(page, 0, PAGE_SIZE);
    return error ? error : page_set_readonly(page, true);
}

int pt_make_root(void *page, bool of_kernel)
{
    const uint64_t *kernel = mfn_to_virt(kernel_root_mfn);
    int error = pt_flush();

    memset(page, 0, PAGE_SIZE);
    if (of_kernel)
        memcpy((uint64_t *)page + FIRST_KERNEL_SLOT, kernel + FIRST_KERNEL_SLOT,
               (512 - FIRST_KERNEL_SLOT) * sizeof(*kernel));
    if (!error)
        error = page_set_readonly(page, true);
    if (error) return error;
    pt_pin(4, virt_to_mfn(page));
    error = pt_flush();
    if (error)
        page_set_readonly(page, false);
    return error;
}

static int end_page(void *page, void (*returned)(void *page))
{
    int error = page_set_readonly(page, false);

    if (!error && returned)
        returned(page);
    return error;
}

/* The tables below this one, the lowest first; with each the entries that name it are read before
 * it is anybody else's. */
static int end_tables(const uint64_t *table, unsigned int level, unsigned int slots,
                      void (*returned)(void *page))
{
    int error = 0;

    for (unsigned int slot = 0; slot < slots && !error; slot++) {
        uint64_t *below;

        if (!(table[slot] & PTE_PRESENT))
            continue;
        below = mfn_to_virt((table[slot] & PTE_MFN_MASK) >> PAGE_SHIFT);
        if (level > 2)
            error = end_tables(below, level - 1, 512, returned);
        if (!error)
            error = end_page(below, returned);
    }
    return error;
}

int pt_end_roots(void *kernel_root, void *user_root, void (*returned)(void *page))
{
    int error;

    pt_unpin(virt_to_mfn(kernel_root));
    if (user_root)
        pt_unpin(virt_to_mfn(user_root));
    error = pt_flush();
    if (!error)
        error = end_tables(kernel_root, 4, USER_SLOTS, returned);
    if (!error)
        error = end_page(kernel_root, returned);
    return error || !user_root ? error : end_page(user_root, returned);
}
