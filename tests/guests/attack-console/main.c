/* SPDX-License-Identifier: MIT */
/*
 * A guest that talks without end: numbered lines, as fast as its console takes them. Beside it
 * dom0's prompt must answer, a neighbour's lines must appear, and whoever attaches himself must see
 * every line (tests/system/test_consoles.py). Skips when it runs bare. Idea: everybody's words end
 * at one serial line.
 */
#include "../lib/test.h"

#include <pvguest/xenstore.h>

void test_main(void)
{
    if (!xs_available())
        test_skip("no console daemon");
    for (unsigned int line = 1;; line++)
        printk("flood %u, and so that the line is of some length: the quick brown fox jumps over "
               "the lazy dog\n",
               line);
}
