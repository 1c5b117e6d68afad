/* SPDX-License-Identifier: MIT */
/*
 * Kernel code as it may run in user mode: blocks of it, copied into a cache, with other
 * instructions in place of those that would fault or lie (Adams and Agesen, "A Comparison of
 * Software and Hardware Techniques for x86 Virtualization", 2006, has the idea).
 *
 * Most instructions are copied as they are. `cli` and `sti` store to a virtual interrupt flag,
 * `pushf` and `popf` use it, direct branches go to other blocks, indirect ones and returns ask a
 * table. All else is an int3 with a note that says: interpret this. A call pushes the address that
 * the guest means, so that whoever reads its stack sees no translation.
 *
 * Each instruction in the cache has a site: what of the guest's state is elsewhere, or half done,
 * while the CPU stands before it. So an event or a fault anywhere is one between two instructions
 * of the guest.
 *
 * Pure: bytes in, bytes out, tested on the host (tests/unit/test_translator.c). No lock.
 */
#ifndef MONITOR_TRANSLATOR_H
#define MONITOR_TRANSLATOR_H

#include "interpret.h"

/* The cache, by offsets: what translated code writes to, on pages of their own (the interrupt flag
 * is a word with RFLAGS.IF or 0); blocks; the table of indirect branches' targets. */
enum {
    CACHE_RAX = 0, CACHE_RCX = 8, CACHE_RDX = 16,       /* saved there for a while */
    CACHE_TARGET = 24,                                  /* where an indirect branch goes */
    CACHE_JUMP = 32,                                    /* and where that is in the cache */
    CACHE_IF = 4096, CACHE_CODE = 8192,
    CACHE_TABLE = 1 << 20, CACHE_SIZE = 2 << 20,
};

enum { BLOCK_LONGEST = 40 };                    /* instructions of the guest in a block, at most */
enum { SITES = 1 << 16, BLOCKS = 1 << 13, BUCKETS = 1 << 12 };

enum site_kind {
    SITE_RUN,           /* an instruction like any other */
    SITE_INTERPRET,     /* int3: the instruction at `source` is for the interpreter */
    SITE_GO,            /* int3: go on at `source`; translation_chain() makes it a jump */
    SITE_MISS,          /* int3: go on at the target, which the table does not have */
};

struct site {
    uint64_t source;    /* the guest's RIP */
    uint32_t at;        /* offset in the cache */
    uint16_t back;      /* SITE_GO: how far before `at` is the branch that came here */
    uint8_t kind, undo;
};

struct block {
    uint64_t source;
    uint32_t at, next;  /* next: 1 + its index in the same bucket */
};

struct translator {
    uint8_t *cache;             /* of CACHE_SIZE bytes, zeroed at first */
    uint64_t address;           /* where translated code has it */
    struct site *sites;         /* room for SITES, in the order of `at` */
    struct block *blocks;       /* room for BLOCKS */
    unsigned int site_count, block_count;
    uint32_t buckets[BUCKETS];
    uint32_t end;               /* of what is used of the cache */
};

/* Forgets all; with `cache`, `address`, `sites` and `blocks` set, also the beginning. */
void translation_reset(struct translator *translator);
/* The block that begins there: its offset, or 0. */
uint32_t translation_find(const struct translator *translator, uint64_t source);
/* Makes one. `bytes` are at `source`, `count` of them can be read; instructions that begin behind
 * the first `within` are left to other blocks. *used: up to there they were looked at. 0: there is
 * no room any more. */
uint32_t translation_make(struct translator *translator, uint64_t source, const uint8_t *bytes,
                          unsigned int count, unsigned int within, unsigned int *used);
/* The site at that offset; NULL: nothing begins there. */
const struct site *translation_site(const struct translator *translator, uint64_t at);
/* The processor stands before the site's instruction: registers, RIP, IF and the shadow of STI
 * become those of the guest. True: a store of the flag, which is thereby done. */
bool translation_settle(const struct translator *translator, const struct site *site,
                        struct vcpu *vcpu);
/* From now on the branch to this site goes to that block. */
void translation_chain(struct translator *translator, const struct site *site, uint32_t block);
/* From now on indirect branches find it. */
void translation_offer(struct translator *translator, uint64_t source, uint32_t block);

#endif
