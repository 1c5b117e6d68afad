/* SPDX-License-Identifier: MIT */
/*
 * Guest-physical memory: pages of the monitor's domain, in no order, and all that says where one
 * is. They are taken once, at the start, and given back by nobody: the domain ends with its guest.
 */
#include <pvguest/errno.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>
#include "code.h"
#include "machine.h"

enum { HOLE = 0xa0000 / 4096, HOLE_END = 0x100000 / 4096 };

int memory_create(struct machine *machine, uint64_t bytes)
{
    machine->pages = bytes / PAGE;
    machine->page = calloc(machine->pages, sizeof(*machine->page));
    machine->code = calloc(machine->pages, sizeof(*machine->code));
    if (!machine->page || !machine->code) return refused(-ENOMEM);
    for (uint64_t i = 0; i < machine->pages; i++) {
        if (i >= HOLE && i < HOLE_END)
            continue;
        machine->page[i] = alloc_zeroed_page();
        if (!machine->page[i]) return refused(-ENOMEM);
    }
    return 0;
}

uint8_t *memory_page(struct machine *machine, uint64_t physical, bool write)
{
    uint64_t number = physical / PAGE;

    if (number >= machine->pages) return NULL;
    if (write && machine->code[number])
        code_forget(machine, number);
    return machine->page[number];
}

static size_t copy(struct machine *machine, uint64_t physical, uint8_t *to, const uint8_t *from,
                   size_t size)
{
    size_t done = 0;

    while (done < size) {
        uint64_t offset = (physical + done) % PAGE, n = PAGE - offset;
        uint8_t *page = memory_page(machine, physical + done - offset, from != NULL);

        if (!page)
            break;
        if (n > size - done)
            n = size - done;
        if (from)
            memcpy(page + offset, from + done, n);
        else
            memcpy(to + done, page + offset, n);
        done += n;
    }
    return done;
}

size_t memory_read(struct machine *machine, uint64_t physical, void *to, size_t size)
{
    return copy(machine, physical, to, NULL, size);
}

size_t memory_write(struct machine *machine, uint64_t physical, const void *from, size_t size)
{
    return copy(machine, physical, NULL, from, size);
}
