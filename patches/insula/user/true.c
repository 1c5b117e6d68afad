/* SPDX-License-Identifier: MIT */
/* true: nothing, successfully. */
#include "user.h"

int main(int argc, char **argv)
{
    return 0;
}
