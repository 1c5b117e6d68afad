/* SPDX-License-Identifier: MIT */
/*
 * The types that all headers here are written with, from the compiler's. A kernel that has typedefs
 * of its own for them, which may be others (a `bool` that is a char, an `int8_t` that is one), is
 * compiled with -DPVGUEST_OWN_TYPES and includes its own header first: [u]int8_t to [u]int64_t,
 * uintptr_t, size_t, bool, true, false, NULL, offsetof, va_list. Of the same sizes they must be.
 */
#ifndef ABI_TYPES_H
#define ABI_TYPES_H

#ifndef PVGUEST_OWN_TYPES
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

#endif
