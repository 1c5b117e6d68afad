/* SPDX-License-Identifier: MIT */
/*
 * What the machine and its domains look like: the tables behind `xl list`, `xl info`, `xl dmesg`.
 */
#ifndef DOM0_TOOLSTACK_INFO_H
#define DOM0_TOOLSTACK_INFO_H

#include "dom0/base.h"

/* The domains of these names (dom0's too), or all when there are none. */
void info_list(int count, char **word);

/* 0 or a negative errno of the hypervisor's. */
int info_machine(void);
int info_log(void);

#endif
