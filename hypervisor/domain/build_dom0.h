/* SPDX-License-Identifier: MIT */
/* The builder of the control domain (domain/build_dom0.c). */
#ifndef DOMUS_DOMAIN_BUILD_DOM0_H
#define DOMUS_DOMAIN_BUILD_DOM0_H

#include "machine/boot_info.h"

/* Makes dom0 from a kernel and, unless NULL, its archive; it is ready to run. Switches the machine
 * off when it cannot. */
void build_dom0(const struct module *kernel, const struct module *archive);

#endif
