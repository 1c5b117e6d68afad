/* SPDX-License-Identifier: MIT */
/* The hypervisor's command line: dom0_mem=SIZE loglevel=N console=com1,BAUD. Unknown words are warned about. */
#ifndef DOMUS_LIB_PARAMS_H
#define DOMUS_LIB_PARAMS_H

#include "lib/types.h"

struct params {
    uint64_t dom0_memory;           /* bytes; 0: decide by the size of the machine */
    uint32_t baud;
};
extern struct params params;
void params_parse(const char *line);

#endif
