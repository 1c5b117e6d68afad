/* SPDX-License-Identifier: MIT */
/* The numbers of totals.h. */
#include "totals.h"
#include "grow.h"
#include <string.h>

const unsigned int weights[KINDS] = { [PRIVILEGED] = 3, [SILENT] = 10, [LEAKING] = 1, [GUESS] = 1 };

/* Those with a line come first. */
static int by_source(const void *a, const void *b)
{
    const struct finding *x = *(const struct finding *const *)a,
        *y = *(const struct finding *const *)b;

    if (x->row != y->row) return x->row < y->row ? -1 : 1;
    if (!x->file || !y->file) return !x->file - !y->file;
    if (x->line != y->line) return x->line < y->line ? -1 : 1;
    return strcmp(x->file, y->file);
}

static void count_places(struct totals *totals, const struct scan *scan)
{
    const struct finding **left = NULL;
    size_t count = 0;

    for (size_t i = 0; i < scan->finding_count; i++)
        if (!scan->findings[i].kept && !scan->findings[i].doubt) {
            const struct finding **place = GROW(left, count);
            *place = &scan->findings[i];
        }
    if (count)
        qsort(left, count, sizeof(*left), by_source);
    for (size_t i = 0; i < count; i++)
        if (!left[i]->file || !i || by_source(&left[i - 1], &left[i]))
            totals->places[left[i]->row->kind]++;
    free(left);
}

void totals_of(struct totals *totals, const struct scan *scan)
{
    *totals = (struct totals){ 0 };
    for (size_t i = 0; i < scan->finding_count; i++) {
        const struct finding *f = &scan->findings[i];
        unsigned int *in = f->doubt ? totals->doubtful : f->kept ? totals->kept : totals->sure;
        in[f->row->kind]++;
    }
    for (size_t i = 0; i < scan->doubt_count; i++)
        switch (scan->doubts[i].kind) {
        case DATA: totals->data++; break;
        case GAP: totals->gaps++; break;
        case NO_INSTRUCTION: totals->no_instruction++; break;
        case SYMBOL_INSIDE: totals->symbols_inside++; break;
        case JUMP_INSIDE: totals->jumps_inside++; break;
        }
    count_places(totals, scan);
    for (int kind = 0; kind < KINDS; kind++)
        totals->score += totals->places[kind] * weights[kind];
}

int verdict(const struct totals *totals)
{
    if (totals->sure[SILENT]) return SOME_SILENT;
    if (totals->doubtful[SILENT] || totals->no_instruction || totals->symbols_inside ||
        totals->jumps_inside)
        return SOME_DOUBT;
    return NONE_SILENT;
}
