/* SPDX-License-Identifier: MIT */
/* All line tables of all compilation units, as one sorted array: not every producer writes the
 * index by which libdw would find the unit of an address. */
#include "lines.h"
#include "grow.h"
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

struct line {
    uint64_t address;
    const char *file;           /* NULL: here a sequence ends */
    int line;
    bool ends;
};

struct lines {
    Dwarf *dwarf;
    struct line *items;
    size_t count;
    char here[PATH_MAX];        /* the current directory, which names need not repeat */
};

/* Where one sequence ends and another begins, the beginning counts. */
static int by_address(const void *a, const void *b)
{
    const struct line *x = a, *y = b;

    if (x->address != y->address) return x->address < y->address ? -1 : 1;
    return y->ends - x->ends;
}

static void add_table(struct lines *lines, Dwarf_Die *unit)
{
    Dwarf_Lines *table;
    size_t count;

    if (dwarf_getsrclines(unit, &table, &count)) return;
    for (size_t i = 0; i < count; i++) {
        Dwarf_Line *from = dwarf_onesrcline(table, i);
        Dwarf_Addr address;
        struct line to = { 0 };
        if (!from || dwarf_lineaddr(from, &address) || dwarf_lineno(from, &to.line) ||
            dwarf_lineendsequence(from, &to.ends))
            continue;
        to.address = address;
        to.file = to.ends ? NULL : dwarf_linesrc(from, NULL, NULL);
        struct line *added = GROW(lines->items, lines->count);
        *added = to;
    }
}

/* A unit's table of lines, where it begins in its section. */
struct table {
    Dwarf_Die unit;
    Dwarf_Word at;
};

static int by_place(const void *a, const void *b)
{
    const struct table *x = a, *y = b;

    return x->at < y->at ? -1 : x->at > y->at;
}

static struct table *tables_of(Dwarf *dwarf, size_t *count)
{
    struct table *tables = NULL;
    Dwarf_CU *cu = NULL;
    struct table next;
    Dwarf_Attribute where;

    *count = 0;
    while (dwarf_get_units(dwarf, cu, &cu, NULL, NULL, &next.unit, NULL) == 0)
        if (dwarf_attr(&next.unit, DW_AT_stmt_list, &where) &&
            dwarf_formudata(&where, &next.at) == 0) {
            struct table *table = GROW(tables, *count);
            *table = next;
        }
    if (*count)
        qsort(tables, *count, sizeof(*tables), by_place);
    return tables;
}

/* Every table once, however many units name it. Some lie in others where somebody wants a small
 * file to have more lines than anybody's memory: limits.h ends that. */
static void add_tables(struct lines *lines)
{
    size_t count;
    struct table *tables = tables_of(lines->dwarf, &count);

    for (size_t i = 0; i < count; i++)
        if (!i || tables[i].at != tables[i - 1].at)
            add_table(lines, &tables[i].unit);
    free(tables);
}

/* libdw would end the program with a status that says something else. */
__attribute__((noreturn)) static void no_memory(void)
{
    needed(NULL);
    abort();
}

struct lines *lines_open(struct image *image)
{
    struct lines *lines;
    Dwarf *dwarf = image->relocatable ? NULL : dwarf_begin_elf(image->elf, DWARF_C_READ, NULL);

    if (image->relocatable)
        image_note(image, "not linked: addresses are offsets in sections, and have no lines");
    else if (!dwarf)
        image_note(image, "no DWARF: no files and lines");
    if (!dwarf) return NULL;
    lines = needed(calloc(1, sizeof(*lines)));
    lines->dwarf = dwarf;
    dwarf_new_oom_handler(dwarf, no_memory);
    if (!getcwd(lines->here, sizeof(lines->here)))
        lines->here[0] = 0;
    add_tables(lines);
    if (lines->count)
        qsort(lines->items, lines->count, sizeof(*lines->items), by_address);
    else
        image_note(image, "DWARF without lines that can be read: no files and lines");
    return lines;
}

void lines_close(struct lines *lines)
{
    if (!lines) return;
    dwarf_end(lines->dwarf);
    free(lines->items);
    free(lines);
}

static const char *without(const char *prefix, const char *name)
{
    size_t length = strlen(prefix);

    if (!length || strncmp(name, prefix, length) || name[length] != '/') return name;
    return name + length + 1;
}

const char *lines_find(const struct lines *lines, uint64_t address, int *line)
{
    size_t low = 0, high = lines ? lines->count : 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (lines->items[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low || !lines->items[low - 1].file) return NULL;
    *line = lines->items[low - 1].line;
    const char *name = lines->items[low - 1].file;
    if (strnlen(name, LONGEST_NAME) == LONGEST_NAME) return "(a name that is too long)";
    const char *twice = strstr(name, "//");
    return without(lines->here, twice ? twice + 2 : name);      /* NASM: the folder//all of it */
}
