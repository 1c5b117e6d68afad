/* SPDX-License-Identifier: MIT */
/* What is printed: for people and for programs, of one scan and of two. */
#ifndef SCAN_REPORT_H
#define SCAN_REPORT_H

#include "totals.h"

void print_text(const struct scan *scan, bool brief);
void print_json(const struct scan *scan);

/* What has come and gone between two scans; the verdict: SOME_SILENT when silent ones have come. */
int print_difference(const struct scan *old, const struct scan *new, bool json);

/* The table of table.c: format "text", "markdown" or "man"; false: there is no such format. */
bool print_table(const char *format);

/* Parts of the above: names out of a file that one does not trust. */
void put_text(const char *text);
void put_json_string(const char *text);
void put_json_totals(const struct totals *totals);

#endif
