/* SPDX-License-Identifier: MIT */
/* exec: a new memory from an ELF file, with the arguments on its stack; the old memory goes when
 * nothing can fail. */
#include "kernel.h"

struct elf_header {
    u32 magic;
    u8 class, unused[11];
    u16 type, machine;
    u32 version;
    u64 entry, program_headers, section_headers;
    u32 flags;
    u16 size, program_header_size, program_header_count;
};

struct program_header {
    u32 type, flags;
    u64 offset, address, physical, file_size, memory_size, align;
};

enum { ELF_MAGIC = 0x464c457f, LOAD = 1, EXECUTE = 1, WRITE = 2, ARGUMENTS = 32 };

/* One segment, page by page, each filled through the direct map. */
static int load_segment(struct space *space, struct inode *inode,
                        const struct program_header *segment)
{
    u64 flags = (segment->flags & WRITE ? PTE_W : 0) | (segment->flags & EXECUTE ? 0 : PTE_XD);
    u64 end = segment->address + segment->memory_size;

    if (segment->address % PAGE_SIZE || segment->file_size > segment->memory_size ||
        segment->address < space->heap_end || end < segment->address || end > USER_STACK_TOP / 2)
        return -ENOEXEC;
    for (u64 done = 0; done < segment->memory_size; done += PAGE_SIZE) {
        u8 *page;
        int error = space_map_new(space, segment->address + done, flags, &page);
        if (error) return error;
        if (done >= segment->file_size)
            continue;
        u64 left = segment->file_size - done;
        u32 n = left < PAGE_SIZE ? (u32)left : (u32)PAGE_SIZE;
        if (inode_read(inode, page, 0, (u32)(segment->offset + done), n) != (int)n) return -ENOEXEC;
    }
    space->heap_end = PAGE_CEILING(end);
    return 0;
}

static int load(struct space *space, struct inode *inode, u64 *entry)
{
    struct elf_header elf;
    struct program_header segment;

    if (inode->type != TYPE_FILE || inode_read(inode, &elf, 0, 0, sizeof elf) != sizeof elf ||
        elf.magic != ELF_MAGIC)
        return -ENOEXEC;
    space->heap_end = USER_BASE;
    for (u32 i = 0; i < elf.program_header_count; i++) {
        u32 at = (u32)elf.program_headers + i * (u32)sizeof segment;
        if (inode_read(inode, &segment, 0, at, sizeof segment) != sizeof segment) return -ENOEXEC;
        if (segment.type != LOAD || segment.memory_size == 0)
            continue;
        int error = load_segment(space, inode, &segment);
        if (error) return error;
    }
    space->heap_start = space->heap_end;
    *entry = elf.entry;
    /* iretq wants it canonical */
    return elf.entry >= USER_BASE && elf.entry < space->heap_end ? 0 : -ENOEXEC;
}

/* Strings at the top of the stack, below them the array of pointers to them. Returns argc; *stack
 * is the array. */
static int push_arguments(struct space *space, char *const *arguments, u64 *stack)
{
    u64 pointers[ARGUMENTS + 1], at = USER_STACK_TOP;
    int count = 0;

    for (; arguments[count]; count++) {
        size_t n = strlen(arguments[count]) + 1;
        if (count == ARGUMENTS) return -E2BIG;
        at -= n;
        if (copy_to_space(space, at, arguments[count], n) < 0) return -E2BIG;
        pointers[count] = at;
    }
    pointers[count] = 0;
    at = (at - (u64)(count + 1) * 8) & ~15ul;
    if (copy_to_space(space, at, pointers, (u64)(count + 1) * 8) < 0) return -E2BIG;
    *stack = at;
    return count;
}

/* Returns argc (the new program finds it in RDI, argv in RSI), or an error with the old program
 * untouched. */
int exec_program(const char *path, char *const *arguments)
{
    struct space fresh, old = current->space;
    u64 entry = 0, stack = 0;
    int result;
    struct inode *inode;

    log_begin();
    inode = path_find(path);
    log_end();
    if (!inode) return -ENOENT;
    result = space_create(&fresh);
    if (!result) {
        inode_lock(inode);
        result = load(&fresh, inode, &entry);
        inode_unlock(inode);
        if (!result)
            result = push_arguments(&fresh, arguments, &stack);
        if (result < 0)
            space_free(&fresh);
    }
    log_begin();
    inode_put(inode);
    log_end();
    if (result < 0) return result;

    current->space = fresh;
    space_switch(&current->space);
    space_free(&old);
    memset(current->frame, 0, sizeof *current->frame);
    current->frame->rip = entry;
    current->frame->cs = USER_CODE;
    current->frame->ss = USER_DATA;
    /* as if called: the ABI wants 16-byte alignment before the call */
    current->frame->rsp = stack - 8;
    current->frame->rdi = (u64)result;
    current->frame->rsi = stack;
    current->frame->flags = FLAGS_IF;
    for (const char *c = path; *c; c++)
        if (*c == '/')
            path = c + 1;
    strlcpy(current->name, path, sizeof current->name);
    return result;
}
