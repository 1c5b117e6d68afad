/* SPDX-License-Identifier: MIT */
/* What has come and gone between two kernels. Addresses and lines move, so findings are counted by
 * function and row of the table. */
#include "grow.h"
#include "report.h"
#include <string.h>

struct group {
    const char *function;
    const struct row *row;
    unsigned int before, after;
};

static const char *function_of(const struct finding *f)
{
    return f->symbol ? f->symbol->name : f->part->name;
}

static int by_row(const void *a, const void *b)
{
    const struct group *x = a, *y = b;

    if (x->row != y->row) return x->row < y->row ? -1 : 1;
    return strcmp(x->function, y->function);
}

static void add_groups(struct group **groups, size_t *count, const struct scan *scan, bool after)
{
    for (size_t i = 0; i < scan->finding_count; i++) {
        const struct finding *f = &scan->findings[i];
        if (f->kept || f->doubt)
            continue;
        struct group *group = GROW(*groups, *count);
        *group = (struct group){ .function = function_of(f), .row = f->row, .before = !after,
            .after = after };
    }
}

static size_t joined(struct group *groups, size_t count)
{
    size_t last = 0;

    if (!count) return 0;
    qsort(groups, count, sizeof(*groups), by_row);
    for (size_t i = 1; i < count; i++) {
        if (by_row(&groups[last], &groups[i])) {
            groups[++last] = groups[i];
        } else {
            groups[last].before += groups[i].before;
            groups[last].after += groups[i].after;
        }
    }
    return last + 1;
}

static void put_group_json(const struct group *g)
{
    printf("{\"function\": ");
    put_json_string(g->function);
    printf(", \"instruction\": \"%s\", \"class\": \"%s\", \"before\": %u, \"after\": %u}",
           g->row->name, kind_names[g->row->kind], g->before, g->after);
}

static void put_groups_json(const struct group *groups, size_t count, const struct totals totals[2])
{
    bool first = true;

    printf("{\"old\": ");
    put_json_totals(&totals[0]);
    printf(",\n \"new\": ");
    put_json_totals(&totals[1]);
    printf(",\n \"changes\": [");
    for (size_t i = 0; i < count; i++) {
        if (groups[i].before == groups[i].after)
            continue;
        printf("%s\n  ", first ? "" : ",");
        first = false;
        put_group_json(&groups[i]);
    }
    printf("]}\n");
}

static void put_groups(const struct group *groups, size_t count, const struct totals totals[2])
{
    for (size_t i = 0; i < count; i++) {
        const struct group *g = &groups[i];
        if (g->before == g->after)
            continue;
        printf("%-5s %4u -> %-4u %s %s in ", !g->before ? "new" : !g->after ? "gone" : "",
               g->before, g->after, kind_names[g->row->kind], g->row->name);
        put_text(g->function);
        putchar('\n');
    }
    printf("\n%12s %8s\n", "old", "new");
    for (int kind = 0; kind < KINDS; kind++)
        printf("%12u %8u  %s\n", totals[0].sure[kind], totals[1].sure[kind], kind_names[kind]);
    printf("%12u %8u  score\n", totals[0].score, totals[1].score);
}

int print_difference(const struct scan *old, const struct scan *new, bool json)
{
    struct group *groups = NULL;
    size_t count = 0;
    struct totals totals[2];
    int result = NONE_SILENT;

    totals_of(&totals[0], old);
    totals_of(&totals[1], new);
    add_groups(&groups, &count, old, false);
    add_groups(&groups, &count, new, true);
    count = joined(groups, count);
    if (json)
        put_groups_json(groups, count, totals);
    else
        put_groups(groups, count, totals);
    for (size_t i = 0; i < count; i++)
        if (groups[i].row->kind == SILENT && groups[i].after > groups[i].before)
            result = SOME_SILENT;
    free(groups);
    return result;
}
