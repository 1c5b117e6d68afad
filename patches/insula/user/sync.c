/* SPDX-License-Identifier: MIT */
/* sync: returns when the disk holds what was written before. */
#include "user.h"

int main(int argc, char **argv)
{
    return sync();
}
