/* SPDX-License-Identifier: MIT */
#ifndef DOMUS_CONTROL_AUDIT_H
#define DOMUS_CONTROL_AUDIT_H

#include "lib/types.h"
#include <abi/domus.h>

/* number of violations; prints the first ones */
uint64_t memory_audit(struct domus_audit *result);

#endif
