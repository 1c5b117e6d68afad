/* SPDX-License-Identifier: MIT */
/* See problem.h. */
#include "dom0/config/problem.h"

int problem_vset(struct problem *problem, int error, const char *format, va_list arguments)
{
    vsnprintf(problem->text, sizeof(problem->text), format, arguments);
    return error;
}

int problem_set(struct problem *problem, int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    problem_vset(problem, error, format, arguments);
    va_end(arguments);
    return error;
}

int problem_at(struct problem *problem, int error, struct config_place at)
{
    if (error)
        problem->at = at;
    return error;
}
