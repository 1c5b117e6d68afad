/* SPDX-License-Identifier: MIT */
/* A guest's instruction, fetched once and decoded from the copy. */
#ifndef DOMUS_EMULATE_FETCH_H
#define DOMUS_EMULATE_FETCH_H

#include "emulate/decode.h"
#include "lib/types.h"
#include "memory/access.h"

/* It may end right before an unmapped page: what lies behind the end of a page is read only when it
 * goes on there. False: not to be read, or not known. */
static inline bool fetch_insn(struct insn *insn, uint64_t rip, bool long_mode)
{
    uint8_t bytes[INSN_MAX_LENGTH];
    size_t here = MIN(PAGE_SIZE - rip % PAGE_SIZE, sizeof(bytes));
    enum decode_result result;

    if (copy_from_guest(bytes, VADDR(rip), here)) return false;
    result = decode_insn(insn, bytes, (unsigned int)here, long_mode);
    if (result != DECODE_SHORT) return result == DECODE_OK;
    if (copy_from_guest(bytes + here, VADDR(rip + here), sizeof(bytes) - here)) return false;
    return decode_insn(insn, bytes, sizeof(bytes), long_mode) == DECODE_OK;
}

#endif
