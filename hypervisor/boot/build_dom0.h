/* SPDX-License-Identifier: MIT */
/* The builder of the control domain (boot/build_dom0.c). */
#ifndef DOMUS_BOOT_BUILD_DOM0_H
#define DOMUS_BOOT_BUILD_DOM0_H

#include "machine/boot_info.h"

/* Makes dom0 from a kernel and, unless NULL, its archive; it is ready to run. Switches the machine
 * off when it cannot. */
void build_dom0(const struct module *kernel, const struct module *archive);

#endif
