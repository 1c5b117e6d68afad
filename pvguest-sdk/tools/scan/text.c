/* SPDX-License-Identifier: MIT */
/* The report for people: by the table's rows, an instruction a line. */
#include "report.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the character in UTF-8 that begins here; 0 when it is none, or a control character. */
static int character(const unsigned char *text)
{
    int length = text[0] < 0x80 ? 1 : text[0] < 0xc2 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3
        : text[0] < 0xf5 ? 4 : 0;

    for (int i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80) return 0;
    if (text[0] < ' ' || text[0] == 0x7f || (text[0] == 0xc2 && text[1] < 0xa0)) return 0;
    return length;
}

/* What a file calls its functions shall not speak to the terminal. */
void put_text(const char *text)
{
    while (*text) {
        int length = character((const unsigned char *)text);
        if (length)
            printf("%.*s", length, text);
        else
            putchar('?');
        text += length ? length : 1;
    }
}

static void put_place(const struct part *part, const struct symbol *symbol, uint64_t address)
{
    printf("  %0*" PRIx64 "  ", part->bits == 64 ? 16 : 8, address);
    put_text(symbol ? symbol->name : part->name);
    printf("+0x%" PRIx64, address - (symbol ? symbol->address : part->address));
}

static void put_finding(const struct finding *f)
{
    put_place(f->part, f->symbol, f->address);
    if (f->file) {
        printf("  ");
        put_text(f->file);
        printf(":%d", f->line);
    }
    printf("  %s", f->text);
    if (f->doubt)
        printf("  (doubtful: %s)", f->doubt);
    if (f->kept) {
        printf("  (kept: ");
        put_text(f->kept);
        putchar(')');
    }
    putchar('\n');
}

/* An inline function or a macro is in many places, one after the other: some of them are enough. */
#define SHOWN 3

static bool same_line(const struct finding *a, const struct finding *b)
{
    return a->file && b->file && strcmp(a->file, b->file) == 0 && a->line == b->line &&
           !a->doubt && !b->doubt && !a->kept && !b->kept;
}

static void put_repeats(unsigned int repeats)
{
    if (repeats > SHOWN)
        printf("  ... and %u more of that line\n", repeats - SHOWN);
}

static void put_row(const struct scan *scan, const struct row *row)
{
    const struct finding *last = NULL;
    unsigned int repeats = 0;

    for (size_t i = 0; i < scan->finding_count; i++) {
        const struct finding *f = &scan->findings[i];
        if (f->row != row)
            continue;
        if (!last)
            printf("\n%s: %s%s\n  why: %s\n  instead: %s (the guide's step %d)\n", row->name,
                   kind_names[row->kind], row->kind == GUESS ? ", by its surroundings" : "",
                   row->why, row->instead, row->step);
        if (!last || !same_line(last, f)) {
            put_repeats(repeats);
            repeats = 0;
        }
        if (++repeats <= SHOWN)
            put_finding(f);
        last = f;
    }
    put_repeats(repeats);
}

static void put_doubts(const struct scan *scan, enum doubt_kind kind, const char *title)
{
    bool titled = false;

    for (size_t i = 0; i < scan->doubt_count; i++) {
        const struct doubt *d = &scan->doubts[i];
        if (d->kind != kind)
            continue;
        if (!titled)
            printf("\n%s\n", title);
        titled = true;
        put_place(d->part, d->symbol, d->address);
        if (kind == JUMP_INSIDE)
            printf("  from %" PRIx64 ", %" PRIu64 " bytes into it\n", d->from, d->length);
        else
            printf("  %" PRIu64 " bytes\n", d->length);
    }
}

static void put_totals(const struct totals *t)
{
    printf("\n%12s %8s %9s %9s\n", "instructions", "places", "kept", "doubtful");
    for (int kind = 0; kind < KINDS; kind++)
        printf("%12u %8u %9u %9u  %s\n", t->sure[kind], t->places[kind], t->kept[kind],
               t->doubtful[kind], kind_names[kind]);
    printf("score: %u (places: silent 10, privileged 3, leaking 1, guess 1; 0 is ported)\n",
           t->score);
    if (t->no_instruction + t->symbols_inside + t->jumps_inside)
        printf("not judged: %u places where bytes are no instruction, %u symbols and %u jumps "
               "inside of instructions\n", t->no_instruction, t->symbols_inside, t->jumps_inside);
}

void print_text(const struct scan *scan, bool brief)
{
    const struct image *image = scan->image;
    struct totals totals;

    totals_of(&totals, scan);
    put_text(image->path);
    printf(": %d-bit x86, %" PRIu64 " instructions in %" PRIu64 " bytes of code, %zu symbols\n",
           image->bits, scan->instructions, scan->bytes, image->symbol_count);
    for (size_t i = 0; i < image->note_count; i++) {
        printf("note: ");
        put_text(image->notes[i]);
        putchar('\n');
    }
    for (unsigned int i = 0; !brief && i < row_count; i++)
        put_row(scan, &rows[i]);
    if (!brief) {
        put_doubts(scan, DATA, "data in the text, say its symbols");
        put_doubts(scan, GAP, "bytes behind the end of a function, before the next symbol");
        put_doubts(scan, NO_INSTRUCTION,
                   "bytes that are no instruction: data, or code of another width (--code32)");
        put_doubts(scan, SYMBOL_INSIDE, "an instruction with a symbol inside");
        put_doubts(scan, JUMP_INSIDE, "a jump into an instruction");
    }
    put_totals(&totals);
}
