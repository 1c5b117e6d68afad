/* SPDX-License-Identifier: MIT */
/* What lib/entry.asm and the C files call of each other. Inside the library only. */
#ifndef LIB_ENTRY_H
#define LIB_ENTRY_H

#include <pvguest/traps.h>

/* entry.asm: entries for the hypervisor, not callable from C. */
extern const unsigned long trap_entries[32];
extern char event_entry[], failsafe_entry[], syscall_entry[], catch_trap_resume[];

void thread_switch(unsigned long *save_sp, unsigned long load_sp);
int catch_trap_run(void (*fn)(void *arg), void *arg, unsigned long *saved_sp);

/* traps.c: the words on the stack from there that may be return addresses; ends the line. */
void print_callers(unsigned long rsp);

/* Called by entry.asm. */
void trap_dispatch(struct trap_frame *frame);
void event_dispatch(struct trap_frame *frame);
void syscall_dispatch(struct trap_frame *frame);
void before_user_mode(struct trap_frame *frame);
extern void (*return_hook)(struct trap_frame *frame);

#endif
