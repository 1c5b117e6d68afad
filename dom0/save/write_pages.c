/* SPDX-License-Identifier: MIT */
/*
 * A guest's memory on its way to a tape (saver.h). Whatever names a frame of the machine is written
 * as a pfn: the p2m says which, and the M2P must agree, or the guest has mapped what is not its
 * own. The p2m is found through the guest's own page tables: it has told their root and the list's
 * address in its shared page.
 *
 * While the guest runs, a page is sent when it is not what the target has, by its digest; so it
 * does not matter who has changed it, and the hypervisor need not know. Its page tables come when
 * it stands still, as they are then; and so does all that was not as the p2m said it was, which
 * then is an error.
 */
#include "dom0/save/saver.h"

/* --- frames and pfns --- */

static void forget_tables(struct saver *saver)
{
    for (unsigned level = 1; level <= 4; level++)
        if (saver->table[level].entries) {
            saver->guest->hands->unmap(saver->guest, saver->table[level].entries, 1);
            saver->table[level].entries = NULL;
        }
}

static const uint64_t *see_table(struct saver *saver, unsigned level, unsigned long mfn)
{
    struct guest *guest = saver->guest;

    if (saver->table[level].entries && saver->table[level].mfn == mfn)
        return saver->table[level].entries;
    if (saver->table[level].entries)
        guest->hands->unmap(guest, saver->table[level].entries, 1);
    saver->table[level].mfn = mfn;
    return saver->table[level].entries = guest->hands->map(guest, &mfn, 1, false);
}

/* The frame behind an address of the guest's; ABSENT: there is none. */
static unsigned long walk(struct saver *saver, unsigned long root, uint64_t address)
{
    unsigned long mfn = root;

    for (unsigned level = 4; level; level--) {
        const uint64_t *entries = see_table(saver, level, mfn);
        uint64_t entry = entries ? entries[address >> (3 + 9 * level) & (ENTRIES - 1)] : 0;

        if (!(entry & ENTRY_PRESENT) || (level > 1 && entry & ENTRY_LARGE)) return ABSENT;
        mfn = (entry & ENTRY_FRAME) >> 12;
    }
    return mfn;
}

/* The list's entries from one of its frames. What is none of a frame (Linux marks those of other
 * domains' by the highest bits) is absent. */
static int take_list_frame(struct saver *saver, unsigned number, unsigned long mfn)
{
    unsigned long *entries = saver->guest->hands->map(saver->guest, &mfn, 1, false);

    if (!entries) return failed(saver, -EINVAL, "the guest's p2m is not in its own memory");
    for (unsigned i = 0; i < ENTRIES && number * ENTRIES + i < saver->pages; i++) {
        unsigned long entry = READ_ONCE(entries[i]);

        saver->p2m[number * ENTRIES + i] = entry >> 40 ? ABSENT : entry;
    }
    saver->guest->hands->unmap(saver->guest, entries, 1);
    return 0;
}

static int find_p2m(struct saver *saver)
{
    uint64_t base = saver->shared->arch.p2m_vaddr;
    unsigned long root = xen_cr3_to_pfn(saver->shared->arch.p2m_cr3);
    int error = 0;

    if (!saver->shared->arch.p2m_cr3 || base & (SAVE_PAGE - 1))
        return failed(saver, -EOPNOTSUPP, "the guest does not say where its p2m is mapped");
    for (unsigned i = 0; i < saver->list_count && !error; i++) {
        unsigned long mfn = walk(saver, root, base + i * (uint64_t)SAVE_PAGE);

        error = mfn == ABSENT ? failed(saver, -EINVAL, "the guest's p2m is not mapped")
                              : take_list_frame(saver, i, mfn);
        saver->list[i] = mfn;
        if (i % BATCH == 0)
            saver->guest->hands->rest();
    }
    for (unsigned i = 0; i < saver->list_count && !error; i++) {
        saver->list[i] = saver_pfn_of(saver, saver->list[i]);
        if (saver->list[i] == ABSENT)
            error = failed(saver, -EINVAL, "the guest's p2m lies about its own frames");
    }
    return error;
}

int saver_take_p2m(struct saver *saver)
{
    int error = find_p2m(saver);

    forget_tables(saver);
    return error;
}

/* --- pages --- */

static int put_table(struct saver *saver, const uint64_t *entries, unsigned level, uint64_t pfn)
{
    uint64_t *out = saver->buffer;

    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t entry = slot_is_ours(level, i) ? 0 : entries[i], to;

        out[i] = entry;
        if (!(entry & ENTRY_PRESENT))
            continue;
        to = saver_pfn_of(saver, (entry & ENTRY_FRAME) >> 12);
        if (to == ABSENT || (level > 1 && entry & ENTRY_LARGE))
            return failed(saver, -EBUSY, "the guest has mapped what is not its own (frame %lx, in "
                          "its page %lx)", (unsigned long)((entry & ENTRY_FRAME) >> 12),
                          (unsigned long)pfn);
        out[i] = (entry & ~ENTRY_FRAME) | to << 12;
    }
    return saver_put(saver, out, SAVE_PAGE);
}

/* --- what the target has --- */

static bool has(const struct saver *saver, uint64_t pfn)
{
    return saver->digest && !digest_is_none(&saver->digest[pfn]);
}

static bool has_same(const struct saver *saver, uint64_t pfn, const void *page)
{
    struct digest now;

    if (!has(saver, pfn)) return false;
    now = digest_page(&saver->key, page);
    return digest_same(&now, &saver->digest[pfn]);
}

/* A frame that comes to the target has nothing but zeroes: so many pages need not be sent. */
static bool is_empty(struct saver *saver, uint64_t pfn, const void *page)
{
    struct digest now;

    if (!saver->digest || has(saver, pfn)) return false;
    now = digest_page(&saver->key, page);
    if (!digest_same(&now, &saver->empty)) return false;
    saver->digest[pfn] = now;
    return true;
}

/* It may be written while it is looked at: what is sent is what is remembered. */
static int put_running(struct saver *saver, uint64_t pfn, const void *page)
{
    memcpy(saver->buffer, page, SAVE_PAGE);
    saver->digest[pfn] = digest_page(&saver->key, saver->buffer);
    return saver_put(saver, saver->buffer, SAVE_PAGE);
}

/* --- a batch --- */

static int put_record(struct saver *saver, unsigned count, size_t size)
{
    struct libxc_pages head = { count, 0 };
    int error = saver_begin_record(saver, LIBXC_PAGES, sizeof(head) + count * 8ul + size);

    error = error ? error : saver_put(saver, &head, sizeof(head));
    return error ? error : saver_put(saver, saver->batch.word, count * 8ul);
}

static int put_page(struct saver *saver, unsigned i)
{
    unsigned level = page_level((uint32_t)(saver->batch.word[i] >> PAGE_TYPE_SHIFT));
    const uint8_t *page = saver->batch.page[i];
    uint64_t pfn = saver->batch.pfn[i];

    if (level) return put_table(saver, (const uint64_t *)(const void *)page, level, pfn);
    return saver->runs ? put_running(saver, pfn, page) : saver_put(saver, page, SAVE_PAGE);
}

/* Those of a batch that the target has not, or not as they are, are what is left of it. How many
 * bring their contents. */
static unsigned choose(struct saver *saver, const uint8_t *pages)
{
    unsigned count = 0, full = 0;

    for (unsigned i = 0; i < saver->batch.count; i++) {
        const uint8_t *page = pages + i * (size_t)SAVE_PAGE;
        uint64_t word = saver->batch.word[i], pfn = saver->batch.pfn[i];
        bool is_table = page_level((uint32_t)(word >> PAGE_TYPE_SHIFT));

        if (!is_table && has_same(saver, pfn, page))
            continue;
        if (!is_table && is_empty(saver, pfn, page)) {
            word = (uint64_t)XEN_DOMCTL_PFINFO_XALLOC << PAGE_TYPE_SHIFT | pfn;
            page = NULL;
        }
        full += page != NULL;
        saver->batch.word[count] = word;
        saver->batch.pfn[count] = pfn;
        saver->batch.page[count++] = page;
    }
    saver->batch.chosen = count;
    return full;
}

static int put_changed(struct saver *saver, const uint8_t *pages)
{
    unsigned full = choose(saver, pages), count = saver->batch.chosen;
    int error = count ? put_record(saver, count, full * (size_t)SAVE_PAGE) : 0;

    for (unsigned i = 0; i < count && !error; i++)
        error = saver->batch.page[i] ? put_page(saver, i) : 0;
    saver->rounds.sent += full;
    return error;
}

/* From types to the record's words, of those that are to be looked at now. */
static int judge(struct saver *saver)
{
    unsigned count = 0;

    for (unsigned i = 0; i < saver->batch.count; i++) {
        uint64_t type = saver->batch.word[i], pfn = saver->batch.pfn[i];
        bool right = type < XEN_DOMCTL_PFINFO_BROKEN &&
                     saver_pfn_of(saver, saver->batch.mfn[i]) == pfn;

        if (!right && !saver->runs)
            return failed(saver, -EINVAL, "the guest's p2m lies about its page %lx",
                          (unsigned long)pfn);
        if (!right || (saver->runs && page_level((uint32_t)type)))
            continue;
        saver->batch.word[count] = type << PAGE_TYPE_SHIFT | pfn;
        saver->batch.mfn[count] = saver->batch.mfn[i];
        saver->batch.pfn[count++] = pfn;
    }
    saver->batch.count = count;
    return 0;
}

static int put_judged(struct saver *saver)
{
    struct guest *guest = saver->guest;
    void *pages = guest->hands->map(guest, saver->batch.mfn, saver->batch.count, false);
    int error;

    /* One of them has just been given back: none is lost, they are looked at again. */
    if (!pages && saver->runs) return 0;
    if (!pages) return failed(saver, -ENOMEM, "the guest's memory cannot be mapped");
    error = put_changed(saver, pages);
    guest->hands->unmap(guest, pages, saver->batch.count);
    return error;
}

static int put_batch(struct saver *saver)
{
    struct guest *guest = saver->guest;
    int error;

    for (unsigned i = 0; i < saver->batch.count; i++)
        saver->batch.word[i] = saver->batch.mfn[i];
    error = guest->hands->types(guest, saver->batch.word, saver->batch.count);
    if (error) return failed(saver, error, "cannot ask for types of pages: %s", errno_name(error));
    error = judge(saver);
    if (!error && saver->batch.count)
        error = put_judged(saver);
    saver->batch.count = 0;
    return error ? error : saver_rest(saver);
}

/* --- all of them --- */

/* That the guest has given back since they were sent. */
static int put_gone(struct saver *saver)
{
    unsigned count = 0;
    int error = 0;

    for (uint64_t pfn = 0; pfn < saver->pages && !error; pfn++) {
        if (pfn % ENTRIES == 0)
            saver->guest->hands->rest();
        if (saver->p2m[pfn] == ABSENT && has(saver, pfn)) {
            saver->digest[pfn] = (struct digest){ 0, 0 };
            saver->batch.word[count++] = (uint64_t)XEN_DOMCTL_PFINFO_XTAB << PAGE_TYPE_SHIFT | pfn;
        }
        if (count && (count == BATCH || pfn == saver->pages - 1)) {
            error = put_record(saver, count, 0);
            count = 0;
        }
    }
    return error;
}

int saver_put_pages(struct saver *saver)
{
    int error = saver->digest ? put_gone(saver) : 0;

    saver->batch.count = 0;
    for (uint64_t pfn = 0; pfn < saver->pages && !error; pfn++) {
        if (pfn % ENTRIES == 0)
            saver->guest->hands->rest();
        if (saver->p2m[pfn] == ABSENT)
            continue;
        saver->batch.pfn[saver->batch.count] = pfn;
        saver->batch.mfn[saver->batch.count++] = saver->p2m[pfn];
        if (saver->batch.count == BATCH)
            error = put_batch(saver);
    }
    return !error && saver->batch.count ? put_batch(saver) : error;
}
