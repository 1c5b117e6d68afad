/* SPDX-License-Identifier: MIT */
/*
 * Rule 7: errors are born once. `return fail(-EINVAL, "the frame is not yours");` hands the errno
 * up and writes down in the current vCPU where and why, so that a puzzled guest can ask (hypercall
 * 55, DOMUS_last_error) and a debug build can print it.
 */
#ifndef DOMUS_LIB_FAIL_H
#define DOMUS_LIB_FAIL_H

#include "lib/types.h"
#include <abi/refusal.h>

int fail_at(int error, struct refusal *place) __attribute__((cold));
#define fail(error, why) ({ REFUSAL(place_, (why)); fail_at((error), &place_); })

/* Why the current vCPU was last refused something; "" when it never was. */
const char *last_reason(void);

#endif
