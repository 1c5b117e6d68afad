/* SPDX-License-Identifier: MIT */
#include "again.h"
#include "../privilege/control.c"
