/* SPDX-License-Identifier: MIT */
/*
 * The SDK's string functions have the C library's names; on the host, where that library is too,
 * they are tested under names of their own. Included before everything else by the tests of
 * lib/memory.c, lib/string.c and lib/printf.c (their cflags).
 */
#define memcpy    sdk_memcpy
#define memmove   sdk_memmove
#define memset    sdk_memset
#define memcmp    sdk_memcmp
#define memchr    sdk_memchr
#define strlen    sdk_strlen
#define strnlen   sdk_strnlen
#define strcmp    sdk_strcmp
#define strncmp   sdk_strncmp
#define strcasecmp sdk_strcasecmp
#define strchr    sdk_strchr
#define strrchr   sdk_strrchr
#define strstr    sdk_strstr
#define strlcpy   sdk_strlcpy
#define strlcat   sdk_strlcat
#define strsep    sdk_strsep
#define strtoul   sdk_strtoul
#define strtol    sdk_strtol
#define snprintf  sdk_snprintf
#define vsnprintf sdk_vsnprintf
