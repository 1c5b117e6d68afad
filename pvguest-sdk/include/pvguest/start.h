/* SPDX-License-Identifier: MIT */
/*
 * Start of day: what a guest finds when its code begins to run.
 *
 * The hypervisor (or the toolstack) builds the first page tables, maps our image at VIRT_BASE + pfn
 * * 4096 and jumps to _start (lib/head.asm) with rsi = struct start_info. _start clears .bss, takes
 * our own stack and calls
 *
 *     void guest_start(struct start_info *si);
 *
 * The library's guest_start (lib/start.c) brings the whole SDK up: console, shared_info, traps,
 * memory, events, time, grants, threads, XenStore when there is one; then it calls your
 * guest_main() on the first thread, and powers the domain off when that returns. A kernel that
 * wants only parts of the SDK defines its own guest_start and calls the *_init functions it likes;
 * the library's is then not linked at all. See pvguest-sdk/README.md.
 */
#ifndef PVGUEST_START_H
#define PVGUEST_START_H

#include <pvguest/xen.h>

/* The program. Interrupts (events) are on, all of the SDK is up. Returning from it means
 * SHUTDOWN_poweroff. */
void guest_main(void);

/* Everything, in order; calls guest_main and does not return. Define your own to replace it. */
void guest_start(struct start_info *si) __attribute__((__noreturn__));

/* The page the hypervisor handed over: number of pages, flags (SIF_*), XenStore and console rings,
 * modules, command line. */
extern struct start_info *start_info;

/* The page shared with the hypervisor: event bits, clocks. Mapped by start_init(), a normal address
 * from link time. */
extern struct shared_info shared_info;

/* Sets start_info and maps shared_info: two lines every guest_start begins with. */
void start_init(struct start_info *si);

static inline bool is_dom0(void)
{
    return start_info->flags & SIF_INITDOMAIN;
}
static inline bool is_privileged(void)
{
    return start_info->flags & SIF_PRIVILEGED;
}

/* The module (initial archive) given beside the kernel: its address, or NULL; its size in bytes to
 * *size. */
const void *boot_module(size_t *size);

/* The command line of the domain, NUL-terminated. */
const char *command_line(void);

/*
 * The value of `name=value` on the command line, copied to `value` (cut to `size` with its NUL).
 * Returns false when the option is not there. A bare word `name` gives the empty string.
 */
bool command_option(const char *name, char *value, size_t size);

/* Our own domain number. (A PV guest is not told; it asks for the status of a port it allocates to
 * itself.) */
domid_t own_domid(void);

/* The image, from the linker script. */
extern char image_start[], image_text_end[], image_end[];

#endif
