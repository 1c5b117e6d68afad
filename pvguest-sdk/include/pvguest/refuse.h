/* SPDX-License-Identifier: MIT */
/*
 * `return refused(-EINVAL);` turns down what somebody else has sent, written or said: a request, a
 * ring's index, a packet, a disk's table, a kernel's image, a device's answer. It is its value and
 * costs nothing. In a build for tests (COUNT_REFUSALS) it also counts, at a record of its line
 * (abi/refusal.h): what no test reaches is a failure (tests/README.md). Without a value to hand
 * on it is `refused((void)0);`.
 */
#ifndef PVGUEST_REFUSE_H
#define PVGUEST_REFUSE_H

#ifdef COUNT_REFUSALS
#include <abi/types.h>
#include <abi/refusal.h>
#define refused(answer) ({ REFUSAL(place_, NULL); place_.count++; (answer); })
#else
#define refused(answer) (answer)
#endif

#endif
