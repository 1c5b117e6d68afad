/* SPDX-License-Identifier: MIT */
/*
 * Another domain, made and driven by a micro-guest that runs as dom0: what one domain may do to
 * another, and what it may see of it, takes two. It has pages of its own, a vCPU, and a small
 * program (other_code.asm) that performs the hypercalls it finds in a mailbox: so the test, one C
 * program, says what both domains do and in which order.
 *
 * All of it is the public interface (domctl, memory_op, foreign mappings), so it is the same on
 * Domus and on real Xen. A guest that is not dom0 is skipped.
 */
#ifndef OTHER_H
#define OTHER_H

#include "test.h"

#include <xen/domctl.h>

#define OTHER_MAX       400u                        /* pages at most: one L1 table maps them all */
#define OTHER_BASE      0x400000UL
/* where the other domain sees its page */
#define OTHER_VA(pfn)   (OTHER_BASE + (uint64_t)(pfn) * PAGE_SIZE)

/* Its pages by number: tables, program, mailbox and stack come first; those from OTHER_FREE on are
 * for the test. */
enum {
    OTHER_L4,
    OTHER_L3,
    OTHER_L2,
    OTHER_L1,
    OTHER_CODE,
    OTHER_MAILBOX,
    OTHER_STACK,
    OTHER_DATA,
    OTHER_FREE
};

/* Another program than the one that makes calls: what is copied into OTHER_CODE, and where in it
 * events are handled; such a one begins with events unmasked. */
struct other_program { const char *start, *end, *events; };

struct other {
    const struct other_program *program;            /* NULL: it makes calls */
    domid_t id;
    unsigned int pages;
    xen_pfn_t frame[OTHER_MAX];
    volatile struct other_mailbox *mailbox;         /* mapped here */
    /* its page OTHER_DATA, mapped here: for the arguments of its calls */
    uint8_t *data;
};

/* Known to other_code.asm. */
struct other_mailbox { uint32_t state, unused; uint64_t number, argument[6], result; };
enum { MAILBOX_EMPTY, MAILBOX_ASKED, MAILBOX_DONE };

/* One domctl, with the interface version filled in; its result. */
long domctl(struct xen_domctl *op);
/* A domain without memory and without a vCPU that ever ran, which may have so many pages. -errno,
 * or its number. */
int domain_make(unsigned int max_pages);
/* Frames of handles of grant mappings that domains made from now on may have; -1: the usual
 * number. */
extern int domain_maptrack_frames;
/* To the end: waits until nobody can find it any more. */
void domain_unmake(domid_t id);
/* Asks for the first pages of such a domain, or extents; the answer is Xen's, and `frames` are
 * where they are. */
long domain_populate(domid_t id, xen_pfn_t *frames, unsigned int count, unsigned int order);
/* Pages owned now, or -errno. */
long domain_pages(domid_t id);

/* `pages` (at least OTHER_FREE) of memory, all zero, mapped in its own tables, and behind them its
 * shared_info; running. */
void other_begin(struct other *o, unsigned int pages);
void other_pause(const struct other *o, bool pause);
void other_end(struct other *o);
/* The hypercall, made by the other domain; waits for its result. */
long other_call(struct other *o, unsigned long number, uint64_t a1, uint64_t a2, uint64_t a3,
                uint64_t a4);
/* The same in two halves: asks; whether it has been done. */
void other_ask(struct other *o, unsigned long number, uint64_t a1, uint64_t a2, uint64_t a3,
               uint64_t a4);
bool other_done(const struct other *o);

/* One of its pages, mapped here writable; unmap_frames(va, 1) ends that. */
void *other_map(const struct other *o, unsigned int pfn);
struct shared_info *other_shared_info(const struct other *o);
/* An operation of its with one argument structure: put into its data page, called there, and the
 * structure read back. */
long other_op(struct other *o, unsigned long number, unsigned int command, void *argument,
              size_t bytes);
long other_grant_op(struct other *o, unsigned int command, void *argument, size_t bytes);
/* An entry of its grant table; the first eight are reserved. `to` may use its frame. */
void other_grant(struct other *o, unsigned int ref, domid_t to, unsigned long mfn,
                 unsigned int flags);
uint16_t other_grant_flags(struct other *o, unsigned int ref);

/* The grant table of any domain, its first frames (8 at most) mapped here; unmap_frames(va,
 * count). */
void *grant_frames(domid_t domid, unsigned int count);

/* Pages of the machine that are free; and wait until there are so many (Xen frees and scrubs in its
 * idle time). */
long free_pages_of_machine(void);
unsigned int cpus_of_machine(void);
bool free_again(long pages);
/* A page of one word, and how many words of a page are another. */
#define OTHER_PATTERN 0xfeedfacecafebeefUL
void fill_page(uint64_t *page);
unsigned int words_other_than(const uint64_t *page, uint64_t value);

#endif
