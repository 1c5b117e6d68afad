/* SPDX-License-Identifier: MIT */
/*
 * The saver (save.h). Whatever names a frame of the machine is written as a pfn: the p2m says
 * which, and the M2P must agree, or the guest has mapped what is not its own. The p2m is found
 * through the guest's own page tables: it has told their root and the list's address in its shared
 * page.
 */
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
    uint8_t buffer[SAVE_PAGE];
};

#define failed(saver, error, ...) problem_set((saver)->problem, (error), __VA_ARGS__)

/* --- records --- */

static int put(struct saver *saver, const void *bytes, size_t size)
{
    int error = saver->tape->write(saver->tape, bytes, size);

    if (error == -ENOSPC) return failed(saver, error, "there is too little room for the guest");
    return error ? failed(saver, error, "cannot be written: %s", errno_name(error)) : 0;
}

static int begin_record(struct saver *saver, uint32_t type, size_t size)
{
    struct save_record record = { type, (uint32_t)size };

    return put(saver, &record, sizeof(record));
}

static int end_record(struct saver *saver, size_t size)
{
    static const uint8_t zeroes[8];

    return RECORD_PADDING(size) ? put(saver, zeroes, RECORD_PADDING(size)) : 0;
}

/* A record of two parts. */
static int put_record(struct saver *saver, uint32_t type, const void *head, size_t head_size,
                      const void *body, size_t size)
{
    int error = begin_record(saver, type, head_size + size);

    if (!error && head_size)
        error = put(saver, head, head_size);
    if (!error && size)
        error = put(saver, body, size);
    return error ? error : end_record(saver, head_size + size);
}

static int put_headers(struct saver *saver, const char *config, size_t size)
{
    struct xl_header xl = { XL_MAGIC, XL_BYTE_ORDER, XL_STREAM_V2, 0, (uint32_t)(size + 4) };
    struct libxl_header libxl = { __builtin_bswap64(LIBXL_IDENT), __builtin_bswap32(LIBXL_VERSION),
                                  0 };
    struct libxc_header libxc = { ~0ul, __builtin_bswap32(LIBXC_ID),
                                  __builtin_bswap32(LIBXC_VERSION), 0, { 0 } };
    struct libxc_domain domain = { LIBXC_PV, 12, 0, 4, 17 };
    struct libxc_pv_info info = { 8, 4, { 0 } };
    uint32_t config_size = (uint32_t)size;
    int error = put(saver, &xl, sizeof(xl));

    error = error ? error : put(saver, &config_size, sizeof(config_size));
    error = error ? error : put(saver, config, size);
    error = error ? error : put(saver, &libxl, sizeof(libxl));
    error = error ? error : begin_record(saver, LIBXL_LIBXC, 0);
    error = error ? error : put(saver, &libxc, sizeof(libxc));
    error = error ? error : put(saver, &domain, sizeof(domain));
    error = error ? error : put_record(saver, LIBXC_PV_INFO, NULL, 0, &info, sizeof(info));
    return error ? error : put_record(saver, LIBXC_STATIC_END, NULL, 0, NULL, 0);
}

/* --- frames and pfns --- */

/* Of a frame that is the guest's: both lists say so. ABSENT: it is not. */
static uint64_t pfn_of(const struct saver *saver, uint64_t mfn)
{
    uint64_t pfn = saver->guest->hands->pfn_of(saver->guest, mfn);

    return pfn < saver->pages && saver->p2m[pfn] == mfn ? pfn : ABSENT;
}

static void forget_tables(struct saver *saver)
{
    for (unsigned level = 1; level <= 4; level++)
        if (saver->table[level].entries)
            saver->guest->hands->unmap(saver->guest, saver->table[level].entries, 1);
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
    for (unsigned i = 0; i < ENTRIES && number * ENTRIES + i < saver->pages; i++)
        saver->p2m[number * ENTRIES + i] = entries[i] >> 40 ? ABSENT : entries[i];
    saver->guest->hands->unmap(saver->guest, entries, 1);
    return 0;
}

static int take_p2m(struct saver *saver)
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
        saver->list[i] = pfn_of(saver, saver->list[i]);
        if (saver->list[i] == ABSENT)
            error = failed(saver, -EINVAL, "the guest's p2m lies about its own frames");
    }
    return error;
}

/* --- memory --- */

static int put_table(struct saver *saver, const uint64_t *entries, unsigned level, uint64_t pfn)
{
    uint64_t *out = (uint64_t *)(void *)saver->buffer;

    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t entry = slot_is_ours(level, i) ? 0 : entries[i], to;

        out[i] = entry;
        if (!(entry & ENTRY_PRESENT))
            continue;
        to = pfn_of(saver, (entry & ENTRY_FRAME) >> 12);
        if (to == ABSENT || (level > 1 && entry & ENTRY_LARGE))
            return failed(saver, -EBUSY, "the guest has mapped what is not its own (frame %lx, in "
                          "its page %lx)", (unsigned long)((entry & ENTRY_FRAME) >> 12),
                          (unsigned long)pfn);
        out[i] = (entry & ~ENTRY_FRAME) | to << 12;
    }
    return put(saver, out, SAVE_PAGE);
}

struct batch {
    unsigned count;
    uint64_t word[BATCH];               /* Types, then the words of the record. */
    unsigned long mfn[BATCH];
    uint64_t pfn[BATCH];
};

static int put_pages(struct saver *saver, const struct batch *batch, const uint8_t *pages)
{
    struct libxc_pages head = { batch->count, 0 };
    size_t size = sizeof(head) + batch->count * (8ul + SAVE_PAGE);
    int error = begin_record(saver, LIBXC_PAGES, size);

    error = error ? error : put(saver, &head, sizeof(head));
    error = error ? error : put(saver, batch->word, batch->count * 8ul);
    for (unsigned i = 0; i < batch->count && !error; i++) {
        const uint8_t *page = pages + i * (size_t)SAVE_PAGE;
        unsigned level = page_level((uint32_t)(batch->word[i] >> PAGE_TYPE_SHIFT));

        error = level ? put_table(saver, (const uint64_t *)(const void *)page, level, batch->pfn[i])
                      : put(saver, page, SAVE_PAGE);
    }
    return error;
}

static int put_batch(struct saver *saver, struct batch *batch)
{
    struct guest *guest = saver->guest;
    void *pages;
    int error;

    for (unsigned i = 0; i < batch->count; i++)
        batch->word[i] = batch->mfn[i];
    error = guest->hands->types(guest, batch->word, batch->count);
    if (error) return failed(saver, error, "cannot ask for types of pages: %s", errno_name(error));
    for (unsigned i = 0; i < batch->count; i++) {
        if (batch->word[i] >= XEN_DOMCTL_PFINFO_BROKEN ||
            pfn_of(saver, batch->mfn[i]) != batch->pfn[i])
            return failed(saver, -EINVAL, "the guest's p2m lies about its page %lx",
                          (unsigned long)batch->pfn[i]);
        batch->word[i] = batch->word[i] << PAGE_TYPE_SHIFT | batch->pfn[i];
    }
    pages = guest->hands->map(guest, batch->mfn, batch->count, false);
    if (!pages) return failed(saver, -ENOMEM, "the guest's memory cannot be mapped");
    error = put_pages(saver, batch, pages);
    guest->hands->unmap(guest, pages, batch->count);
    guest->hands->rest();
    return error;
}

static int put_memory(struct saver *saver)
{
    struct batch batch = { .count = 0 };
    int error = 0;

    for (uint64_t pfn = 0; pfn < saver->pages && !error; pfn++) {
        if (pfn % ENTRIES == 0)
            saver->guest->hands->rest();
        if (saver->p2m[pfn] == ABSENT)
            continue;
        batch.pfn[batch.count] = pfn;
        batch.mfn[batch.count++] = saver->p2m[pfn];
        if (batch.count < BATCH)
            continue;
        error = put_batch(saver, &batch);
        batch.count = 0;
    }
    return !error && batch.count ? put_batch(saver, &batch) : error;
}

/* --- vCPUs --- */

static int to_pfn(const struct saver *saver, uint64_t mfn, uint64_t *pfn)
{
    *pfn = pfn_of(saver, mfn);
    return *pfn == ABSENT ? failed(saver, -EINVAL, "a vCPU uses a frame that is not the guest's")
                          : 0;
}

/* The first one's RDX is the frame of start_info: what suspending was called with. */
static int by_pfns(const struct saver *saver, unsigned id, struct vcpu_guest_context *context)
{
    uint64_t pfn = 0;
    int error = id ? 0 : to_pfn(saver, context->user_regs.rdx, &pfn);

    if (error) return failed(saver, error, "the guest has not suspended as Xen's PV guests do");
    if (id == 0)
        context->user_regs.rdx = pfn;
    for (unsigned i = 0; i < (context->gdt_ents + 511) / 512 && !error; i++) {
        error = to_pfn(saver, context->gdt_frames[i], &pfn);
        context->gdt_frames[i] = pfn;
    }
    if (!error) {
        error = to_pfn(saver, xen_cr3_to_pfn(context->ctrlreg[3]), &pfn);
        context->ctrlreg[3] = xen_pfn_to_cr3(pfn);
    }
    if (!error && context->ctrlreg[1]) {
        error = to_pfn(saver, context->ctrlreg[1] >> 12, &pfn);
        context->ctrlreg[1] = 1 | pfn << 12;
    }
    return error;
}

static int put_vcpu(struct saver *saver, unsigned id, struct vcpu_guest_context *context)
{
    const struct guest_hands *hands = saver->guest->hands;
    struct libxc_vcpu head = { id, 0 };
    uint8_t extended[EXTENDED_SIZE] = { 0 };
    void *state = NULL;
    size_t size = 0;
    int error = hands->get_vcpu(saver->guest, id, context);

    if (error == -ENODATA || (!error && !(context->flags & VGCF_online))) return 0;
    error = error ? error : hands->get_extended(saver->guest, id, extended);
    error = error ? error : hands->get_xsave(saver->guest, id, &state, &size);
    if (error)
        failed(saver, error, "cannot ask for the state of vCPU %u: %s", id, errno_name(error));
    error = error ? error : by_pfns(saver, id, context);
    error = error ? error : put_record(saver, LIBXC_VCPU, &head, sizeof(head), context,
                                       sizeof(*context));
    error = error ? error : put_record(saver, LIBXC_VCPU_EXTENDED, &head, sizeof(head), extended,
                                       sizeof(extended));
    if (!error && size)
        error = put_record(saver, LIBXC_VCPU_XSAVE, &head, sizeof(head), state, size);
    free(state);
    return error;
}

static int put_vcpus(struct saver *saver)
{
    struct vcpu_guest_context *context = malloc(sizeof(*context));
    int error = context ? 0 : failed(saver, -ENOMEM, "dom0 has no memory left");

    for (unsigned id = 0; id < saver->guest->vcpus && !error; id++)
        error = put_vcpu(saver, id, context);
    free(context);
    return error;
}

/* --- the order of it all --- */

/* The clock's scale says how fast the CPU counts, if the guest has not written over it. */
static int put_tsc(struct saver *saver)
{
    const struct vcpu_time_info *time = &saver->shared->vcpu_info[0].time;
    uint64_t mul = time->tsc_to_system_mul ? time->tsc_to_system_mul : 1;
    uint64_t khz = (1000000ul << 32) / mul;
    int shift = time->tsc_shift;
    struct libxc_tsc tsc = { .khz = (uint32_t)(shift < 0 ? khz << MIN(-shift, 31)
                                                         : khz >> MIN(shift, 31)) };

    return put_record(saver, LIBXC_TSC, NULL, 0, &tsc, sizeof(tsc));
}

static int put_all(struct saver *saver, const char *config, size_t size)
{
    struct libxc_p2m head = { 0, (uint32_t)saver->pages - 1 };
    int error = take_p2m(saver);

    error = error ? error : put_headers(saver, config, size);
    error = error ? error : put_record(saver, LIBXC_P2M_FRAMES, &head, sizeof(head), saver->list,
                                       saver->list_count * 8ul);
    error = error ? error : put_memory(saver);
    error = error ? error : put_tsc(saver);
    error = error ? error : put_record(saver, LIBXC_SHARED_INFO, NULL, 0, saver->shared, SAVE_PAGE);
    error = error ? error : put_vcpus(saver);
    error = error ? error : put_record(saver, LIBXC_END, NULL, 0, NULL, 0);
    return error ? error : put_record(saver, LIBXL_END, NULL, 0, NULL, 0);
}

/* With its shared page mapped. */
static int save(struct saver *saver, const char *config, size_t size)
{
    int error;

    saver->pages = saver->shared->arch.max_pfn;
    if (saver->pages == 0 || saver->pages > most_pfns(saver->guest))
        return failed(saver, -EINVAL, "the guest says that it has %lu pages, and may have %lu",
                      (unsigned long)saver->pages, (unsigned long)saver->guest->most);
    saver->list_count = (unsigned)((saver->pages + ENTRIES - 1) / ENTRIES);
    saver->p2m = malloc(saver->pages * sizeof(saver->p2m[0]));
    saver->list = malloc(saver->list_count * sizeof(saver->list[0]));
    error = saver->p2m && saver->list ? put_all(saver, config, size)
                                      : failed(saver, -ENOMEM, "dom0 has no memory left");
    forget_tables(saver);
    free(saver->list);
    free(saver->p2m);
    return error;
}

int save_guest(struct guest *guest, struct tape *tape, const char *config, size_t size,
               struct problem *problem)
{
    struct saver *saver = calloc(1, sizeof(*saver));
    int error;

    if (!saver) return problem_set(problem, -ENOMEM, "dom0 has no memory left");
    saver->guest = guest;
    saver->tape = tape;
    saver->problem = problem;
    saver->shared = guest->hands->map(guest, &guest->shared_mfn, 1, false);
    error = saver->shared ? save(saver, config, size)
                          : failed(saver, -ENOMEM, "the guest's shared page cannot be mapped");
    if (saver->shared)
        guest->hands->unmap(guest, saver->shared, 1);
    free(saver);
    return error;
}
