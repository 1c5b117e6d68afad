/* SPDX-License-Identifier: MIT */
/* Included before everything else of dom0's toolstack on the host: a name of its own that is one of
 * the C library's too, and what <dom0/base.h> has from the SDK in the guest. */
#ifndef TESTS_UNIT_TOOLSTACK_NAMES_H
#define TESTS_UNIT_TOOLSTACK_NAMES_H

#include <stdio.h>
#define rename toolstack_rename
#include <pvguest/bits.h>
#include <pvguest/mm.h>
#include <pvguest/string.h>

#endif
