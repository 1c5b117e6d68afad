/* SPDX-License-Identifier: MIT */
/*
 * The console daemon: dom0's end of every guest's console ring (<xen/io/console.h>).
 *
 * What a guest prints is kept in a bounded log, shown line by line on the terminal when that is on
 * ("(name) text"), and shown as it is to an operator who has attached himself.
 */
#ifndef DOM0_CONSOLE_GUESTS_H
#define DOM0_CONSOLE_GUESTS_H

#include "dom0/base.h"
#include <pvguest/xen.h>

struct guest_console;

/* Guests' lines on the terminal: on or off for all. */
void guest_consoles_show(bool on);
bool guest_consoles_shown(void);

/* Maps the ring and binds the port of a new guest. 0 or a negative errno. */
int guest_console_open(domid_t domid, const char *name, unsigned long mfn, evtchn_port_t port,
                       struct guest_console **console);

/*
 * Of a guest that speaks no more: has its ring been emptied, so that its last words stand before
 * the news of its end? False: ask again, its turns see to it. That lasts no longer than half a
 * second, for which the terminal is waited for, and a hundred looks; nor than for a ring's worth,
 * whoever else may write there.
 */
bool guest_console_is_drained(struct guest_console *console);

/* It was not its end: those were not its last words. */
void guest_console_goes_on(struct guest_console *console);

void guest_console_rename(struct guest_console *console, const char *name);

/* Prints what a guest said last: of one that lives, or of one of the few that ended last. False:
 * not known. */
bool guest_console_show_log(const char *name);

/* Lets go of the ring. Whoever is attached comes back. */
void guest_console_close(struct guest_console *console);

/*
 * Types a key at a guest's console, and waits until the guest has said the same character, or is
 * gone, or so many nanoseconds are over: false then, and when somebody else is doing the same.
 * Sleeps.
 */
bool guest_console_type(struct guest_console *console, char key, uint64_t patience);

/* Shows the log and joins terminal and guest until Ctrl-] or the guest's end. Sleeps; main thread
 * only. */
void guest_console_attach(struct guest_console *console);

#endif
