/* SPDX-License-Identifier: MIT */
/* The boot loader's tables (multiboot2 specification, 3.6 "Boot information"), copied into
 * boot_info. */
#include "boot/boot.h"
#include "lib/string.h"
#include "lib/layout.h"

struct boot_info boot_info;

enum {
    TAG_END = 0,
    TAG_COMMAND_LINE = 1,
    TAG_MODULE = 3,
    TAG_MEMORY_MAP = 6,
    TAG_ACPI_OLD = 14,
    TAG_ACPI_NEW = 15
};

struct tag { uint32_t type, size; uint8_t data[]; };
struct map_entry { uint64_t base, length; uint32_t type, reserved; };

static void read_map(const struct tag *t)
{
    const struct { uint32_t entry_size, version; } *head = (const void *)t->data;
    uint32_t left = t->size - MIN(t->size, (uint32_t)(sizeof(*t) + sizeof(*head)));
    const uint8_t *at = t->data + sizeof(*head);

    if (head->entry_size < sizeof(struct map_entry)) return;
    for (; left >= head->entry_size; at += head->entry_size, left -= head->entry_size) {
        struct map_entry e;

        memcpy(&e, at, sizeof(e));
        if (e.length == 0)
            continue;
        boot_info.map_cut = boot_info.region_count == BOOT_MAX_REGIONS;
        if (boot_info.map_cut) return;
        boot_info.regions[boot_info.region_count++] = (struct region){ e.base, e.base + e.length,
                                                                       e.type };
    }
}

/* There is nothing to complain on yet: main does. */
static void copy_line(char *to, const char *line, size_t size)
{
    if (strlcpy(to, line, size) >= size)
        boot_info.line_cut = true;
}

static void read_module(const struct tag *t)
{
    uint32_t range[2];
    struct module *m = &boot_info.modules[boot_info.module_count];

    if (boot_info.module_count == BOOT_MAX_MODULES) return;
    memcpy(range, t->data, 8);
    m->start = range[0];
    m->end = range[1];
    /* GRUB gives what follows the file's name, byte for byte: that is the kernel's command line. */
    copy_line(m->line, (const char *)t->data + 8, sizeof(m->line));
    boot_info.module_count++;
}

void multiboot_read(uint32_t info_address)
{
    const uint8_t *info = (const uint8_t *)(DIRECTMAP_VIRT + info_address);
    uint64_t size = *(const uint32_t *)(const void *)info;
    const struct tag *t;

    for (uint64_t at = 8; at + sizeof(*t) <= size; at += ROUND_UP((uint64_t)t->size, 8)) {
        t = (const void *)(info + at);
        if (t->type == TAG_END || t->size < sizeof(*t) || t->size > size - at) return;
        switch (t->type) {
        case TAG_COMMAND_LINE:
            copy_line(boot_info.command_line, (const char *)t->data,
                      sizeof(boot_info.command_line));
            break;
        case TAG_MEMORY_MAP: read_map(t); break;
        case TAG_MODULE: read_module(t); break;
        case TAG_ACPI_OLD: case TAG_ACPI_NEW:
            memcpy(boot_info.rsdp, t->data,
                   MIN(t->size - sizeof(*t), sizeof(boot_info.rsdp)));
            boot_info.have_rsdp = true;
            break;
        default: break;
        }
    }
}
