/* SPDX-License-Identifier: MIT */
/*
 * A guest that is saved, and restored: as another domain, in other machine frames, perhaps on
 * another machine and another day. What stays is all that has a virtual address or a pfn, and what
 * now_ns() says goes on. What a frame or a port is called does not stay: the library has its own
 * renewed (shared_info, p2m, console, XenStore with its watches, grant table, timer), and so have
 * the front ends of drivers/; ports that a program has bound are gone, grants that it has given
 * are void, and what it has mapped of others it must have unmapped. Hooks are for all that.
 *
 * For threads. Other vCPUs stand still meanwhile, outside of locks and handlers, and go on, or stay
 * stopped or down, as they were; with timers and calls. What one of them does with the numbers of
 * machine frames it must have finished before: by a hook, or with events masked.
 */
#ifndef PVGUEST_SUSPEND_H
#define PVGUEST_SUSPEND_H

#include <pvguest/list.h>

/*
 * What somebody has to do about it. Both run on the thread that suspends, may sleep, and may use
 * XenStore. `before`: the last registered one first; others run, so nothing may begin anew from
 * then on. `after`: in the order of registration; `restored` is false when all is as it was.
 */
struct suspend_hook {
    struct list link;
    void (*before)(struct suspend_hook *hook);                  /* or NULL */
    void (*after)(struct suspend_hook *hook, bool restored);    /* or NULL */
};
void suspend_hook(struct suspend_hook *hook);
void suspend_unhook(struct suspend_hook *hook);

/*
 * Now. 0: this is a new life; 1: the domain goes on as it was (it was a checkpoint, or saving
 * failed); -ENODEV: there is nobody who could save us (dom0), or what the hypervisor says.
 */
int suspend(void);

/* From now on a thread suspends when the toolstack asks for it (control/shutdown says "suspend";
 * other words are left to others), and the toolstack is told so. -ENODEV without a XenStore. */
int suspend_when_asked(void);

/* For who watches that word himself, and calls suspend(): the toolstack is told that he does, here
 * and where he is restored. Once; 0, or XenStore's error. */
int suspend_announce(void);

#endif
