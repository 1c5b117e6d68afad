/* SPDX-License-Identifier: MIT */
/* Memory at work, for a guest that is saved or moved meanwhile. */
#ifndef SPLIT_SAVED_MEMORY_H
#define SPLIT_SAVED_MEMORY_H

/* So far. */
extern volatile unsigned int memory_steps;

/* A thread of its own, for ever. `all`: it writes as much, and as fast, as it can. */
void memory_begin(bool all);

#endif
