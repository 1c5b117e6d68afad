/* SPDX-License-Identifier: MIT */
#include "again.h"
#include "../privilege/events.c"
