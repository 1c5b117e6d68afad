/* SPDX-License-Identifier: MIT */
/* The symbol table, or the dynamic one where that is all there is; and section .debug_pvguest_kept,
 * whose entries are an address (of the file's width) and the reason, a string that ends in NUL. */
#include "symbols.h"
#include "grow.h"
#include <gelf.h>
#include <string.h>

#define MOST_UNPACKED (16u << 20)      /* bytes of reasons; compressed, they take fewer */

static int by_address(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;

    if (x->address != y->address) return x->address < y->address ? -1 : 1;
    if (x->data != y->data) return x->data - y->data;
    if (x->size != y->size) return x->size > y->size ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* To find the part of a symbol. */
struct places {
    struct part **by_section;           /* by the section's number */
    size_t sections;
    struct part **by_address;           /* those that are segments, by address */
    size_t segments;
};

static int by_start(const void *a, const void *b)
{
    const struct part *x = *(struct part *const *)a, *y = *(struct part *const *)b;

    return x->address < y->address ? -1 : x->address > y->address;
}

/* Where there are no sections, the segment that begins last at or before the address. */
static struct part *segment_of(const struct places *places, uint64_t address)
{
    size_t low = 0, high = places->segments;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (places->by_address[middle]->address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? places->by_address[low - 1] : NULL;
}

static struct part *part_of(const struct places *places, const GElf_Sym *symbol)
{
    struct part *part = symbol->st_shndx < places->sections ? places->by_section[symbol->st_shndx]
        : NULL;

    if (!part)
        part = segment_of(places, symbol->st_value);
    return part && symbol->st_value - part->address < part->size ? part : NULL;
}

static void find_places(struct places *places, const struct image *image)
{
    *places = (struct places){ 0 };
    if (elf_getshdrnum(image->elf, &places->sections))
        places->sections = 0;
    places->by_section = needed(calloc(places->sections + 1, sizeof(struct part *)));
    for (size_t i = 0; i < image->part_count; i++) {
        struct part *part = &image->parts[i];
        if (part->section != SHN_UNDEF && part->section < places->sections) {
            places->by_section[part->section] = part;
        } else if (part->section == SHN_UNDEF) {
            struct part **added = GROW(places->by_address, places->segments);
            *added = part;
        }
    }
    if (places->segments)
        qsort(places->by_address, places->segments, sizeof(struct part *), by_start);
}

/* Whether so many bytes more are read of the file's tables: all of them together are not longer
 * than the file, unless they lie over each other. */
static bool may_read(struct image *image, uint64_t size)
{
    if (size <= image->size - image->read) {
        image->read += size;
        return true;
    }
    if (!image->overlaid)
        image_note(image, "its tables are together longer than the file: not all of them are read");
    image->overlaid = true;
    return false;
}

static void add_symbol(struct image *image, struct part *part, const Elf_Data *names,
                       const GElf_Sym *symbol)
{
    int type = GELF_ST_TYPE(symbol->st_info);
    const char *name = string_at(names, symbol->st_name);

    if (!part || !name || !*name) return;
    if (type != STT_FUNC && type != STT_NOTYPE && type != STT_OBJECT && type != STT_GNU_IFUNC)
        return;
    struct symbol *added = GROW(part->symbols, part->symbol_count);
    *added = (struct symbol){ .address = symbol->st_value, .size = symbol->st_size, .name = name,
        .data = type == STT_OBJECT && symbol->st_size };
    image->symbol_count++;
}

static bool read_table(struct image *image, const struct places *places, GElf_Word type)
{
    size_t before = image->symbol_count;

    for (Elf_Scn *s = elf_nextscn(image->elf, NULL); s; s = elf_nextscn(image->elf, s)) {
        GElf_Shdr header;
        GElf_Sym symbol;
        Elf_Data *data;
        if (!gelf_getshdr(s, &header) || header.sh_type != type ||
            !may_read(image, header.sh_size) || !(data = elf_getdata(s, NULL)))
            continue;
        const Elf_Data *names = elf_getdata(elf_getscn(image->elf, header.sh_link), NULL);
        for (int i = 0; gelf_getsym(data, i, &symbol); i++)
            if (symbol.st_shndx != SHN_ABS && symbol.st_shndx != SHN_UNDEF)
                add_symbol(image, part_of(places, &symbol), names, &symbol);
    }
    return image->symbol_count > before;
}

/* Of several names of an address the first one is kept. */
static void join_names(struct part *part)
{
    size_t last = 0;

    for (size_t i = 1; i < part->symbol_count; i++)
        if (part->symbols[i].address != part->symbols[last].address)
            part->symbols[++last] = part->symbols[i];
    part->symbol_count = last + 1;
}

static void sort_symbols(struct image *image)
{
    for (size_t i = 0; i < image->part_count; i++) {
        struct part *part = &image->parts[i];
        if (part->symbol_count) {
            qsort(part->symbols, part->symbol_count, sizeof(*part->symbols), by_address);
            join_names(part);
        } else if (image->symbol_count) {
            image_note(image, "no symbols in %s", part->name);
        }
    }
}

void read_symbols(struct image *image)
{
    struct places places;

    find_places(&places, image);
    if (!read_table(image, &places, SHT_SYMTAB) && !read_table(image, &places, SHT_DYNSYM))
        image_note(image, "no symbols: functions have no names, data in the text is taken for "
                   "code, and there are no guesses");
    free(places.by_section);
    free(places.by_address);
    sort_symbols(image);
}

const struct symbol *part_symbol(const struct part *part, uint64_t address)
{
    size_t low = 0, high = part->symbol_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (part->symbols[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &part->symbols[low - 1] : NULL;
}

static int kept_by_address(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;

    return x->address < y->address ? -1 : x->address > y->address;
}

static void read_kept_section(struct image *image, const Elf_Data *data)
{
    const uint8_t *at = data->d_buf;
    size_t left = at ? data->d_size : 0, width = image->bits == 64 ? 8 : 4, length;

    for (; left > width; at += length + 1, left -= length + 1) {
        uint64_t address = 0;
        memcpy(&address, at, width);
        at += width;
        left -= width;
        length = strnlen((const char *)at, left < LONGEST_NAME ? left : LONGEST_NAME);
        if (length == left || length == LONGEST_NAME) {
            image_note(image, "what is kept on purpose breaks off in a reason");
            return;
        }
        struct kept *kept = GROW(image->kept, image->kept_count);
        *kept = (struct kept){ .address = address, .reason = (const char *)at };
    }
}

/* Its bytes, unpacked; NULL with a note why there are none. */
static const Elf_Data *kept_section(struct image *image, Elf_Scn *section, const GElf_Shdr *header)
{
    GElf_Chdr packed = { 0 };
    bool is_packed = header->sh_flags & SHF_COMPRESSED;

    if (image->relocatable) {
        image_note(image, "not linked: what is kept on purpose is not known");
        return NULL;
    }
    if (is_packed && !gelf_getchdr(section, &packed))
        packed.ch_size = UINT64_MAX;
    if (packed.ch_size <= MOST_UNPACKED && may_read(image, header->sh_size) &&
        (!is_packed || elf_compress(section, 0, 0) >= 0))
        return elf_getdata(section, NULL);
    image_note(image, "what is kept on purpose cannot be unpacked");
    return NULL;
}

/* The first such section is all there is: linkers make one of many. */
void read_kept(struct image *image)
{
    for (Elf_Scn *s = elf_nextscn(image->elf, NULL); s; s = elf_nextscn(image->elf, s)) {
        GElf_Shdr header;
        const Elf_Data *data;
        if (!gelf_getshdr(s, &header))
            continue;
        const char *name = string_at(image->names, header.sh_name);
        if (!name || strcmp(name, ".debug_pvguest_kept"))
            continue;
        if ((data = kept_section(image, s, &header)))
            read_kept_section(image, data);
        break;
    }
    if (image->kept_count)
        qsort(image->kept, image->kept_count, sizeof(*image->kept), kept_by_address);
}

const char *image_kept(const struct image *image, uint64_t address)
{
    struct kept key = { .address = address }, *found = NULL;

    if (image->kept_count)
        found = bsearch(&key, image->kept, image->kept_count, sizeof(*image->kept),
                        kept_by_address);
    return found ? found->reason : NULL;
}
