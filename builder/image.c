/* SPDX-License-Identifier: MIT */
/*
 * Reads a kernel's ELF file (image.h). The notes are looked for in PT_NOTE segments, then in
 * SHT_NOTE sections (some linkers make no segment); kernels from before the notes carry a
 * `__xen_guest` section with "KEY=value,..." text.
 */
#include "builder/image.h"
#include "builder/base.h"
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

enum { SEGMENT_LOAD = 1, SEGMENT_NOTE = 4, SECTION_NOTE = 7, MACHINE_X86_64 = 62, CLASS_32 = 1 };

#define BZIMAGE_MAGIC_AT 0x202

struct reader {
    const uint8_t *file;
    size_t size;
    struct elf_header header;
    struct image *image;
    bool notes;                         /* Any note of Xen's was found. */
    unsigned notes_seen;                /* Of anybody's. */
};

#define refuse(reader, ...) (say_why((reader)->image, __VA_ARGS__), refused(-ENOEXEC))

/* Is [offset, offset + size) inside the file? */
static bool inside(const struct reader *reader, uint64_t offset, uint64_t size)
{
    return lies_within(offset, size, reader->size);
}

static bool read_segment(const struct reader *reader, unsigned i, struct elf_segment *segment)
{
    uint64_t offset = sum_of(reader->header.segments_at, (uint64_t)i * sizeof(*segment));

    if (!inside(reader, offset, sizeof(*segment))) return false;
    memcpy(segment, reader->file + offset, sizeof(*segment));
    return true;
}

static bool read_section(const struct reader *reader, unsigned i, struct elf_section *section)
{
    uint64_t offset = sum_of(reader->header.sections_at, (uint64_t)i * sizeof(*section));

    if (!inside(reader, offset, sizeof(*section))) return false;
    memcpy(section, reader->file + offset, sizeof(*section));
    return true;
}

/* --- notes --- */

/* Where the value of a note goes, if it is one that matters here. */
static uint64_t *note_of(struct image *image, uint32_t type, const char **name)
{
    switch (type) {
    case XEN_ELFNOTE_ENTRY:          *name = "ENTRY"; return &image->entry;
    case XEN_ELFNOTE_HYPERCALL_PAGE: *name = "HYPERCALL_PAGE"; return &image->hypercall_page;
    case XEN_ELFNOTE_VIRT_BASE:      *name = "VIRT_BASE"; return &image->virt_base;
    case XEN_ELFNOTE_PADDR_OFFSET:   *name = "PADDR_OFFSET"; return &image->paddr_offset;
    case XEN_ELFNOTE_INIT_P2M:       *name = "INIT_P2M"; return &image->init_p2m;
    case XEN_ELFNOTE_MOD_START_PFN:  *name = "MOD_START_PFN"; return &image->module_by_pfn;
    default: return NULL;
    }
}

/* Numbers come in up to 8 bytes, little-endian. */
static int take_note(struct reader *reader, uint32_t type, const uint8_t *bytes, uint32_t size)
{
    const char *name;
    uint64_t *value = note_of(reader->image, type, &name);

    reader->notes = true;
    if (!value) return 0;
    if (size > sizeof(*value))
        return refuse(reader, "its note %s has %u bytes: a number has 8 at most", name, size);
    *value = 0;
    memcpy(value, bytes, size);
    return 0;
}

/* Name and value are each padded to 4 bytes. */
static int take_notes(struct reader *reader, uint64_t offset, uint64_t size)
{
    int error = 0;

    while (!error && size >= sizeof(struct elf_note) && inside(reader, offset, size)) {
        struct elf_note note;
        uint64_t owner, value, whole;

        if (reader->notes_seen++ == IMAGE_MAX_NOTES)
            return refuse(reader, "it has more than %u notes", IMAGE_MAX_NOTES);
        memcpy(&note, reader->file + offset, sizeof(note));
        owner = sizeof(note);
        value = sum_of(owner, rounded_up(note.owner_size, 4));
        whole = sum_of(value, rounded_up(note.value_size, 4));
        if (!lies_within(value, note.value_size, size)) return refused(0);
        if (note.owner_size == 4 && !memcmp(reader->file + offset + owner, "Xen", 4))
            error = take_note(reader, note.type, reader->file + offset + value, note.value_size);
        if (whole >= size) return error;
        offset += whole;
        size -= whole;
    }
    return error;
}

/* "0x..." or decimal; stops at the first other character. */
static uint64_t text_number(const char *text, size_t size)
{
    uint64_t number = 0, base = 10;
    size_t i = 0;

    if (size > 2 && text[0] == '0' && text[1] == 'x') {
        base = 16;
        i = 2;
    }
    for (; i < size; i++) {
        char c = text[i];
        uint64_t digit = c >= '0' && c <= '9'                 ? (uint64_t)(c - '0')
                         : (c | 32) >= 'a' && (c | 32) <= 'f' ? (uint64_t)((c | 32) - 'a' + 10)
                                                              : 99;

        if (digit >= base)
            break;
        number = sum_of(product_of(number, base), digit);
    }
    return number;
}

/* "GUEST_OS=...,VIRT_BASE=0x...,HYPERCALL_PAGE=0x2,..."; the page is a frame number there, not an
 * address. */
static int take_guest_section(struct reader *reader, const char *text, size_t size)
{
    static const struct { const char *key; uint32_t note;
    } keys[] = {
        { "VIRT_BASE=", XEN_ELFNOTE_VIRT_BASE },
        { "VIRT_ENTRY=", XEN_ELFNOTE_ENTRY },
        { "ELF_PADDR_OFFSET=", XEN_ELFNOTE_PADDR_OFFSET },
        { "HYPERCALL_PAGE=", XEN_ELFNOTE_HYPERCALL_PAGE },
    };
    struct image *image = reader->image;

    if (size > IMAGE_MAX_TEXT)
        return refuse(reader, "its section __xen_guest has %lu bytes: %u at most",
                      (unsigned long)size, IMAGE_MAX_TEXT);
    for (size_t at = 0; at < size && text[at]; at++) {
        for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
            size_t length = strlen(keys[k].key);

            if (length < size - at && !memcmp(text + at, keys[k].key, length)) {
                uint64_t value = text_number(text + at + length, size - at - length);

                /* 8 bytes are never too many */
                (void)take_note(reader, keys[k].note, (const uint8_t *)&value, sizeof(value));
            }
        }
        while (at < size && text[at] && text[at] != ',')
            at++;
    }
    reader->notes = true;
    /* The old convention: physical addresses are virtual ones. */
    if (image->paddr_offset == IMAGE_ABSENT)
        image->paddr_offset = image->virt_base == IMAGE_ABSENT ? 0 : image->virt_base;
    if (image->hypercall_page != IMAGE_ABSENT)
        image->hypercall_page = sum_of(product_of(image->hypercall_page, PAGE_BYTES),
                                       image->virt_base == IMAGE_ABSENT ? 0 : image->virt_base);
    return 0;
}

static bool named(const struct reader *reader, const struct elf_section *section, const char *name)
{
    struct elf_section names;

    return read_section(reader, reader->header.section_names, &names) &&
           inside(reader, names.offset, names.size) && section->name < names.size &&
           strlen(name) + 1 <= names.size - section->name &&
           !memcmp(reader->file + names.offset + section->name, name, strlen(name) + 1);
}

static int find_notes(struct reader *reader)
{
    struct elf_segment segment;
    struct elf_section section;
    int error = 0;

    for (unsigned i = 0;
         !error && i < reader->header.segment_count && read_segment(reader, i, &segment); i++)
        if (segment.type == SEGMENT_NOTE)
            error = take_notes(reader, segment.offset, segment.file_size);
    for (unsigned i = 0; !error && !reader->notes && i < reader->header.section_count &&
                         read_section(reader, i, &section);
         i++)
        if (section.type == SECTION_NOTE)
            error = take_notes(reader, section.offset, section.size);
    for (unsigned i = 0; !error && !reader->notes && i < reader->header.section_count &&
                         read_section(reader, i, &section);
         i++)
        if (named(reader, &section, "__xen_guest") && inside(reader, section.offset, section.size))
            error = take_guest_section(reader, (const char *)reader->file + section.offset,
                                       section.size);
    return error;
}

/* --- segments --- */

/* Where a segment comes to lie. The sums cannot hide anything: what is too large for them is too
 * large for a kernel. */
static int place_segment(struct reader *reader, const struct elf_segment *segment,
                         struct image_segment *out)
{
    struct image *image = reader->image;
    uint64_t offset = segment->pa - image->paddr_offset;

    if (segment->pa < image->paddr_offset)
        return refuse(reader,
                      "a segment's physical address, 0x%lx, is below the note PADDR_OFFSET, 0x%lx",
                      segment->pa, image->paddr_offset);
    if (sum_of(offset, segment->memory_size) > IMAGE_MAX_BYTES)
        return refuse(reader,
                      "a segment of %lu bytes at 0x%lx ends more than 16 GiB behind VIRT_BASE",
                      segment->memory_size, offset);
    if (!guest_may_map(image->virt_base, offset + segment->memory_size))
        return refuse(reader,
                      "a segment ends 0x%lx bytes behind the note VIRT_BASE, 0x%lx: it must lie %s",
                      offset + segment->memory_size, image->virt_base, GUEST_RANGES);
    out->va = image->virt_base + offset;
    out->memory_size = segment->memory_size;
    out->file_size = segment->file_size;
    out->bytes = reader->file + segment->offset;
    return 0;
}

static int take_segments(struct reader *reader)
{
    struct image *image = reader->image;
    struct elf_segment segment;
    int error;

    image->low = UINT64_MAX;
    for (unsigned i = 0; i < reader->header.segment_count; i++) {
        struct image_segment *out = &image->segment[image->segment_count];

        if (!read_segment(reader, i, &segment))
            return refuse(reader, "its program headers are outside the file");
        if (segment.type != SEGMENT_LOAD || !segment.memory_size)
            continue;
        if (image->segment_count == IMAGE_MAX_SEGMENTS)
            return refuse(reader, "it has too many segments to load: %u are allowed",
                          IMAGE_MAX_SEGMENTS);
        if (!inside(reader, segment.offset, segment.file_size))
            return refuse(reader, "a segment is outside the file: %lu bytes at 0x%lx",
                          segment.file_size, segment.offset);
        if (segment.file_size > segment.memory_size)
            return refuse(reader,
                          "a segment has %lu bytes in the file, more than the %lu it has in memory",
                          segment.file_size, segment.memory_size);
        error = place_segment(reader, &segment, out);
        if (error) return error;
        if (out->va < image->low)
            image->low = out->va;
        if (out->va + out->memory_size > image->high)
            image->high = out->va + out->memory_size;
        image->segment_count++;
    }
    return image->segment_count ? 0 : refuse(reader, "it has nothing to load");
}

/* --- all of it --- */

/* Linux's packed kernel, by its setup header (Documentation/arch/x86/boot.rst). */
static bool is_bzimage(const struct reader *reader)
{
    return inside(reader, BZIMAGE_MAGIC_AT, 4) &&
           !memcmp(reader->file + BZIMAGE_MAGIC_AT, "HdrS", 4);
}

static int check_header(struct reader *reader)
{
    struct elf_header *header = &reader->header;

    if (is_bzimage(reader))
        return refuse(reader, "it is a bzImage: what is wanted is the ELF file packed in it, which "
                              "`domus-image OUT.elf --bare FILE` takes out");
    if (reader->size < sizeof(*header) || memcmp(reader->file, "\177ELF", 4))
        return refuse(reader, "it is no ELF file");
    memcpy(header, reader->file, sizeof(*header));
    if (header->ident[4] == CLASS_32)
        return refuse(reader, "it is a kernel for 32 bits: PV guests here are x86-64 ones");
    if (header->ident[4] != 2 || header->ident[5] != 1 || header->machine != MACHINE_X86_64)
        return refuse(reader, "it is no ELF file for x86-64");
    if (header->segment_size != sizeof(struct elf_segment) ||
        (header->section_count && header->section_size != sizeof(struct elf_section)))
        return refuse(reader, "its program headers are of a wrong size");
    return 0;
}

/* What a note does not say has a value all the same. */
static void set_defaults(struct reader *reader)
{
    struct image *image = reader->image;

    if (image->virt_base == IMAGE_ABSENT)
        image->virt_base = 0;
    if (image->paddr_offset == IMAGE_ABSENT)
        image->paddr_offset = 0;
    if (image->entry == IMAGE_ABSENT)
        image->entry = reader->header.entry;
}

static int check_addresses(struct reader *reader)
{
    const struct image *image = reader->image;

    if (image->entry < image->low || image->entry >= image->high)
        return refuse(reader, "its entry, 0x%lx, is outside its segments, 0x%lx to 0x%lx",
                      image->entry, image->low, image->high);
    if (image->hypercall_page != IMAGE_ABSENT &&
        (image->hypercall_page % PAGE_BYTES || image->hypercall_page < image->low ||
         image->hypercall_page >= image->high))
        return refuse(reader,
                      "its note HYPERCALL_PAGE, 0x%lx, is no page in its segments, 0x%lx to 0x%lx",
                      image->hypercall_page, image->low, image->high);
    if (image->init_p2m != IMAGE_ABSENT &&
        (image->init_p2m % PAGE_BYTES || !guest_may_map(image->init_p2m, PAGE_BYTES)))
        return refuse(reader, "its note INIT_P2M, 0x%lx, must be a page %s", image->init_p2m,
                      GUEST_RANGES);
    return 0;
}

static int parse(struct reader *reader)
{
    int error = check_header(reader);

    error = error ? error : find_notes(reader);
    if (!error && !reader->notes)
        error = refuse(reader, "it has no Xen ELF notes: it is not a PV kernel");
    if (error) return error;
    set_defaults(reader);
    if (reader->image->virt_base % PAGE_BYTES ||
        !guest_may_map(reader->image->virt_base, PAGE_BYTES))
        return refuse(reader, "its note VIRT_BASE, 0x%lx, must be a page %s",
                      reader->image->virt_base, GUEST_RANGES);
    error = take_segments(reader);
    return error ? error : check_addresses(reader);
}

int image_parse(const uint8_t *file, size_t size, struct image *image, const char **why)
{
    struct reader reader = { .file = file, .size = size, .image = image };
    int error;

    memset(image, 0, sizeof(*image));
    image->virt_base = image->entry = image->hypercall_page = image->init_p2m =
        image->paddr_offset = IMAGE_ABSENT;
    error = parse(&reader);
    *why = error ? image->why : NULL;
    return error;
}
