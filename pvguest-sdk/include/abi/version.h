/* SPDX-License-Identifier: MIT */
/*
 * Which Domus this is: said here, and nowhere else. The hypervisor's first line and `xl info`, the
 * kit's pvguest.pc and every tool's --version are made from it.
 */
#ifndef ABI_VERSION_H
#define ABI_VERSION_H

#define DOMUS_VERSION "0.3"

#endif
