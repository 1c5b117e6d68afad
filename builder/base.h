/* SPDX-License-Identifier: MIT */
/*
 * What is needed to build a domain of a kernel, before a frame of it is touched: to read the
 * kernel's image (image.h), and to lay out its memory (layout.h). The hypervisor builds dom0 of it,
 * dom0 builds all others, and the host tests it; this file is all that the three must have in
 * common.
 */
#ifndef BUILDER_BASE_H
#define BUILDER_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <pvguest/refuse.h>

#if __STDC_HOSTED__
#include <errno.h>
#include <stdio.h>
#include <string.h>
#else
#include <pvguest/errno.h>

/* The C library's; ring 0 and the SDK both have them. */
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int snprintf(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#endif

/* The sentence of a refusal, for whoever gave the kernel. */
#define say_why(whose, ...) ((void)snprintf((whose)->why, sizeof((whose)->why), __VA_ARGS__))

#endif
