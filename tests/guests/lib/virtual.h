/* SPDX-License-Identifier: MIT */
/*
 * For tests of hardware assistance: a small virtual machine for DOMUS_run. It has 32 pages from
 * guest-physical address 0 on, each an ordinary page of ours, under nested tables of four pages;
 * its processor begins in 16-bit, 32-bit or 64-bit code at CODE.
 */
#ifndef VIRTUAL_H
#define VIRTUAL_H

#include "test.h"
#include <abi/domus.h>

enum { VM_PAGES = 32, CODE = 0x1000, DATA = 0x2000, IDT = 0x3000, TABLES = 0x4000, GDT = 0x7000,
       STACK = 0x9000 };
enum { VM_RAX, VM_RCX, VM_RDX, VM_RBX, VM_RSP };

struct virtual {
    uint64_t *l4, *l3, *l2, *l1;        /* read-only here, as tables are */
    uint8_t *page[VM_PAGES];
};
extern struct virtual vm;
extern struct domus_run run;

void vm_create(void);
/* The word at a guest-physical address, where it is. */
void *vm_at(uint64_t physical);
/* Maps a frame at the guest-physical address of a page, with PVGUEST_PTE_* bits (0: nothing). The
 * hypercall's result. */
long vm_map(uint64_t physical, unsigned long mfn, uint64_t bits);
#define VM_RW (PVGUEST_PTE_PRESENT | PVGUEST_PTE_WRITE | PVGUEST_PTE_USER)
#define VM_RO (PVGUEST_PTE_PRESENT | PVGUEST_PTE_USER)

/* `run` as it is before the first instruction, with this code at CODE. */
void vm_real(const void *code, size_t size);
void vm_protected(const void *code, size_t size);
void vm_long(const void *code, size_t size);
/* The hypercall, until something else happens than an interrupt of the machine's; its result. */
long vm_run(void);
long vm_run_once(void);

#define SAME(bytes) (bytes), sizeof(bytes) - 1

#endif
