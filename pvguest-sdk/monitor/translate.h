/* SPDX-License-Identifier: MIT */
/* mode=translate: the guest's kernel runs as translator.h makes it, in a cache that the shadow's
 * kernel tree maps where the guest shall have nothing. */
#ifndef MONITOR_TRANSLATE_H
#define MONITOR_TRANSLATE_H

#include <stdbool.h>
#include <stdint.h>

struct machine;
struct direct_exit;

/* The cache, mapped; after trap_init(). -ENOMEM, or what the hypervisor says. */
int translate_init(struct machine *machine);
/* Finds or makes the block at the guest's RIP; that is in the cache then. False: what is there is
 * for the interpreter. */
bool translate_enter(struct machine *machine);
/* The state after an exit becomes the guest's own. True: the exit was the translation's affair, and
 * is dealt with; an instruction to interpret is EXIT_REPLACED now. */
bool translate_leave(struct machine *machine, struct direct_exit *exit);
/* The guest has changed how an address, or all, is translated. */
void translate_invalidated(void);

#endif
