/* SPDX-License-Identifier: MIT */
/* ELF64 (System V ABI, AMD64 supplement) and Xen's notes (<xen/elfnote.h>). Every offset is checked
 * against the image's size. */
#include "boot/elf.h"
#include "lib/string.h"
#include "lib/types.h"
#include <xen/elfnote.h>

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, program_headers, section_headers;
    uint32_t flags;
    uint16_t header_size, ph_size, ph_count, sh_size, sh_count, sh_names;
};

struct program_header {
    uint32_t type, flags;
    uint64_t offset, va, pa, file_size, memory_size, alignment;
};
struct section_header {
    uint32_t name, type;
    uint64_t flags, va, offset, size;
    uint32_t link, info;
    uint64_t alignment, entry_size;
};
struct note { uint32_t name_size, desc_size, type; };

#define PT_LOAD 1
#define PT_NOTE 4
#define SHT_NOTE 7
#define MACHINE_X86_64 62

static const struct program_header *header(const void *image, unsigned int i)
{
    const struct elf_header *e = image;
    return (const void *)((const uint8_t *)image + e->program_headers + (uint64_t)i * e->ph_size);
}

static const char *check(const void *image, uint64_t size)
{
    const struct elf_header *e = image;

    if (size < sizeof(*e) || memcmp(e->ident, "\177ELF\2\1", 6) != 0 ||
        e->machine != MACHINE_X86_64)
        return "not an ELF file for x86-64";
    if (e->ph_size < sizeof(struct program_header) || e->program_headers & 7 || e->ph_size & 7 ||
        !lies_within(e->program_headers, (uint64_t)e->ph_count * e->ph_size, size))
        return "its program headers are outside the file";
    for (unsigned int i = 0; i < e->ph_count; i++) {
        const struct program_header *p = header(image, i);
        if (!lies_within(p->offset, p->file_size, size)) return "a segment is outside the file";
        if (p->type == PT_LOAD &&
            (p->memory_size < p->file_size || sum_of(p->pa, p->memory_size) == BEYOND))
            return "a segment's size is impossible";
    }
    return NULL;
}

static void take_note(struct elf_facts *f, uint64_t *paddr_offset, uint32_t type, const void *desc,
                      uint32_t size)
{
    uint64_t value = 0;

    memcpy(&value, desc, MIN(size, 8u));
    switch (type) {
    case XEN_ELFNOTE_ENTRY: f->entry = value; break;
    case XEN_ELFNOTE_HYPERCALL_PAGE: f->hypercall_page = value; break;
    case XEN_ELFNOTE_VIRT_BASE: f->virt_base = value; break;
    case XEN_ELFNOTE_PADDR_OFFSET: *paddr_offset = value; break;
    case XEN_ELFNOTE_INIT_P2M: f->init_p2m = value; break;
    case XEN_ELFNOTE_MOD_START_PFN: f->module_unmapped = value != 0; break;
    default: break;
    }
}

/* Name and descriptor are each padded to four bytes. True: there was a note of Xen's. *left: how
 * many may still be looked at. */
static bool read_notes(struct elf_facts *f, uint64_t *paddr_offset, const uint8_t *notes,
                       uint64_t size, unsigned int *left)
{
    bool found = false;
    struct note n;

    for (uint64_t at = 0; *left && lies_within(at, sizeof(n), size); --*left) {
        uint64_t name, desc;

        memcpy(&n, notes + at, sizeof(n));
        name = at + sizeof(n);
        desc = sum_of(name, rounded_up(n.name_size, 4));
        if (!lies_within(desc, n.desc_size, size))
            break;
        if (n.name_size == 4 && memcmp(notes + name, "Xen", 4) == 0) {
            take_note(f, paddr_offset, n.type, notes + desc, n.desc_size);
            found = true;
        }
        at = sum_of(desc, rounded_up(n.desc_size, 4));
    }
    return found;
}

/* Some linkers make a section of the notes and no segment. Sections are nothing that loading needs:
 * what is wrong with one is passed over. */
static bool read_note_sections(struct elf_facts *f, uint64_t *paddr_offset, const void *image,
                               uint64_t size, unsigned int *left)
{
    const struct elf_header *e = image;
    struct section_header s;
    bool found = false;

    for (unsigned int i = 0; i < e->sh_count && e->sh_size >= sizeof(s); i++) {
        uint64_t at = sum_of(e->section_headers, (uint64_t)i * e->sh_size);

        if (!lies_within(at, sizeof(s), size))
            break;
        memcpy(&s, (const uint8_t *)image + at, sizeof(s));
        if (s.type == SHT_NOTE && lies_within(s.offset, s.size, size))
            found |= read_notes(f, paddr_offset, (const uint8_t *)image + s.offset, s.size, left);
    }
    return found;
}

/* Physical addresses from paddr_offset on become virtual ones from virt_base on: [low, high)
 * becomes [start, end). */
static const char *check_addresses(const struct elf_facts *f, uint64_t paddr_offset, uint64_t low,
                                   uint64_t high)
{
    if (f->virt_base % PAGE_SIZE || low < paddr_offset ||
        !guest_may_map(f->virt_base, high - paddr_offset))
        return "its notes VIRT_BASE and PADDR_OFFSET put it elsewhere than " GUEST_RANGES;
    if (f->entry < f->start || f->entry >= f->end) return "its entry is outside its segments";
    if (f->hypercall_page != ELF_NONE &&
        (f->hypercall_page % PAGE_SIZE || f->hypercall_page < f->start ||
         f->hypercall_page >= f->end))
        return "its note HYPERCALL_PAGE is no page of its segments";
    if (f->init_p2m != ELF_NONE &&
        (f->init_p2m % PAGE_SIZE || !guest_may_map(f->init_p2m, PAGE_SIZE)))
        return "its note INIT_P2M is no page " GUEST_RANGES;
    return NULL;
}

int elf_parse(const void *image, uint64_t size, struct elf_facts *f, const char **why)
{
    const struct elf_header *e = image;
    uint64_t paddr_offset = 0, low = ~0ul, high = 0;
    unsigned int notes = ELF_MAX_NOTES;
    bool xen = false;

    *why = check(image, size);
    if (*why) return -EINVAL;
    *f = (struct elf_facts){ .entry = e->entry, .hypercall_page = ELF_NONE, .init_p2m = ELF_NONE };
    for (unsigned int i = 0; i < e->ph_count; i++) {
        const struct program_header *p = header(image, i);

        if (p->type == PT_NOTE)
            xen |= read_notes(f, &paddr_offset, (const uint8_t *)image + p->offset, p->file_size,
                              &notes);
        if (p->type != PT_LOAD || p->memory_size == 0)
            continue;
        low = MIN(low, p->pa);
        high = MAX(high, p->pa + p->memory_size);
    }
    if (!xen)
        xen = read_note_sections(f, &paddr_offset, image, size, &notes);
    *why = !notes        ? "it has too many notes"
           : !xen        ? "it has no Xen ELF notes: not a PV kernel"
           : low >= high ? "nothing to load"
                         : NULL;
    if (*why) return -EINVAL;
    f->virt_offset = f->virt_base - paddr_offset;
    f->start = low + f->virt_offset;
    f->end = high + f->virt_offset;
    *why = check_addresses(f, paddr_offset, low, high);
    return *why ? -EINVAL : 0;
}

void elf_load(const void *image, const struct elf_facts *f,
              void (*copy)(void *arg, uint64_t va, const void *bytes, uint64_t n), void *arg)
{
    const struct elf_header *e = image;

    for (unsigned int i = 0; i < e->ph_count; i++) {
        const struct program_header *p = header(image, i);
        if (p->type == PT_LOAD && p->file_size)
            copy(arg, p->pa + f->virt_offset, (const uint8_t *)image + p->offset, p->file_size);
    }
}
