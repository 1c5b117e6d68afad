/* SPDX-License-Identifier: MIT */
/* See trouble.h. */
#include "dom0/config/trouble.h"

int trouble_vset(struct trouble *trouble, int error, const char *format, va_list arguments)
{
    vsnprintf(trouble->text, sizeof(trouble->text), format, arguments);
    return error;
}

int trouble_set(struct trouble *trouble, int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    trouble_vset(trouble, error, format, arguments);
    va_end(arguments);
    return error;
}

int trouble_at(struct trouble *trouble, int error, struct config_place at)
{
    if (error)
        trouble->at = at;
    return error;
}
