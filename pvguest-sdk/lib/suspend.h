/* SPDX-License-Identifier: MIT */
/* What each file of the library does about being saved (lib/suspend.c). Inside the library only. */
#ifndef LIB_SUSPEND_H
#define LIB_SUSPEND_H

#include <stdbool.h>

/* Threads may run in between: xs_suspend. Afterwards events are masked until all is done. */
void xs_suspend(void);                  /* nothing is asked, nothing is owed */
void grants_suspend(void);              /* the table is unmapped */
/* A page of ours in the place of the hypervisor's, or that one again. */
void shared_info_suspend(void);
void shared_info_resume(void);

/* `restored`: as another domain. */
int grants_resume(void);
void events_resume(void);               /* restored: nobody has a port */
void time_resume(void);                 /* restored: the clock goes on; a new timer */
void console_resume(void);              /* restored: its port */
void own_domid_forget(void);
void xs_resume(bool restored);
void xs_watch_again(void);              /* restored: for threads; sleeps */

#endif
