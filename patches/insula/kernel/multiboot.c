/* SPDX-License-Identifier: MIT */
/* What the boot loader tells us: the command line, the memory map, a module. The information is a
 * list of tagged records, 8-byte aligned, anywhere in low memory; we copy what we need before that
 * memory is used for pages. */
#include "kernel.h"

struct tag { u32 type, size; };
enum { TAG_END = 0, TAG_COMMAND_LINE = 1, TAG_MODULE = 3, TAG_MEMORY_MAP = 6 };
struct module_tag { struct tag tag; u32 start, end; };
struct map_entry { u64 base, length; u32 type, zero; };
struct map_tag { struct tag tag; u32 entry_size, version; struct map_entry entries[]; };

extern char kernel_end[];

/* We use one region: the one that holds the kernel, from 1 MiB up to the first hole (at most 3 GiB
 * on a PC). */
static void take_memory_map(const struct map_tag *map)
{
    const u8 *end = (const u8 *)map + map->tag.size;

    for (const u8 *at = (const u8 *)map->entries; at < end; at += map->entry_size) {
        const struct map_entry *entry = (const struct map_entry *)at;
        if (entry->type == 1 && entry->base <= 0x100000 && entry->base + entry->length > 0x100000)
            memory_end = PAGE_FLOOR(entry->base + entry->length);
    }
}

void boot_information(u64 info)
{
    u8 *at = to_virtual(info), *end = at + *(u32 *)at;

    memory_start = to_physical(kernel_end);
    for (at += 8; at < end; at += (((struct tag *)at)->size + 7) & ~7u) {
        const struct tag *tag = (struct tag *)at;
        if (tag->type == TAG_END)
            break;
        if (tag->type == TAG_COMMAND_LINE)
            strlcpy(boot_arguments, (const char *)(tag + 1), sizeof boot_arguments);
        if (tag->type == TAG_MEMORY_MAP)
            take_memory_map((const struct map_tag *)tag);
        if (tag->type == TAG_MODULE) {
            const struct module_tag *module = (const struct module_tag *)tag;
            ram_image = to_virtual(module->start);
            ram_image_size = module->end - module->start;
            if (memory_start < PAGE_CEILING(module->end))
                memory_start = PAGE_CEILING(module->end);
        }
    }
    if (memory_start >= memory_end)
        kpanic("no memory map from the boot loader");
}
