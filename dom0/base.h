/* SPDX-License-Identifier: MIT */
/*
 * What every file of dom0 may take for granted: strings, memory, formatted text.
 *
 * dom0's pure parts (XenStore's tree, the parsers) are tested on the host under cmocka; there the C
 * library serves them. In the guest the SDK does, under the same names. This file is the only place
 * that knows the difference.
 */
#ifndef DOM0_BASE_H
#define DOM0_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <abi/sums.h>
#include <pvguest/bits.h>
#include <pvguest/refuse.h>

#if __STDC_HOSTED__
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#else
#include <pvguest/errno.h>
#include <pvguest/mm.h>
#include <pvguest/string.h>
#endif

#endif
