/* SPDX-License-Identifier: MIT */
/* sleep ms. */
#include "user.h"

int main(int argc, char **argv)
{
    return argc > 1 ? sleep((unsigned)atol(argv[1])) : 1;
}
