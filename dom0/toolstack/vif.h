/* SPDX-License-Identifier: MIT */
/* The values of a vif's words in a configuration, as Xen's xl reads them. Pure. */
#ifndef DOM0_TOOLSTACK_VIF_H
#define DOM0_TOOLSTACK_VIF_H

#include "dom0/base.h"

#define VIF_MAX_ADDRESSES 4u

/*
 * "10Mb/s", "250KB/s", "1MB/s@20ms": bits or bytes a second, in thousands, and how often they are handed out (s, ms, us; alone: seconds;
 * not given: 50 ms). To bytes an interval, and the interval. NULL, or what is wrong in xl's words.
 */
const char *vif_parse_rate(const char *text, uint64_t *bytes, uint32_t *usecs);

/* "10.0.2.30", or up to four with blanks between them. 0x0a00021e. False: they are none. */
bool vif_parse_addresses(const char *text, uint32_t address[VIF_MAX_ADDRESSES], unsigned *count);

#endif
