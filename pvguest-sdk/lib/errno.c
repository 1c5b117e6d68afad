/* SPDX-License-Identifier: MIT */
/* Names for error numbers, from Xen's own list (which has two names for 11: the first one wins). */
#include <pvguest/errno.h>

const char *errno_name(long error)
{
    if (error < 0)
        error = -error;
    if (!error) return "OK";
#define XEN_ERRNO(name, value) if (error == value) return #name;
#undef __XEN_PUBLIC_ERRNO_H__
#include <xen/errno.h>
    return "E?";
}
