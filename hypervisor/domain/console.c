/* SPDX-License-Identifier: MIT */
/* The machine's console (machine/console.h) has its interrupt, or else a timer, and dom0 hears of
 * what is typed. */
#include "domain/console.h"
#include "domain/domain.h"
#include "domain/timers.h"
#include "lib/printk.h"
#include "machine/console.h"

#define LOOK_NS  20000000ul         /* between two looks at a line without an interrupt */

static struct timer looking;

static void typed(void)
{
    send_global_virq(VIRQ_CONSOLE);
}

static void look(void *unused)
{
    console_serve(NULL);
    timer_set(&looking, now_ns() + LOOK_NS);
}

void console_listen(void)
{
    if (console_start(typed)) return;
    log_warn("no interrupt for COM1: input is looked for 50 times a second, output is waited for");
    timer_init(&looking, NULL, look, NULL);
    look(NULL);
}
