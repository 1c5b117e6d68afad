/* SPDX-License-Identifier: MIT */
/* poweroff: sync, and turn the machine off. */
#include "user.h"

int main(int argc, char **argv)
{
    poweroff();
}
