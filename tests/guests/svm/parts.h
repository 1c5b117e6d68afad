/* SPDX-License-Identifier: MIT */
/* The parts of this test, each in a file of its own. */
#ifndef PARTS_H
#define PARTS_H

#include "../lib/virtual.h"

void memory_rules(void);            /* what such a processor reaches */
void data_segments(void);           /* ours, while it runs */
void with_a_second_vcpu(void);

#endif
