/* SPDX-License-Identifier: MIT */
#ifndef DOMUS_ENTRY_FAR_RETURN_H
#define DOMUS_ENTRY_FAR_RETURN_H

#include "domain/domain.h"

/* A page fault of ring 3 with a supervisor's error code on a guest's address: finish the IRET or
 * far RET. False: it is none. */
bool far_return(struct vcpu *v);

#endif
