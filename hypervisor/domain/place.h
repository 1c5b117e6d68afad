/* SPDX-License-Identifier: MIT */
/* What the two files of the policy have of each other: whose turn it is (policy.c), and on which
 * CPU (place.c). All under the policy's lock. */
#ifndef DOMUS_DOMAIN_PLACE_H
#define DOMUS_DOMAIN_PLACE_H

#include "domain/policy.h"

#define SLICE_NS (SLICE_MS * 1000000ul)

/* ---- policy.c ---- */

/* Who runs there may have had much since he was last charged. */
void account_if_late(struct cpu *cpu, uint64_t now);
void slices_end_by(uint64_t time);

/* ---- place.c ---- */

/* t has come to wait, or waits for something more urgent: some CPU looks at it, now or soon. */
void find_cpu(const struct turn *t, uint64_t now);
bool find_idle_cpu(const struct turn *t);
/* t runs where it would rather not, and a CPU that it prefers idles: it goes there. */
bool goes_home(const struct cpu *cpu, struct turn *t);
/* Who comes home to it, if he still waits: he does no more. */
struct turn *arrives(struct cpu *cpu);
/* A CPU has nothing to do: who runs elsewhere and prefers it is asked to look. */
void invite(const struct cpu *idle);

#endif
