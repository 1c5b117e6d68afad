/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's part of the address space on the host: in place of lib/layout.h, for tests
 * that have a frame table and RAM of their own. cflags: -DDOMUS_LIB_LAYOUT_H -include
 * tests/unit/layout_host.h
 */
#ifndef LAYOUT_HOST_H
#define LAYOUT_HOST_H

#define HOST_FRAMES 8192
#ifndef HOST_FIRST
#define HOST_FIRST 0ul              /* the number of the first one */
#endif

extern char host_frames[], host_ram[], host_m2p[], host_windows[];

#define HV_SLOT_FIRST   256
#define HV_SLOT_COUNT   16
#define M2P_SLOT        256
#define HV_START        0xffff800000000000
#define HV_END          0xffff880000000000
#ifndef M2P_VIRT
#define M2P_VIRT        ((unsigned long)host_m2p)
#endif
#define FRAMETABLE_VIRT ((unsigned long)host_frames - HOST_FIRST * sizeof(struct frame))
#define DIRECTMAP_VIRT  ((unsigned long)host_ram - (HOST_FIRST << 12))
#ifdef HOST_WINDOWS                 /* with 2 MiB more than they need */
#define WINDOW_VIRT     (((unsigned long)host_windows + 0x1fffff) & ~0x1ffffful)
#else
#define WINDOW_VIRT     0xffff818000000000
#endif
#define IOREMAP_VIRT    0xffff820000000000
#ifdef HOST_IMAGE                   /* the machine address of ours */
extern char image_start[];
#define IMAGE_VIRT      ((unsigned long)image_start - HOST_IMAGE)
#else
#define IMAGE_VIRT      0xffff828000000000
#endif
#ifndef DIRECTMAP_SIZE
#define DIRECTMAP_SIZE  0x0000050000000000
#endif
#define WINDOW_PAGES    32
#define WINDOW_SIZE     (WINDOW_PAGES * 4096UL)

#endif
