/* SPDX-License-Identifier: MIT */
/* Opening the file; parts and what surrounds them. The symbols are in symbols.c. */
#include "image.h"
#include "grow.h"
#include "limits.h"
#include "symbols.h"
#include <errno.h>
#include <gelf.h>
#include <stdarg.h>
#include <string.h>

#define MOST_BYTES (4ul << 30)

void image_note(struct image *image, const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    char **note = GROW(image->notes, image->note_count);
    *note = needed(text);
}

const char *string_at(const Elf_Data *table, uint64_t at)
{
    if (!table || !table->d_buf || at >= table->d_size) return NULL;
    const char *text = (const char *)table->d_buf + at;
    size_t left = table->d_size - at, most = left < LONGEST_NAME ? left : LONGEST_NAME;

    if (strnlen(text, most) < most) return text;
    return left > LONGEST_NAME ? "(a name that is too long)" : NULL;
}

/* The part's bytes are in the file. libelf knows where sections are, and believes what they say. */
static bool in_file(const struct image *image, uint64_t offset, uint64_t size)
{
    return offset <= image->size && size <= image->size - offset;
}

static void add_part(struct image *image, const char *name, size_t section, uint64_t address,
                     uint64_t offset, uint64_t size)
{
    if (size == 0) return;
    if (!in_file(image, offset, size)) {
        uint64_t there = offset < image->size ? image->size - offset : 0;
        image_note(image, "%s goes beyond the end of the file: %llu of its %llu bytes are scanned",
                   name, (unsigned long long)there, (unsigned long long)size);
        size = there;
        if (!there) return;
    }
    if (address + size < address) {
        image_note(image, "%s goes beyond the end of the address space: not scanned", name);
        return;
    }
    struct part *part = GROW(image->parts, image->part_count);
    *part = (struct part){ .name = name, .address = address, .size = size, .offset = offset,
        .bytes = image->bytes + offset, .section = section, .bits = image->bits };
}

static struct choice *choice_of(struct choice *choices, const char *section)
{
    for (; choices->section; choices++)
        if (strcmp(choices->section, section) == 0) return choices;
    return NULL;
}

/* Not every producer marks code as executable: who enters the kernel there, does. */
static bool is_entered(struct image *image, const GElf_Shdr *header, const char *name)
{
    if (image->relocatable || !(header->sh_flags & SHF_ALLOC) ||
        image->entry - header->sh_addr >= header->sh_size)
        return false;
    image_note(image, "%s is not marked as executable, but the kernel is entered there: scanned",
               name);
    return true;
}

static void add_section(struct image *image, Elf_Scn *section, struct choice *choices)
{
    GElf_Shdr header;

    if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS) return;
    const char *name = string_at(image->names, header.sh_name);
    if (!name)
        name = "(section without a name)";
    struct choice *choice = choice_of(choices, name);
    if (!(header.sh_flags & SHF_EXECINSTR) && !choice && !is_entered(image, &header, name)) return;
    if (header.sh_flags & SHF_COMPRESSED) {
        image_note(image, "%s is compressed: not scanned", name);
        return;
    }
    size_t before = image->part_count;
    add_part(image, name, elf_ndxscn(section), image->relocatable ? 0 : header.sh_addr,
             header.sh_offset, header.sh_size);
    if (choice && image->part_count > before) {
        image->parts[before].bits = choice->bits;
        choice->used = true;
    }
}

static const char *unused(const struct choice *choices)
{
    static char words[120];

    for (; choices->section; choices++)
        if (!choices->used) {
            snprintf(words, sizeof(words), "there is no section %.60s with code", choices->section);
            return words;
        }
    return NULL;
}

static void add_segments(struct image *image)
{
    size_t count = 0;

    if (elf_getphdrnum(image->elf, &count))
        count = 0;
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr header;
        if (gelf_getphdr(image->elf, (int)i, &header) && header.p_type == PT_LOAD &&
            (header.p_flags & PF_X))
            add_part(image, "(segment)", SHN_UNDEF, header.p_vaddr, header.p_offset,
                     header.p_filesz);
    }
    if (image->part_count)
        image_note(image, "no executable sections: whole segments are scanned, data in them too");
}

static int by_place(const void *a, const void *b)
{
    const struct part *x = a, *y = b;

    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return x->size < y->size ? 1 : x->size > y->size ? -1 : 0;
}

/* Each byte of the file is scanned once, however many say that they have it. */
static void drop_overlapping(struct image *image)
{
    uint64_t end = 0;
    size_t left = 0;

    if (image->part_count)
        qsort(image->parts, image->part_count, sizeof(*image->parts), by_place);
    for (size_t i = 0; i < image->part_count; i++) {
        struct part *part = &image->parts[i];
        if (part->offset < end) {
            image_note(image, "%s lies over another part of the file: not scanned twice",
                       part->name);
            continue;
        }
        end = part->offset + part->size;
        image->parts[left++] = *part;
    }
    image->part_count = left;
}

struct range {
    uint64_t from, to;
};

static int by_start(const void *a, const void *b)
{
    const struct range *x = a, *y = b;

    return x->from < y->from ? -1 : x->from > y->from;
}

/* The executable segments' bytes in the file, in its order; who calls frees them. */
static struct range *executable(const struct image *image, size_t *found)
{
    struct range *ranges = NULL;
    size_t count = 0;

    *found = 0;
    if (elf_getphdrnum(image->elf, &count))
        count = 0;
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(image->elf, (int)i, &header) || header.p_type != PT_LOAD ||
            !(header.p_flags & PF_X) || !in_file(image, header.p_offset, header.p_filesz))
            continue;
        struct range *range = GROW(ranges, *found);
        *range = (struct range){ header.p_offset, header.p_offset + header.p_filesz };
    }
    if (*found)
        qsort(ranges, *found, sizeof(*ranges), by_start);
    return ranges;
}

/* How much of the executable segments no part covers: it could run, and is not looked at. Segments
 * and parts are walked side by side, in the order of the file. */
static void note_uncovered(struct image *image)
{
    size_t count, p = 0;
    struct range *ranges = executable(image, &count);
    uint64_t uncovered = 0, at = 0;                 /* all before `at` has been counted */

    for (size_t i = 0; i < count; i++) {
        if (at < ranges[i].from)
            at = ranges[i].from;
        while (at < ranges[i].to) {
            while (p < image->part_count && image->parts[p].offset + image->parts[p].size <= at)
                p++;
            const struct part *part = p < image->part_count ? &image->parts[p] : NULL;
            uint64_t next = part && part->offset < ranges[i].to ? part->offset : ranges[i].to;
            if (next > at)
                uncovered += next - at;
            at = next < ranges[i].to ? part->offset + part->size : next;
        }
    }
    free(ranges);
    if (uncovered)
        image_note(image, "%llu bytes of executable segments are in no executable section: not "
                   "scanned", (unsigned long long)uncovered);
}

static const char *check_header(struct image *image, const GElf_Ehdr *header)
{
    static char words[80];

    switch (header->e_machine) {
    case EM_X86_64: image->bits = 64; break;
    case EM_386: image->bits = 32; break;
    default:
        snprintf(words, sizeof(words), "not for x86, but for the machine with ELF's number %u",
                 header->e_machine);
        return words;
    }
    if (header->e_type == ET_CORE) return "a core file, not a program";
    image->relocatable = header->e_type == ET_REL;
    image->entry = header->e_entry;
    return NULL;
}

const char *image_from(struct image *image, const char *path, uint8_t *bytes, size_t size,
                       struct choice *choices)
{
    GElf_Ehdr header;
    size_t names;
    const char *problem;

    *image = (struct image){ .path = path, .bytes = bytes, .size = size };
    elf_version(EV_CURRENT);
    image->elf = size ? elf_memory((char *)bytes, size) : NULL;
    if (!image->elf || elf_kind(image->elf) == ELF_K_NONE) return "not an ELF file";
    if (elf_kind(image->elf) == ELF_K_AR) return "an archive: scan what is linked with it";
    if (!gelf_getehdr(image->elf, &header)) return "an ELF file with a broken header";
    if ((problem = check_header(image, &header))) return problem;
    if (elf_getshdrstrndx(image->elf, &names) == 0)
        image->names = elf_getdata(elf_getscn(image->elf, names), NULL);
    for (Elf_Scn *s = elf_nextscn(image->elf, NULL); s; s = elf_nextscn(image->elf, s))
        add_section(image, s, choices);
    if (!image->part_count)
        add_segments(image);
    drop_overlapping(image);
    if (!image->part_count) return "there is no code in it";
    if ((problem = unused(choices))) return problem;
    note_uncovered(image);
    read_symbols(image);
    read_kept(image);
    return NULL;
}

const char *image_open(struct image *image, const char *path, struct choice *choices)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    size_t size = 0, n;

    *image = (struct image){ .path = path };
    if (!file) return strerror(errno);
    do {
        size_t step = size < 1 << 20 ? 1 << 20 : size;
        bytes = needed(realloc(bytes, size + step));
        n = fread(bytes + size, 1, step, file);
        size += n;
    } while (n && size >= SELFMAG && memcmp(bytes, ELFMAG, SELFMAG) == 0 && size <= MOST_BYTES);
    bool failed = ferror(file);
    int error = errno;
    fclose(file);
    if (failed) {
        free(bytes);
        return strerror(error);
    }
    if (size > MOST_BYTES) {
        free(bytes);
        return "larger than any kernel: more than 4 GB";
    }
    limits_add(size);
    return image_from(image, path, needed(realloc(bytes, size + 1)), size, choices);
}

void image_close(struct image *image)
{
    for (size_t i = 0; i < image->part_count; i++)
        free(image->parts[i].symbols);
    for (size_t i = 0; i < image->note_count; i++)
        free(image->notes[i]);
    free(image->parts);
    free(image->notes);
    free(image->kept);
    elf_end(image->elf);
    free(image->bytes);
}
