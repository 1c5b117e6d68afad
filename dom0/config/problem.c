/* SPDX-License-Identifier: MIT */
/* See problem.h. */
#include "dom0/config/problem.h"

/* What is quoted may be anybody's who sends a guest or has written a disk, and a terminal would do
 * what it says. */
int problem_vset(struct problem *problem, int error, const char *format, va_list arguments)
{
    vsnprintf(problem->text, sizeof(problem->text), format, arguments);
    for (char *c = problem->text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
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
