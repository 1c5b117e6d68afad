/* SPDX-License-Identifier: MIT */
/*
 * What the machine and its domains look like: the tables behind `xl list`, `xl info`, `xl dmesg`.
 */
#ifndef DOM0_TOOLSTACK_INFO_H
#define DOM0_TOOLSTACK_INFO_H

#include "dom0/base.h"

/* 0 or a negative errno of the hypervisor's. */
int info_list(void);
int info_machine(void);
int info_log(void);

#endif
