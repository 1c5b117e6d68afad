/* SPDX-License-Identifier: MIT */
/* A guest that is saved, between write.c and write_pages.c. */
#ifndef DOM0_SAVE_SAVER_H
#define DOM0_SAVE_SAVER_H

#include "dom0/save/digest.h"
#include "dom0/save/save.h"

#define BATCH 64u                       /* Pages seen at a time, and in a record. */

struct saver {
    struct guest *guest;
    struct tape *tape;
    struct problem *problem;
    struct shared_info *shared;
    unsigned long *p2m;
    uint64_t pages;                     /* Pfns: 0 to this. */
    uint64_t *list;                     /* The pfns of the p2m's own frames. */
    unsigned list_count;
    /* The table of each level that was looked at last. */
    struct { unsigned long mfn; uint64_t *entries; } table[5];
    struct {
        unsigned count, chosen;
        uint64_t word[BATCH];           /* Types, then the words of the record. */
        unsigned long mfn[BATCH];
        uint64_t pfn[BATCH];
        const uint8_t *page[BATCH];     /* NULL: without contents. */
    } batch;
    uint64_t buffer[ENTRIES];
    /* Of one that is sent while it runs: what the target has of each pfn. */
    bool runs;                          /* Still. */
    struct save_watch *watch;
    struct digest *digest;              /* NULL: it has nothing, and all is sent once. */
    struct digest empty;                /* Of a page of zeroes. */
    struct digest_key key;
    struct save_rounds rounds;
};

#define failed(saver, error, ...) problem_set((saver)->problem, (error), __VA_ARGS__)

/* All: 0, or a negative errno and the problem. */
int saver_put(struct saver *saver, const void *bytes, size_t size);
int saver_begin_record(struct saver *saver, uint32_t type, size_t size);
/* Others' turn; is it still to go on? */
int saver_rest(struct saver *saver);

/* Where the guest's pages are now; the pfns of the list itself. */
int saver_take_p2m(struct saver *saver);
/* Its pages, or what has changed of them. */
int saver_put_pages(struct saver *saver);

/* Of a frame that is the guest's: both lists say so. ABSENT: it is not. */
static inline uint64_t saver_pfn_of(const struct saver *saver, uint64_t mfn)
{
    uint64_t pfn = saver->guest->hands->pfn_of(saver->guest, mfn);

    return pfn < saver->pages && saver->p2m[pfn] == mfn ? pfn : ABSENT;
}

#endif
