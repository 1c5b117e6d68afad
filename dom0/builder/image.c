/* SPDX-License-Identifier: MIT */
/*
 * Reads a kernel's ELF file (image.h). The notes are looked for in PT_NOTE segments, then in SHT_NOTE sections (some
 * linkers make no segment); kernels from before the notes carry a `__xen_guest` section with "KEY=value,..." text.
 */
#include "dom0/builder/image.h"
#include <xen/elfnote.h>

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, segments_at, sections_at;
    uint32_t flags;
    uint16_t size, segment_size, segment_count, section_size, section_count, section_names;
};

struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, va, pa, file_size, memory_size, align;
};

struct elf_section {
    uint32_t name, type;
    uint64_t flags, address, offset, size;
    uint32_t link, info;
    uint64_t align, entry_size;
};

struct elf_note {
    uint32_t owner_size, value_size, type;
};

enum { SEGMENT_LOAD = 1, SEGMENT_NOTE = 4, SECTION_NOTE = 7, MACHINE_X86_64 = 62 };

struct reader {
    const uint8_t *file;
    size_t size;
    struct elf_header header;
    struct image *image;
    bool notes;                         /* Any note of Xen's was found. */
};

/* Is [offset, offset + size) inside the file? */
static bool inside(const struct reader *reader, uint64_t offset, uint64_t size) {
    return offset <= reader->size && size <= reader->size - offset;
}

static bool read_segment(const struct reader *reader, unsigned i, struct elf_segment *segment) {
    uint64_t offset = reader->header.segments_at + (uint64_t)i * sizeof(*segment);

    if (offset < reader->header.segments_at || !inside(reader, offset, sizeof(*segment)))
        return false;
    memcpy(segment, reader->file + offset, sizeof(*segment));
    return true;
}

static bool read_section(const struct reader *reader, unsigned i, struct elf_section *section) {
    uint64_t offset = reader->header.sections_at + (uint64_t)i * sizeof(*section);

    if (offset < reader->header.sections_at || !inside(reader, offset, sizeof(*section)))
        return false;
    memcpy(section, reader->file + offset, sizeof(*section));
    return true;
}

/* --- notes --- */

static void take_note(struct reader *reader, uint32_t type, const uint8_t *value, uint32_t size) {
    struct image *image = reader->image;
    uint64_t number = 0;

    if (size <= sizeof(number))
        memcpy(&number, value, size);   /* Numbers come in 4 or 8 bytes, little-endian. */
    reader->notes = true;
    switch (type) {
    case XEN_ELFNOTE_ENTRY:          image->entry = number; break;
    case XEN_ELFNOTE_HYPERCALL_PAGE: image->hypercall_page = number; break;
    case XEN_ELFNOTE_VIRT_BASE:      image->virt_base = number; break;
    case XEN_ELFNOTE_PADDR_OFFSET:   image->paddr_offset = number; break;
    case XEN_ELFNOTE_INIT_P2M:       image->init_p2m = number; break;
    case XEN_ELFNOTE_MOD_START_PFN:  image->module_by_pfn = number != 0; break;
    default: break;
    }
}

/* Name and value are each padded to 4 bytes. */
static void take_notes(struct reader *reader, uint64_t offset, uint64_t size) {
    while (size >= sizeof(struct elf_note) && inside(reader, offset, size)) {
        struct elf_note note;
        uint64_t owner, value, whole;

        memcpy(&note, reader->file + offset, sizeof(note));
        owner = sizeof(note);
        value = owner + ((uint64_t)note.owner_size + 3) / 4 * 4;
        whole = value + ((uint64_t)note.value_size + 3) / 4 * 4;
        if (value + note.value_size > size)
            return;
        if (note.owner_size == 4 && !memcmp(reader->file + offset + owner, "Xen", 4))
            take_note(reader, note.type, reader->file + offset + value, note.value_size);
        if (whole >= size)
            return;
        offset += whole;
        size -= whole;
    }
}

/* "0x..." or decimal; stops at the first other character. */
static uint64_t text_number(const char *text, size_t size) {
    uint64_t number = 0, base = 10;
    size_t i = 0;

    if (size > 2 && text[0] == '0' && text[1] == 'x') {
        base = 16;
        i = 2;
    }
    for (; i < size; i++) {
        char c = text[i];
        uint64_t digit = c >= '0' && c <= '9' ? (uint64_t)(c - '0')
                         : (c | 32) >= 'a' && (c | 32) <= 'f' ? (uint64_t)((c | 32) - 'a' + 10) : 99;

        if (digit >= base)
            break;
        number = number * base + digit;
    }
    return number;
}

/* "GUEST_OS=...,VIRT_BASE=0x...,HYPERCALL_PAGE=0x2,..."; the page is a frame number there, not an address. */
static void take_guest_section(struct reader *reader, const char *text, size_t size) {
    static const struct { const char *key; uint32_t note; } keys[] = {
        { "VIRT_BASE=", XEN_ELFNOTE_VIRT_BASE },       { "VIRT_ENTRY=", XEN_ELFNOTE_ENTRY },
        { "ELF_PADDR_OFFSET=", XEN_ELFNOTE_PADDR_OFFSET }, { "HYPERCALL_PAGE=", XEN_ELFNOTE_HYPERCALL_PAGE },
    };
    struct image *image = reader->image;

    for (size_t at = 0; at < size && text[at]; at++) {
        for (size_t k = 0; k < ARRAY_COUNT(keys); k++) {
            size_t length = strlen(keys[k].key);

            if (length < size - at && !memcmp(text + at, keys[k].key, length)) {
                uint64_t value = text_number(text + at + length, size - at - length);

                take_note(reader, keys[k].note, (const uint8_t *)&value, sizeof(value));
            }
        }
        while (at < size && text[at] && text[at] != ',')
            at++;
    }
    reader->notes = true;
    if (image->paddr_offset == IMAGE_ABSENT)    /* The old convention: physical addresses are virtual ones. */
        image->paddr_offset = image->virt_base == IMAGE_ABSENT ? 0 : image->virt_base;
    if (image->hypercall_page != IMAGE_ABSENT)
        image->hypercall_page = image->hypercall_page * PAGE_BYTES +
                                (image->virt_base == IMAGE_ABSENT ? 0 : image->virt_base);
}

static bool named(const struct reader *reader, const struct elf_section *section, const char *name) {
    struct elf_section names;

    return read_section(reader, reader->header.section_names, &names) &&
           inside(reader, names.offset, names.size) && section->name < names.size &&
           strlen(name) + 1 <= names.size - section->name &&
           !memcmp(reader->file + names.offset + section->name, name, strlen(name) + 1);
}

static void find_notes(struct reader *reader) {
    struct elf_segment segment;
    struct elf_section section;

    for (unsigned i = 0; i < reader->header.segment_count && read_segment(reader, i, &segment); i++)
        if (segment.type == SEGMENT_NOTE)
            take_notes(reader, segment.offset, segment.file_size);
    for (unsigned i = 0; !reader->notes && i < reader->header.section_count && read_section(reader, i, &section); i++)
        if (section.type == SECTION_NOTE)
            take_notes(reader, section.offset, section.size);
    for (unsigned i = 0; !reader->notes && i < reader->header.section_count && read_section(reader, i, &section); i++)
        if (named(reader, &section, "__xen_guest") && inside(reader, section.offset, section.size))
            take_guest_section(reader, (const char *)reader->file + section.offset, section.size);
}

/* --- segments --- */

static const char *take_segments(struct reader *reader) {
    struct image *image = reader->image;
    struct elf_segment segment;

    image->low = UINT64_MAX;
    image->high = 0;
    for (unsigned i = 0; i < reader->header.segment_count; i++) {
        struct image_segment *out = &image->segment[image->segment_count];

        if (!read_segment(reader, i, &segment))
            return "its program headers are outside the file";
        if (segment.type != SEGMENT_LOAD || !segment.memory_size)
            continue;
        if (image->segment_count == IMAGE_MAX_SEGMENTS)
            return "it has too many segments";
        if (!inside(reader, segment.offset, segment.file_size) || segment.file_size > segment.memory_size)
            return "a segment is outside the file";
        out->va = segment.pa - image->paddr_offset + image->virt_base;
        out->memory_size = segment.memory_size;
        out->file_size = segment.file_size;
        out->bytes = reader->file + segment.offset;
        /* No kernel needs 16 GiB; beyond it the sums of the layout could wrap. */
        if (out->va < image->virt_base || out->va - image->virt_base > 1ull << 34 || out->memory_size > 1ull << 34 ||
            out->va + out->memory_size < out->va)
            return "a segment lies outside what VIRT_BASE and PADDR_OFFSET allow";
        if (out->va < image->low)
            image->low = out->va;
        if (out->va + out->memory_size > image->high)
            image->high = out->va + out->memory_size;
        image->segment_count++;
    }
    return image->segment_count ? NULL : "it has nothing to load";
}

int image_parse(const uint8_t *file, size_t size, struct image *image, const char **why) {
    struct reader reader = { .file = file, .size = size, .image = image };

    memset(image, 0, sizeof(*image));
    image->virt_base = image->entry = image->hypercall_page = image->init_p2m = image->paddr_offset = IMAGE_ABSENT;
    *why = "it is no ELF file";
    if (size < sizeof(reader.header) || memcmp(file, "\177ELF", 4))
        return -ENOEXEC;
    memcpy(&reader.header, file, sizeof(reader.header));
    *why = "it is no ELF file for x86-64";
    if (reader.header.ident[4] != 2 || reader.header.ident[5] != 1 || reader.header.machine != MACHINE_X86_64)
        return -ENOEXEC;
    *why = "its program headers are of a wrong size";
    if (reader.header.segment_size != sizeof(struct elf_segment) ||
        (reader.header.section_count && reader.header.section_size != sizeof(struct elf_section)))
        return -ENOEXEC;
    find_notes(&reader);
    *why = "it has no Xen ELF notes: it is not a PV kernel";
    if (!reader.notes)
        return -ENOEXEC;
    if (image->virt_base == IMAGE_ABSENT)
        image->virt_base = 0;
    if (image->paddr_offset == IMAGE_ABSENT)
        image->paddr_offset = 0;
    if (image->entry == IMAGE_ABSENT)
        image->entry = reader.header.entry;
    *why = take_segments(&reader);
    if (*why)
        return -ENOEXEC;
    *why = "its entry or its hypercall page is outside its segments";
    if (image->entry < image->low || image->entry >= image->high)
        return -ENOEXEC;
    if (image->hypercall_page != IMAGE_ABSENT &&
        (image->hypercall_page < image->low || image->hypercall_page >= image->high ||
         image->hypercall_page % PAGE_BYTES))
        return -ENOEXEC;
    *why = NULL;
    return 0;
}
