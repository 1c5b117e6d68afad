/* SPDX-License-Identifier: MIT */
/*
 * A guest's memory as it comes (restorer.h): frames for its pages, and page tables by those. What
 * runs while it is sent has pages come again, of another type perhaps, and others go: what was said
 * last counts, and none has two frames.
 */
#include "dom0/save/restorer.h"

#define WINDOW 64u                      /* Pages mapped at a time. */

/* --- frames --- */

/* Frames for those of these pfns that have none. */
static int populate(struct restorer *restorer, const uint64_t *pfns, unsigned count)
{
    unsigned long frames[WINDOW];
    uint64_t wanted[WINDOW];
    unsigned n = 0;
    int error;

    for (unsigned i = 0; i < count; i++) {
        if (restorer->p2m[pfns[i]] != ABSENT)
            continue;
        restorer->p2m[pfns[i]] = 0;             /* once, though it may stand here twice */
        frames[n] = wanted[n] = pfns[i];
        n++;
    }
    if (!n) return 0;
    error = restorer->guest->hands->populate(restorer->guest, frames, n);
    for (unsigned i = 0; i < n; i++)
        restorer->p2m[wanted[i]] = error ? ABSENT : frames[i];
    return error ? failed(restorer, error, "too little memory for the guest (%s)",
                          errno_name(error))
                 : 0;
}

/* The frames of those that it has no more. Each costs as much as a page that is sent: else a word
 * of eight bytes would have a frame made and let go. */
static int release(struct restorer *restorer, const uint64_t *pfns, unsigned count)
{
    unsigned long frames[WINDOW];
    unsigned n = 0;
    int error;

    for (unsigned i = 0; i < count; i++) {
        if (restorer->p2m[pfns[i]] == ABSENT)
            continue;
        frames[n++] = restorer->p2m[pfns[i]];
        restorer->p2m[pfns[i]] = ABSENT;
        restorer->type[pfns[i]] = UNTYPED;
    }
    if (!n) return 0;
    restorer->left -= MIN(restorer->left, n * (uint64_t)SAVE_PAGE);
    error = restorer->guest->hands->release(restorer->guest, frames, n);
    return error ? failed(restorer, error, "the hypervisor keeps a page that the guest has no more:"
                          " %s", errno_name(error))
                 : 0;
}

/* --- a record of them --- */

/* The frames that a table names; then those instead of the pfns. */
static int localise(struct restorer *restorer, uint64_t *entries, unsigned level)
{
    uint64_t pfns[WINDOW];
    unsigned n = 0;
    int error = 0;

    for (unsigned i = 0; i < ENTRIES && !error; i++) {
        uint64_t pfn = (entries[i] & ENTRY_FRAME) >> 12;

        if (slot_is_ours(level, i))
            entries[i] = 0;
        if (!(entries[i] & ENTRY_PRESENT))
            continue;
        if (pfn >= restorer->pages || (level > 1 && entries[i] & ENTRY_LARGE))
            return bad(restorer, "a page table of level %u has the entry %lx", level,
                       (unsigned long)entries[i]);
        pfns[n++] = pfn;
        if (n == WINDOW) {
            error = populate(restorer, pfns, n);
            n = 0;
        }
    }
    error = error ? error : populate(restorer, pfns, n);
    for (unsigned i = 0; i < ENTRIES && !error; i++)
        if (entries[i] & ENTRY_PRESENT)
            entries[i] = (entries[i] & ~ENTRY_FRAME) |
                         restorer->p2m[(entries[i] & ENTRY_FRAME) >> 12] << 12;
    return error;
}

static int get_page(struct restorer *restorer, void *page, unsigned level)
{
    int error;

    if (!level) return restorer_get(restorer, page, SAVE_PAGE);
    error = restorer_get(restorer, restorer->buffer, SAVE_PAGE);
    error = error ? error : localise(restorer, restorer->buffer, level);
    if (error) return error;
    restorer->guest->hands->rest();     /* A table may have had 512 frames made. */
    memcpy(page, restorer->buffer, SAVE_PAGE);
    return 0;
}

static uint32_t type_in(uint64_t word)
{
    return (uint32_t)(word >> PAGE_TYPE_SHIFT) & XEN_DOMCTL_PFINFO_LTAB_MASK;
}

/* Which there are, and which not. */
static int make_room(struct restorer *restorer, const uint64_t *words, unsigned count)
{
    uint64_t here[WINDOW], gone[WINDOW];
    unsigned n = 0, left = 0;
    int error;

    for (unsigned i = 0; i < count; i++)
        if (type_in(words[i]) == XEN_DOMCTL_PFINFO_XTAB)
            gone[left++] = words[i] & PAGE_PFN;
        else
            here[n++] = words[i] & PAGE_PFN;
    error = release(restorer, gone, left);
    return error ? error : populate(restorer, here, n);
}

/* At most a window of a record's words. */
static int take_window(struct restorer *restorer, const uint64_t *words, unsigned count)
{
    struct guest *guest = restorer->guest;
    unsigned long mfns[WINDOW];
    unsigned levels[WINDOW], n = 0;
    uint8_t *pages;
    int error = make_room(restorer, words, count);

    restorer->guest->hands->rest();
    if (error) return error;
    for (unsigned i = 0; i < count; i++) {
        uint64_t pfn = words[i] & PAGE_PFN;
        uint32_t type = type_in(words[i]);

        if (type == XEN_DOMCTL_PFINFO_XTAB)
            continue;
        restorer->type[pfn] = (uint8_t)(type >> 24);
        if (!page_has_data(type))
            continue;
        levels[n] = page_level(type);
        mfns[n++] = restorer->p2m[pfn];
    }
    if (!n) return 0;
    pages = guest->hands->map(guest, mfns, n, true);
    if (!pages) return failed(restorer, -ENOMEM, "the new guest's memory cannot be mapped");
    for (unsigned i = 0; i < n && !error; i++)
        error = get_page(restorer, pages + i * (size_t)SAVE_PAGE, levels[i]);
    guest->hands->unmap(guest, pages, n);
    return error;
}

/* The words are right, and the record is as long as they say. */
static int check_words(struct restorer *restorer, unsigned count, size_t size)
{
    size_t data = 0;

    for (unsigned i = 0; i < count; i++) {
        uint64_t word = restorer->word[i];
        uint32_t type = type_in(word);

        if ((word & PAGE_PFN) >= restorer->pages || word & 0x0ff0000000000000ul ||
            !page_type_valid(type) || type == XEN_DOMCTL_PFINFO_BROKEN)
            return bad(restorer, "a page's word is %lx", (unsigned long)word);
        data += page_has_data(type) ? SAVE_PAGE : 0;
    }
    return data == size ? 0 : bad(restorer, "%zu bytes of pages where %zu should be", size, data);
}

int restorer_take_pages(struct restorer *restorer, size_t size)
{
    struct libxc_pages head;
    unsigned count;
    int error;

    if (!restorer->p2m) return bad(restorer, "pages come before the p2m's frames");
    if (size < sizeof(head)) return bad(restorer, "a record of pages of %zu bytes", size);
    error = restorer_get(restorer, &head, sizeof(head));
    if (error) return error;
    count = head.count;
    if (!count || count > PAGE_MOST || size < sizeof(head) + count * 8ul)
        return bad(restorer, "a record of %u pages in %zu bytes", count, size);
    error = restorer_get(restorer, restorer->word, count * 8ul);
    error = error ? error : check_words(restorer, count, size - sizeof(head) - count * 8ul);
    for (unsigned i = 0; i < count && !error; i += WINDOW)
        error = take_window(restorer, restorer->word + i, MIN(count - i, WINDOW));
    return error;
}
