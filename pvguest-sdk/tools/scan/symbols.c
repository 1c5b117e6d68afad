/* SPDX-License-Identifier: MIT */
/* The symbol table, or the dynamic one where that is all there is; and section .debug_pvguest_kept,
 * whose entries are an address (of the file's width) and the reason, a string that ends in NUL. */
#include "symbols.h"
#include "grow.h"
#include <gelf.h>
#include <string.h>

static int by_address(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;

    if (x->address != y->address) return x->address < y->address ? -1 : 1;
    if (x->data != y->data) return x->data - y->data;
    if (x->size != y->size) return x->size > y->size ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Where the symbol is: in its section's part; or in any segment, where parts are segments. */
static struct part *part_of(struct image *image, struct part *const *by_section, size_t sections,
                            const GElf_Sym *symbol)
{
    struct part *part = symbol->st_shndx < sections ? by_section[symbol->st_shndx] : NULL;

    for (size_t i = 0; !part && i < image->part_count; i++) {
        if (image->parts[i].section != SHN_UNDEF)
            break;
        if (symbol->st_value - image->parts[i].address < image->parts[i].size)
            part = &image->parts[i];
    }
    return part && symbol->st_value - part->address < part->size ? part : NULL;
}

static void add_symbol(struct image *image, struct part *part, const GElf_Shdr *table,
                       const GElf_Sym *symbol)
{
    int type = GELF_ST_TYPE(symbol->st_info);
    const char *name = elf_strptr(image->elf, table->sh_link, symbol->st_name);

    if (!part || !name || !*name) return;
    if (type != STT_FUNC && type != STT_NOTYPE && type != STT_OBJECT && type != STT_GNU_IFUNC)
        return;
    struct symbol *added = GROW(part->symbols, part->symbol_count);
    *added = (struct symbol){ .address = symbol->st_value, .size = symbol->st_size, .name = name,
        .data = type == STT_OBJECT && symbol->st_size };
    image->symbol_count++;
}

static bool read_table(struct image *image, struct part *const *by_section, size_t sections,
                       GElf_Word type)
{
    size_t before = image->symbol_count;

    for (Elf_Scn *s = elf_nextscn(image->elf, NULL); s; s = elf_nextscn(image->elf, s)) {
        GElf_Shdr header;
        GElf_Sym symbol;
        Elf_Data *data;
        if (!gelf_getshdr(s, &header) || header.sh_type != type || !(data = elf_getdata(s, NULL)))
            continue;
        for (int i = 0; gelf_getsym(data, i, &symbol); i++)
            if (symbol.st_shndx != SHN_ABS && symbol.st_shndx != SHN_UNDEF)
                add_symbol(image, part_of(image, by_section, sections, &symbol), &header, &symbol);
    }
    return image->symbol_count > before;
}

static void sort_symbols(struct image *image)
{
    for (size_t i = 0; i < image->part_count; i++) {
        struct part *part = &image->parts[i];
        if (part->symbol_count)
            qsort(part->symbols, part->symbol_count, sizeof(*part->symbols), by_address);
        else if (image->symbol_count)
            image_note(image, "no symbols in %s", part->name);
    }
}

void read_symbols(struct image *image)
{
    size_t sections = 0;

    if (elf_getshdrnum(image->elf, &sections))
        sections = 0;
    struct part **by_section = needed(calloc(sections + 1, sizeof(*by_section)));
    for (size_t i = 0; i < image->part_count; i++)
        if (image->parts[i].section != SHN_UNDEF && image->parts[i].section < sections)
            by_section[image->parts[i].section] = &image->parts[i];
    if (!read_table(image, by_section, sections, SHT_SYMTAB) &&
        !read_table(image, by_section, sections, SHT_DYNSYM))
        image_note(image, "no symbols: functions have no names, data in the text is taken for "
                   "code, and there are no guesses");
    free(by_section);
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
    if (!low) return NULL;
    const struct symbol *found = &part->symbols[low - 1];
    while (found > part->symbols && found[-1].address == found->address)
        found--;                            /* of several names the first one */
    return found;
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
        length = strnlen((const char *)at, left);
        if (length == left) {
            image_note(image, "what is kept on purpose breaks off in a reason");
            return;
        }
        struct kept *kept = GROW(image->kept, image->kept_count);
        *kept = (struct kept){ .address = address, .reason = (const char *)at };
    }
}

void read_kept(struct image *image)
{
    for (Elf_Scn *s = elf_nextscn(image->elf, NULL); s; s = elf_nextscn(image->elf, s)) {
        GElf_Shdr header;
        Elf_Data *data;
        if (!gelf_getshdr(s, &header))
            continue;
        const char *name = elf_strptr(image->elf, image->names, header.sh_name);
        if (!name || strcmp(name, ".debug_pvguest_kept"))
            continue;
        if (image->relocatable)
            image_note(image, "not linked: what is kept on purpose is not known");
        else if ((header.sh_flags & SHF_COMPRESSED) && elf_compress(s, 0, 0) < 0)
            image_note(image, "what is kept on purpose cannot be unpacked");
        else if ((data = elf_getdata(s, NULL)))
            read_kept_section(image, data);
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
