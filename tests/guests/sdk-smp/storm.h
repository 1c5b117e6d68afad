/* SPDX-License-Identifier: MIT */
/* What the vCPUs of this test do all at once (storm.c), and what each of them has seen. */
#ifndef STORM_H
#define STORM_H

#include "../lib/test.h"
#include <pvguest/smp.h>

#define MOST   4U
#define ROUNDS 6U

struct seen {
    unsigned int id;            /* the vCPU */
    unsigned int checks, failures;
    const char *first_failure;  /* its words */
    int line;
    uint64_t random;
};
extern struct seen seen[MOST];
extern unsigned int running;    /* vCPUs 0 to running - 1 take part */

/* As CHECK, on any vCPU: vCPU 0 tells at the end (test.h counts and prints as one vCPU does). */
#define EXPECT(me, condition) expect(me, condition, __LINE__, #condition)
bool expect(struct seen *me, bool holds, int line, const char *words);

void storm_prepare(void);
/* On each vCPU, in an order of its own, everything ROUNDS times. */
void storm(void *me);
/* On vCPU 0, when all are done. */
void storm_judge(void);

#endif
