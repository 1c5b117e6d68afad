/* SPDX-License-Identifier: MIT */
/*
 * The page tables that the real CPU uses while the guest runs directly: for each of the guest's
 * address spaces used lately two trees, one for its kernel, one for its user mode, all of them user
 * tables of the monitor's domain. They are what a TLB is to a CPU: filled when an address is used.
 * When the guest says that all is translated otherwise, and that is what a load of CR3 says, each
 * entry is compared with the guest's tables before the tree is used again; what they do not say any
 * more goes. So the guest's own tables are watched by nobody, and what it may rely on is what the
 * architecture promises of a TLB, no more: an entry that stays is one that a CPU might have fetched
 * at once.
 */
#ifndef MONITOR_SHADOW_H
#define MONITOR_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

struct machine;

enum { SHADOW_KERNEL, SHADOW_USER, SHADOWS };

struct shadow_counters { uint64_t fills, reviews, resets; };
extern struct shadow_counters shadow_counters;

/* The trees, and the pages they are made of. -ENOMEM, or what the hypervisor says. */
int shadow_init(void);
/* May an address be in one at all? Some are the hypervisor's, some the window's. */
bool shadow_may(uint64_t address);
/* That entry is in a tree of the address space in use, by what the guest's tables say together
 * (peek()). 0: it is; 1: it was, so a fault there is about something else. A negative errno: the
 * hypervisor refuses it. */
int shadow_map(unsigned int which, uint64_t address, uint64_t entry, uint64_t seen);
/* The guest has loaded CR3: what there is for that is reviewed before it is used. */
void shadow_load(uint64_t cr3);
/* Other entries may be right now, though the guest's tables say the same: so, too, and of all
 * address spaces. */
void shadow_doubt(void);
/* What is in both trees from there on, for so many bytes, is reviewed at once. */
void shadow_review(struct machine *machine, uint64_t from, uint64_t size);
/* From then on 2 MiB of the kernel's trees are a window on pages of ours; the guest has nothing in
 * the whole slot of the root around it. `address` is a multiple of 2 MiB. */
int shadow_window(uint64_t address);
void shadow_window_page(unsigned int number, const void *page, uint64_t bits);
/* Makes one the user tables of this domain, with what is right of it. */
int shadow_use(struct machine *machine, unsigned int which);

/* trap.c: the entry that is right by what the guest's tables say together; 0: none. `code`: of what
 * the kernel executes there (code.h). */
uint64_t shadow_right(struct machine *machine, unsigned int which, uint64_t address,
                      uint64_t seen, bool code);

#endif
