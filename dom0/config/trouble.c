/* SPDX-License-Identifier: MIT */
/* See trouble.h. */
#include "dom0/config/trouble.h"
#include <stdarg.h>

int trouble_set(struct trouble *trouble, int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(trouble->text, sizeof(trouble->text), format, arguments);
    va_end(arguments);
    return error;
}

int trouble_at(struct trouble *trouble, int error, struct config_place at)
{
    if (error)
        trouble->at = at;
    return error;
}
