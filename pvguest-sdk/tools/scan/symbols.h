/* SPDX-License-Identifier: MIT */
/* Names in the image's parts, and the instructions that the kernel says it keeps. */
#ifndef SCAN_SYMBOLS_H
#define SCAN_SYMBOLS_H

#include "image.h"

void read_symbols(struct image *image);
void read_kept(struct image *image);

#endif
