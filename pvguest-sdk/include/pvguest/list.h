/* SPDX-License-Identifier: MIT */
/* Doubly linked lists. */
#ifndef PVGUEST_LIST_H
#define PVGUEST_LIST_H

#include <abi/list.h>

#endif
