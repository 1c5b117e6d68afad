/* SPDX-License-Identifier: MIT */
/* IPv4 addresses as operators write and read them; here each is a number, 10.0.2.10 is 0x0a00020a.
 * Pure. */
#ifndef DOM0_CONFIG_ADDRESS_H
#define DOM0_CONFIG_ADDRESS_H

#include "dom0/base.h"

#define ADDRESS_TEXT 16u                /* Bytes of one that is written, with its NUL. */

/* Four numbers with dots between them; `*at` is then behind them, or where they are none: false. */
bool address_take(const char **at, uint32_t *address);

/* "10.0.2.10", or "10.0.2.10/24" as other systems want it: who only knows his own net does not need
 * to know how large it is. */
bool address_parse(const char *text, uint32_t *address);

/* Writes it; the text. */
const char *address_text(uint32_t address, char text[ADDRESS_TEXT]);

#endif
