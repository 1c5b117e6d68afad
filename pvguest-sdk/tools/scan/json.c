/* SPDX-License-Identifier: MIT */
/* The report for programs: one JSON object. Its members are described in the man page. */
#include "report.h"
#include <inttypes.h>
#include <stdio.h>

static const char *const doubt_names[] = { "data", "behind a function", "no instruction",
    "symbol inside", "jump inside" };

/* Bytes that are not ASCII are told as the characters with their numbers. */
void put_json_string(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < ' ' || c >= 0x7f)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void put_member(const char *name, const char *value)
{
    printf(", \"%s\": ", name);
    if (value)
        put_json_string(value);
    else
        printf("null");
}

static void put_place(const struct part *part, const struct symbol *symbol, uint64_t address)
{
    printf("{\"address\": \"0x%" PRIx64 "\"", address);
    put_member("section", part->name);
    put_member("function", symbol ? symbol->name : NULL);
    printf(", \"offset\": %" PRIu64, address - (symbol ? symbol->address : part->address));
}

static void put_finding(const struct finding *f)
{
    put_place(f->part, f->symbol, f->address);
    put_member("file", f->file);
    printf(", \"line\": %d", f->file ? f->line : 0);
    put_member("text", f->text);
    put_member("instruction", f->row->name);
    put_member("class", kind_names[f->row->kind]);
    put_member("why", f->row->why);
    put_member("instead", f->row->instead);
    printf(", \"step\": %d", f->row->step);
    put_member("doubt", f->doubt);
    put_member("kept", f->kept);
    putchar('}');
}

static void put_doubt(const struct doubt *d)
{
    put_place(d->part, d->symbol, d->address);
    put_member("what", doubt_names[d->kind]);
    printf(", \"length\": %" PRIu64, d->length);
    if (d->kind == JUMP_INSIDE)
        printf(", \"from\": \"0x%" PRIx64 "\"", d->from);
    putchar('}');
}

static void put_counts(const char *name, const unsigned int *counts)
{
    printf("\"%s\": {", name);
    for (int kind = 0; kind < KINDS; kind++)
        printf("%s\"%s\": %u", kind ? ", " : "", kind_names[kind], counts[kind]);
    printf("}, ");
}

void put_json_totals(const struct totals *t)
{
    printf("{");
    put_counts("instructions", t->sure);
    put_counts("places", t->places);
    put_counts("kept", t->kept);
    put_counts("doubtful", t->doubtful);
    printf("\"no_instruction\": %u, \"symbols_inside\": %u, \"jumps_inside\": %u, \"data\": %u, "
           "\"gaps\": %u, \"score\": %u}", t->no_instruction, t->symbols_inside, t->jumps_inside,
           t->data, t->gaps, t->score);
}

void print_json(const struct scan *scan)
{
    struct totals totals;

    totals_of(&totals, scan);
    printf("{\"path\": ");
    put_json_string(scan->image->path);
    printf(", \"bits\": %d, \"instructions\": %" PRIu64 ", \"bytes\": %" PRIu64
           ", \"symbols\": %zu,\n \"totals\": ", scan->image->bits, scan->instructions,
           scan->bytes, scan->image->symbol_count);
    put_json_totals(&totals);
    printf(",\n \"notes\": [");
    for (size_t i = 0; i < scan->image->note_count; i++) {
        printf("%s\n  ", i ? "," : "");
        put_json_string(scan->image->notes[i]);
    }
    printf("],\n \"findings\": [");
    for (size_t i = 0; i < scan->finding_count; i++) {
        printf("%s\n  ", i ? "," : "");
        put_finding(&scan->findings[i]);
    }
    printf("],\n \"doubts\": [");
    for (size_t i = 0; i < scan->doubt_count; i++) {
        printf("%s\n  ", i ? "," : "");
        put_doubt(&scan->doubts[i]);
    }
    printf("]}\n");
}
