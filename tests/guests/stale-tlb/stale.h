/* SPDX-License-Identifier: MIT */
#ifndef STALE_H
#define STALE_H

#include "../lib/test.h"

/* The page's own mapping is writable again, and flushed on this CPU. */
void use_again(uint64_t *page);
void with_a_second_vcpu(void);

#endif
