/* SPDX-License-Identifier: MIT */
/* The table for people: at the prompt, in Markdown, and for the man page. */
#include "report.h"
#include <stdio.h>
#include <string.h>

static void put_row_text(const struct row *row)
{
    printf("%s: %s%s, step %d\n    %s\n    -> %s\n", row->name, kind_names[row->kind],
           row->of_the_seventeen ? " (one of the seventeen)" : "", row->step, row->why,
           row->instead);
}

static void put_row_markdown(const struct row *row)
{
    printf("| %s%s | %s | %s | %s | %d |\n", row->name, row->of_the_seventeen ? " *" : "",
           kind_names[row->kind], row->why, row->instead, row->step);
}

/* In roff a line must not begin with a dot or an apostrophe, and a dash is a minus only as \-. */
static void put_roff(const char *text)
{
    for (; *text; text++)
        if (*text == '-')
            printf("\\-");
        else if (*text == '\\')
            printf("\\e");
        else
            putchar(*text);
}

static void put_row_man(const struct row *row)
{
    printf(".TP\n.B ");
    put_roff(row->name);
    printf("\n%s%s: ", row->of_the_seventeen ? "(of the seventeen) " : "", kind_names[row->kind]);
    put_roff(row->why);
    printf(".\nInstead: ");
    put_roff(row->instead);
    printf(". Step %d.\n", row->step);
}

bool print_table(const char *format)
{
    void (*put)(const struct row *) = strcmp(format, "text") == 0 ? put_row_text
        : strcmp(format, "markdown") == 0 ? put_row_markdown
        : strcmp(format, "man") == 0 ? put_row_man : NULL;

    if (!put) return false;
    if (put == put_row_markdown)
        printf("| instruction | class | why | instead | step |\n|---|---|---|---|---|\n");
    for (unsigned int i = 0; i < row_count; i++)
        put(&rows[i]);
    return true;
}
