/* SPDX-License-Identifier: MIT */
/* set_gdt and update_descriptor: what a guest may have in its GDT and LDT says memory/window.c. */
#include "entry/hypercall.h"
#include "lib/fail.h"
#include "memory/access.h"
#include "memory/frame.h"
#include "memory/window.h"

long do_set_gdt(uint64_t frames_va, unsigned int entries)
{
    uint64_t frames[GUEST_GDT_PAGES];
    int error;

    if (entries > GDT_ENTRIES_MAX) return fail(-EINVAL, "a GDT of more than 14 pages");
    if (copy_from_guest(frames, VADDR(frames_va), (entries + 511) / 512 * sizeof(frames[0])))
        return fail(-EFAULT, "the list of GDT frames");
    error = window_set_gdt(&current->window, &current->domain->memory, frames, entries);
    return error == -ERESTART ? hypercall_continue(set_gdt, frames_va, entries) : error;
}

long do_update_descriptor(uint64_t address, uint64_t descriptor)
{
    struct domain_memory *d = &current->domain->memory;
    mfn_t m = maddr_to_mfn(MADDR(address));
    uint64_t value = descriptor;
    enum frame_type t;
    int error;

    if (address & 7) return fail_value(-EINVAL, "the descriptor's address is not aligned", address);
    if (!descriptor_ok(&value))
        return fail_value(-EINVAL, "the descriptor is a system segment or a gate", descriptor);
    if (!mfn_valid(m)) return fail_frame(-EINVAL, "not a frame of RAM", m, 0);
    t = frame_type(frame_of(m)) == FRAME_SEGDESC ? FRAME_SEGDESC : FRAME_WRITABLE;
    error = frame_get_type(m, d, t);
    if (error) return error;
    __atomic_store_n((uint64_t *)maddr_to_virt(MADDR(address)), value, __ATOMIC_RELEASE);
    frame_put_type(m);
    return 0;
}
