/* SPDX-License-Identifier: MIT */
#ifndef DOMUS_DOMAIN_CONSOLE_H
#define DOMUS_DOMAIN_CONSOLE_H

/* From now on the serial line has interrupts, or is looked at often, and VIRQ_CONSOLE tells dom0 of
 * input. */
void console_listen(void);

#endif
