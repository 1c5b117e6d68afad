/* SPDX-License-Identifier: MIT */
/* The parts of the test: one for each group of hypercalls. */
#ifndef REFUSALS_H
#define REFUSALS_H

#include "../lib/other.h"

#define NOWHERE ((void *)8)         /* an address that nothing is mapped at */

/* A page that begins with these bytes and can be read, but not answered into; then let go. */
void *unwritable(const void *bytes, size_t length);
void unwritable_end(void *page);
/* What the last refused call was told: for those that answer otherwise than by an errno. */
long last_error(void);
/* Here each negative result, errno or status, is also what is written down as the last refusal: the
 * caller's word, not a helper's. */
#undef CHECK_IS
#define CHECK_IS(expression, wanted) \
    judge(__FILE__, __LINE__, #expression, (long)(expression), (long)(wanted))
void judge(const char *file, int line, const char *what, long got, long wanted);

void refused_control(void);         /* domctl, sysctl, platform_op, console_io */
void refused_vcpus(void);           /* vcpu_op, sched_op, nmi_op, callback_op, multicall */
void refused_interrupts(void);      /* physdev_op */
void refused_memory(void);          /* memory_op, update_va_mapping */
void refused_sharing(void);         /* grant_table_op, event_channel_op */
void refused_answers(void);         /* whatever answers in its argument, which cannot be written */
void refused_to_the_dying(void);    /* whatever gives something to a domain on its way out */

#endif
