/* SPDX-License-Identifier: MIT */
/*
 * Linked into every unit test: when it ends, the refusals it took
 * (pvguest-sdk/include/abi/refusal.h) go into the file $REFUSALS_FILE, a line "FILE:LINE COUNT"
 * each. tests/tools/refusals.py unites them with those of the machines.
 */
#include <abi/refusal.h>
#include <stdio.h>
#include <stdlib.h>

extern struct refusal __start_refusals[] __attribute__((weak)),
    __stop_refusals[] __attribute__((weak));

__attribute__((destructor)) static void note_refusals(void)
{
    const char *path = getenv("REFUSALS_FILE");
    FILE *file = path && __start_refusals ? fopen(path, "w") : NULL;

    if (!file) return;
    for (struct refusal *r = __start_refusals; r < __stop_refusals; r++)
        if (r->count)
            fprintf(file, "%s:%u %u\n", r->file, r->line, r->count);
    fclose(file);
}
