/* SPDX-License-Identifier: MIT */
/*
 * What a boot loader does: Multiboot2 (specification 2.0). The kernel is an ELF file of 64
 * bits; its segments go where their physical addresses say. Behind it come the module and the
 * information, each at a page of its own. The processor then stands at the entry as chapter 3.3 has
 * it. Every number in the file may be anything: what does not lie in memory is refused.
 */
#include <pvguest/errno.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>
#include "elf.h"
#include "interpret.h"
#include "machine.h"

#define HEADER_MAGIC 0xe85250d6u
#define LOADER_MAGIC 0x36d76289u
enum { HEADER_WITHIN = 32768, TAG_END = 0, TAG_ADDRESS = 2, TAG_ENTRY = 3, OPTIONAL = 1 };

struct loaded {
    uint64_t entry, end;        /* where it begins, and the first byte behind it */
    const char *why;
};

static int no(struct loaded *loaded, int error, const char *why)
{
    loaded->why = why;
    return error;
}

struct header_tag { uint16_t type, flags; uint32_t size; };

/* What the header asks for: an entry of its own, perhaps; what we do not do, in no case. */
static int read_tags(struct loaded *loaded, const uint8_t *at, const uint8_t *end)
{
    struct header_tag tag;

    while ((size_t)(end - at) >= sizeof(tag)) {
        memcpy(&tag, at, sizeof(tag));
        if (tag.type == TAG_END) return 0;
        if (tag.size < sizeof(tag) || tag.size > (size_t)(end - at))
            break;
        if (tag.type == TAG_ENTRY && tag.size >= 12) {
            uint32_t entry;
            memcpy(&entry, at + 8, sizeof(entry));
            loaded->entry = entry;
        } else if (!(tag.flags & OPTIONAL) && (tag.type == TAG_ADDRESS || tag.type == 4 ||
                                               tag.type == 5)) {
            return no(loaded, refused(-EOPNOTSUPP),
                      "its multiboot2 header wants addresses of its own or a screen");
        }
        at += (tag.size + 7) & ~7u;
        if (at > end)
            break;
    }
    return no(loaded, refused(-ENOEXEC), "its multiboot2 header has no end");
}

static int read_header(struct loaded *loaded, struct image kernel)
{
    size_t within = kernel.size < HEADER_WITHIN ? kernel.size : HEADER_WITHIN;
    uint32_t header[4];

    for (size_t at = 0; at + sizeof(header) <= within; at += 8) {
        memcpy(header, kernel.bytes + at, sizeof(header));
        if (header[0] != HEADER_MAGIC || header[0] + header[1] + header[2] + header[3])
            continue;
        if (header[1]) return no(loaded, refused(-ENOEXEC), "it is not for x86");
        if (header[2] < sizeof(header) || header[2] > kernel.size - at)
            break;
        return read_tags(loaded, kernel.bytes + at + sizeof(header),
                         kernel.bytes + at + header[2]);
    }
    return no(loaded, refused(-ENOEXEC), "it has no multiboot2 header in its first 32 KiB");
}

static int load_segments(struct machine *machine, struct loaded *loaded, struct image kernel)
{
    struct elf elf;
    bool moved = false;
    uint64_t entry;

    if (!elf_open(&elf, kernel.bytes, kernel.size))
        return no(loaded, refused(-ENOEXEC), "it is not an ELF file of 64 bits for x86");
    loaded->entry = entry = elf.header.entry;
    for (unsigned int i = 0; i < elf.header.segments; i++) {
        struct elf_segment s;
        if (!elf_segment(&elf, i, &s))
            return no(loaded, refused(-ENOEXEC), "its program headers do not lie in the file");
        if (s.type != ELF_LOAD || !s.memory_size)
            continue;
        if (s.size > s.memory_size || s.physical + s.memory_size < s.physical ||
            memory_write(machine, s.physical, kernel.bytes + s.offset, s.size) != s.size ||
            s.physical + s.memory_size > machine->pages * PAGE)
            return no(loaded, refused(-ENOMEM), "it does not fit into the memory of the guest");
        if (loaded->end < s.physical + s.memory_size)
            loaded->end = s.physical + s.memory_size;
        if (!moved && entry >= s.address && entry - s.address < s.memory_size) {
            loaded->entry = s.physical + (entry - s.address);
            moved = true;
        }
    }
    return loaded->end ? 0 : no(loaded, refused(-ENOEXEC), "it has nothing to load");
}

/* --- the information (chapter 3.6) ----------------------------------------------------------- */

enum { COMMAND_LINE = 1, LOADER_NAME = 2, MODULE = 3, BASIC_MEMORY = 4, MEMORY_MAP = 6 };
enum { USABLE = 1, INFORMATION_MAX = 4096 };

struct information {
    uint8_t bytes[INFORMATION_MAX] __attribute__((aligned(8)));
    size_t size;
};

static void add_tag(struct information *info, uint32_t type, const void *data, size_t size,
                    const char *text)
{
    size_t length = text ? strlen(text) + 1 : 0, whole = 8 + size + length;
    uint32_t head[2] = { type, (uint32_t)whole };

    if (whole > INFORMATION_MAX - info->size - 8)       /* the arguments' length is judged before */
        return;
    memcpy(info->bytes + info->size, head, sizeof(head));
    memcpy(info->bytes + info->size + 8, data, size);
    memcpy(info->bytes + info->size + 8 + size, text, length);
    info->size += (whole + 7) & ~7ul;
}

static void tell(struct information *info, struct machine *machine, const char *arguments,
                 uint64_t module, uint64_t module_size)
{
    uint64_t end = machine->pages * PAGE;
    uint32_t basic[2] = { 639, (uint32_t)(end / 1024 - 1024) },
             place[2] = { (uint32_t)module, (uint32_t)(module + module_size) };
    struct { uint32_t entry_size, version; struct { uint64_t base, length; uint32_t type, zero; }
             entry[2]; } map = {
        24, 0, { { 0, 0x9fc00, USABLE, 0 }, { 0x100000, end - 0x100000, USABLE, 0 } },
    };

    info->size = 8;
    add_tag(info, COMMAND_LINE, NULL, 0, arguments);
    add_tag(info, LOADER_NAME, NULL, 0, "Domus monitor");
    if (module_size)
        add_tag(info, MODULE, place, sizeof(place), "module");
    add_tag(info, BASIC_MEMORY, basic, sizeof(basic), NULL);
    add_tag(info, MEMORY_MAP, &map, sizeof(map), NULL);
    add_tag(info, TAG_END, NULL, 0, NULL);
    memcpy(info->bytes, &info->size, sizeof(uint32_t));
}

int load_kernel(struct machine *machine, struct image kernel, struct image module,
                const char *arguments, const char **why)
{
    static struct information info;
    struct loaded loaded = { 0 };
    uint64_t at, module_at;
    int error = load_segments(machine, &loaded, kernel);

    if (!error)
        error = read_header(&loaded, kernel);
    *why = loaded.why;
    if (error) return error;
    module_at = (loaded.end + PAGE - 1) & ~(PAGE - 1);
    if (module_at < 0x100000)
        module_at = 0x100000;
    at = (module_at + module.size + PAGE - 1) & ~(PAGE - 1);
    tell(&info, machine, arguments, module_at, module.size);
    if (loaded.entry >> 32) {
        *why = "its entry is not in what is loaded of it";
        return refused(-ENOEXEC);
    }
    if (memory_write(machine, module_at, module.bytes, module.size) != module.size ||
        memory_write(machine, at, info.bytes, info.size) != info.size) {
        *why = "its module and the boot information do not fit into the memory of the guest";
        return refused(-ENOMEM);
    }
    machine->vcpu.rip = loaded.entry;
    machine->vcpu.general[RAX] = LOADER_MAGIC;
    machine->vcpu.general[RBX] = at;
    return 0;
}
