/* SPDX-License-Identifier: MIT */
#include "code.h"
#include "machine.h"

void code_forget(struct machine *machine, uint64_t number)
{
    machine->code[number] = false;
}

void shadow_invalidated(struct machine *machine, uint64_t address, bool all)
{
}
