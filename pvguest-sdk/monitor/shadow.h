/* SPDX-License-Identifier: MIT */
/*
 * The page tables that the real CPU uses while the guest runs directly: one tree for the guest's
 * kernel, one for its user mode, both of them user tables of the monitor's domain. They are what a
 * TLB is to a CPU: filled when an address is used, emptied when the guest says that an address, or
 * all, is translated otherwise. So the guest's own tables are watched by nobody, and what it may
 * rely on is what the architecture promises of a TLB, no more.
 */
#ifndef MONITOR_SHADOW_H
#define MONITOR_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

enum { SHADOW_KERNEL, SHADOW_USER, SHADOWS };

struct shadow_counters { uint64_t fills, flushes, resets; };
extern struct shadow_counters shadow_counters;

/* The trees, and the pages they are made of. -ENOMEM, or what the hypervisor says. */
int shadow_init(void);
/* May an address be in one at all? Some are the hypervisor's, some the window's. */
bool shadow_may(uint64_t address);
/* The page at that address is this page of ours, with these PTE_* bits; it is part of a page of the
 * guest's of `size` bytes. 0: it is; 1: it was, so a fault there is about something else. A
 * negative errno: the hypervisor refuses it. */
int shadow_map(unsigned int which, uint64_t address, const void *page, uint64_t bits,
               uint64_t size);
/* The guest has changed how an address, or all, is translated; at once, or before it runs next.
 * With an address goes all of the guest's page that it was part of. */
void shadow_forget(uint64_t address);
void shadow_forget_all(void);
/* From then on 2 MiB of the kernel's tree are a window on pages of ours; the guest has nothing in
 * the whole slot of the root around it. `address` is a multiple of 2 MiB. */
int shadow_window(uint64_t address);
void shadow_window_page(unsigned int number, const void *page, uint64_t bits);
/* Makes one the user tables of this domain, empty if it is to be. */
int shadow_use(unsigned int which);

#endif
