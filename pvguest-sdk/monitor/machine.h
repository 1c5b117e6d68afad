/* SPDX-License-Identifier: MIT */
/*
 * The machine around the processor (cpu.h): a PC, as far as a kernel that boots by multiboot2
 * looks. One machine, one processor, no lock: all of it runs with events masked, and event handlers
 * (a disk that has finished, a frame that has come) run where the loop asks for them (loop.c).
 *
 * What a guest does never hurts the monitor: it is ignored as real hardware ignores it, or it ends
 * the machine (machine_end), with a sentence.
 */
#ifndef MONITOR_MACHINE_H
#define MONITOR_MACHINE_H

#include <stddef.h>
#include "cpu.h"
#include "pic.h"
#include "pit.h"
#include "serial.h"
#include "pci.h"
#include "block.h"
#include "net.h"

#define PAGE 4096ull

enum { IRQ_TIMER = 0, IRQ_SERIAL = 4, IRQ_DISK = 10, IRQ_NET = 11 };

struct machine {
    struct vcpu vcpu;
    uint8_t **page;             /* of guest-physical memory, by number; NULL: none there */
    uint64_t pages;             /* how many there may be: up to the end of memory */
    struct code_page **code;    /* of each, where it is code that runs directly (code.h); or NULL */
    struct pic pic;
    struct pit pit;
    struct serial serial;
    struct pci pci;
    struct virtual_disk disk;
    struct virtual_card card;
    bool user_direct, kernel_direct;    /* what runs on the CPU itself: trap.h */
    bool translating;           /* the kernel as translate.h makes it */
    uint8_t *rewritten;         /* how often each page that it was made from was written to */
    bool code_written;          /* one was, since translate.c has looked */
    bool assisted;              /* all of it, with the hardware's assistance: svm.h */
    bool tells_sites;           /* where the kernel trapped, to be compared with a scan */
    bool attention;             /* an event came while it ran directly: look around at once */
    bool over, failed;          /* ended; and not as a kernel ends that is well */
};

/* The end, at the next look; the first one counts. machine_fail: a guest that cannot go on. */
void machine_end(struct machine *machine, const char *why);
void machine_fail(struct machine *machine, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* --- memory.c: guest-physical memory */

/* So many bytes from address 0, but for the hole of PCs from 640 KiB to 1 MiB. -ENOMEM. */
int memory_create(struct machine *machine, uint64_t bytes);
/* Where that page is, or NULL. Who is going to write says so. */
uint8_t *memory_page(struct machine *machine, uint64_t physical, bool write);
/* Copies that any page may end: how many bytes were there. Devices and loaders use them. */
size_t memory_read(struct machine *machine, uint64_t physical, void *to, size_t size);
size_t memory_write(struct machine *machine, uint64_t physical, const void *from, size_t size);

/* --- ports.c: which device is where */

extern const struct machine_ops machine_ops;
void irq_line(struct machine *machine, unsigned int irq, bool up);

/* --- load.c: the kernel and what a boot loader tells it */

struct image {                  /* a file in the monitor's memory */
    const uint8_t *bytes;
    size_t size;
};

/* Loads the kernel, puts the module (none: bytes is NULL) and the boot information behind it, and
 * sets the processor at the entry. 0, or a negative errno and why in words. */
int load_kernel(struct machine *machine, struct image kernel, struct image module,
                const char *arguments, const char **why);
/* The member of that name of an archive (ustar), or all of what is none. -ENOENT. */
int archive_find(struct image archive, const char *name, struct image *file);

/* --- loop.c: how it runs */

void run_machine(struct machine *machine);
/* The guest has changed how an address (or `all`) is translated: of machine_ops. */
void shadow_invalidated(struct vcpu *vcpu, uint64_t linear, bool all);
/* Ends a wait for interrupts: something has happened. Safe in event handlers. */
void machine_wake(void);

#endif
