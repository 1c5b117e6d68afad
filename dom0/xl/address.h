/* SPDX-License-Identifier: MIT */
/*
 * dom0's own address on the bridge: given by ip=ADDRESS on its command line, or by the command
 * `ip`, which also shows it.
 */
#ifndef DOM0_XL_ADDRESS_H
#define DOM0_XL_ADDRESS_H

#include <drivers/net.h>

/*
 * Once, behind br0_start(), with the same card. `ip`: the address to begin with, "" for none;
 * what is no address is said. 0, or -ENOSPC: the bridge is full.
 */
int address_start(const struct netport *card, const char *ip);

#endif
