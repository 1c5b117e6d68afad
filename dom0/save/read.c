/* SPDX-License-Identifier: MIT */
/*
 * The restorer (save.h). Pages get frames as they come, or as a page table names them; tables are
 * written with the numbers of those frames, while they are ordinary memory (read_pages.c). What
 * belongs to the end
 * (the p2m, start_info, the shared page, pins, vCPUs) is done when all is there: the hypervisor
 * then judges the tables as it judges any guest's, and no mapping of ours is left.
 */
#include "dom0/save/pins.h"
#include "dom0/save/restorer.h"

#define MOST_XSAVE 16384u

/* --- bytes --- */

int restorer_get(struct restorer *restorer, void *bytes, size_t size)
{
    if (size > restorer->left)
        return bad(restorer, "it is longer than one that may have %lu pages can be",
                   (unsigned long)restorer->guest->most);
    restorer->left -= size;
    return tape_get(restorer->tape, bytes, size, restorer->problem);
}

/* They say nothing to us. */
static int skip(struct restorer *restorer, size_t size)
{
    int error = 0;

    while (size && !error) {
        size_t piece = MIN(size, sizeof(restorer->buffer));

        error = restorer_get(restorer, restorer->buffer, piece);
        size -= piece;
    }
    return error;
}

/* A body of that size, once; malloc'ed, with zeros behind it where there is room for more. */
static int keep(struct restorer *restorer, void *place, size_t room, size_t size, const char *what)
{
    void **kept = place;

    if (*kept) return bad(restorer, "two records of %s", what);
    *kept = calloc(1, room);
    if (!*kept) return failed(restorer, -ENOMEM, "dom0 has no memory left");
    return restorer_get(restorer, *kept, size);
}

/* --- records of the stream --- */

static int take_info(struct restorer *restorer, size_t size)
{
    struct libxc_pv_info info;
    int error;

    if (size != sizeof(info)) return bad(restorer, "X86_PV_INFO of %zu bytes", size);
    if (restorer->has_info) return bad(restorer, "two records of X86_PV_INFO");
    error = restorer_get(restorer, &info, sizeof(info));
    if (error) return error;
    if (info.width != 8 || info.levels != 4)
        return bad(restorer, "it is a %u-bit one with %u levels of page tables", info.width * 8,
                   info.levels);
    restorer->has_info = true;
    return 0;
}

static int make_lists(struct restorer *restorer)
{
    restorer->p2m = malloc(restorer->pages * sizeof(restorer->p2m[0]));
    restorer->type = malloc(restorer->pages);
    if (!restorer->p2m || !restorer->type)
        return failed(restorer, -ENOMEM, "dom0 has no memory left");
    memset(restorer->p2m, 0xff, restorer->pages * sizeof(restorer->p2m[0]));
    memset(restorer->type, UNTYPED, restorer->pages);
    return 0;
}

static int take_p2m_frames(struct restorer *restorer, size_t size)
{
    struct libxc_p2m head;
    int error;

    if (!restorer->has_info) return bad(restorer, "its p2m comes before X86_PV_INFO");
    if (size < sizeof(head)) return bad(restorer, "p2m frames of %zu bytes", size);
    error = restorer_get(restorer, &head, sizeof(head));
    if (error) return error;
    if (head.first != 0 || head.last >= most_pfns(restorer->guest) ||
        size != sizeof(head) + (head.last / ENTRIES + 1) * 8ul)
        return bad(restorer, "its p2m is of pages %u to %u, in %zu bytes", head.first, head.last,
                   size);
    if (restorer->p2m && head.last + 1ul != restorer->pages)
        return bad(restorer, "its p2m is of pages 0 to %u, and was of %lu", head.last,
                   (unsigned long)restorer->pages);
    restorer->pages = head.last + 1ul;
    restorer->list_count = head.last / ENTRIES + 1;
    error = restorer->p2m ? 0 : make_lists(restorer);
    free(restorer->list);               /* it may have moved */
    restorer->list = NULL;
    return error ? error : keep(restorer, &restorer->list, restorer->list_count * 8ul,
                                restorer->list_count * 8ul, "p2m");
}

/* --- what is kept for the end --- */

static int take_vcpu(struct restorer *restorer, uint32_t type, size_t size)
{
    struct vcpu_state *state;
    struct libxc_vcpu head;
    int error;

    if (size <= sizeof(head)) return bad(restorer, "a vCPU's record of %zu bytes", size);
    error = restorer_get(restorer, &head, sizeof(head));
    if (error) return error;
    if (head.id >= restorer->guest->vcpus || head.id >= MOST_VCPUS)
        return bad(restorer, "vCPU %u of a guest of %u", head.id, restorer->guest->vcpus);
    size -= sizeof(head);
    state = &restorer->vcpu[head.id];
    if (type == LIBXC_VCPU && size == sizeof(*state->context))
        return keep(restorer, &state->context, size, size, "a vCPU");
    if (type == LIBXC_VCPU_EXTENDED && size <= EXTENDED_SIZE)       /* Xen writes what it has. */
        return keep(restorer, &state->extended, EXTENDED_SIZE, size, "a vCPU's callbacks");
    if (type == LIBXC_VCPU_XSAVE && size <= MOST_XSAVE) {
        state->xsave_size = size;
        return keep(restorer, &state->xsave, size, size, "a vCPU's vector registers");
    }
    if (type == LIBXC_VCPU_MSRS && size <= MOST_MSRS * sizeof(state->msrs[0]) &&
        size % sizeof(state->msrs[0]) == 0) {
        state->msr_count = (unsigned)(size / sizeof(state->msrs[0]));
        return keep(restorer, &state->msrs, size, size, "a vCPU's MSRs");
    }
    return bad(restorer, "a vCPU's record of type %u and %zu bytes", type, size);
}

static int take_record(struct restorer *restorer, uint32_t type, size_t size)
{
    switch (type) {
    case LIBXC_END:
        restorer->ended = true;
        return size ? bad(restorer, "an end of %zu bytes", size) : 0;
    case LIBXC_PAGES: return restorer_take_pages(restorer, size);
    case LIBXC_PV_INFO: return take_info(restorer, size);
    case LIBXC_P2M_FRAMES: return take_p2m_frames(restorer, size);
    case LIBXC_SHARED_INFO:
        if (size != SAVE_PAGE) return bad(restorer, "a shared page of %zu bytes", size);
        return keep(restorer, &restorer->shared, size, size, "the shared page");
    case LIBXC_VCPU:
    case LIBXC_VCPU_EXTENDED:
    case LIBXC_VCPU_XSAVE:
    case LIBXC_VCPU_MSRS: return take_vcpu(restorer, type, size);
    case LIBXC_TSC:                     /* The clock's page says how fast this one counts. */
    case LIBXC_STATIC_END:
    case LIBXC_CPUID:                   /* It sees this CPU. */
    case LIBXC_MSRS: return skip(restorer, size);
    default: return type & LIBXC_OPTIONAL ? skip(restorer, size)
                                          : bad(restorer, "a record of type %u", type);
    }
}

#define MOST_RECORD (8u * 1024 * 1024)

static int take_records(struct restorer *restorer)
{
    int error = 0;

    while (!restorer->ended && !error) {
        struct save_record record;

        error = restorer_get(restorer, &record, sizeof(record));
        if (!error && record.size > MOST_RECORD)
            error = bad(restorer, "a record of %u bytes", record.size);
        error = error ? error : take_record(restorer, record.type, record.size);
        error = error ? error : skip(restorer, RECORD_PADDING(record.size));
    }
    return error;
}

/* --- the end --- */

static void *map_pfn(struct restorer *restorer, uint64_t pfn)
{
    return restorer->guest->hands->map(restorer->guest, &restorer->p2m[pfn], 1, true);
}

static int write_p2m(struct restorer *restorer)
{
    for (unsigned i = 0; i < restorer->list_count; i++) {
        uint64_t left = restorer->pages - i * (uint64_t)ENTRIES;
        unsigned long *page;

        if (!is_plain(restorer, restorer->list[i]))
            return bad(restorer, "its p2m is said to be in page %lx",
                       (unsigned long)restorer->list[i]);
        page = map_pfn(restorer, restorer->list[i]);
        if (!page) return failed(restorer, -ENOMEM, "the new guest's p2m cannot be mapped");
        memcpy(page, restorer->p2m + i * (size_t)ENTRIES, MIN(left, (uint64_t)ENTRIES) * 8);
        restorer->guest->hands->unmap(restorer->guest, page, 1);
        restorer->guest->hands->rest();
    }
    return 0;
}

/* What says to it who it is; it has left the pfns of its two rings there. */
static int write_start_info(struct restorer *restorer, uint64_t pfn)
{
    struct guest *guest = restorer->guest;
    struct start_info *info;
    unsigned long store, console;

    if (!is_plain(restorer, pfn))
        return bad(restorer, "its start_info is said to be in page %lx", (unsigned long)pfn);
    info = map_pfn(restorer, pfn);
    if (!info) return failed(restorer, -ENOMEM, "the new guest's start_info cannot be mapped");
    store = info->store_mfn;
    console = info->console.domU.mfn;
    if (is_plain(restorer, store) && is_plain(restorer, console)) {
        guest->store_mfn = restorer->p2m[store];
        guest->console_mfn = restorer->p2m[console];
        info->nr_pages = guest->pages;
        info->shared_info = guest->shared_machine;
        info->flags = 0;
        info->store_mfn = guest->store_mfn;
        info->store_evtchn = (uint32_t)guest->store_port;
        info->console.domU.mfn = guest->console_mfn;
        info->console.domU.evtchn = (uint32_t)guest->console_port;
    }
    guest->hands->unmap(guest, info, 1);
    return guest->store_mfn ? 0 : bad(restorer, "its rings are said to be in pages %lx and %lx",
                                      store, console);
}

/* The vCPUs' words and where the p2m is; no event is pending, and all are masked. */
static int write_shared_info(struct restorer *restorer)
{
    struct guest *guest = restorer->guest;
    struct shared_info *to = guest->hands->map(guest, &guest->shared_mfn, 1, true);

    if (!to) return failed(restorer, -ENOMEM, "the new guest's shared page cannot be mapped");
    for (unsigned i = 0; i < ARRAY_SIZE(to->vcpu_info); i++) {
        to->vcpu_info[i].evtchn_upcall_mask = restorer->shared->vcpu_info[i].evtchn_upcall_mask;
        to->vcpu_info[i].arch = restorer->shared->vcpu_info[i].arch;
        to->vcpu_info[i].evtchn_upcall_pending = 0;
        to->vcpu_info[i].evtchn_pending_sel = 0;
    }
    to->arch = restorer->shared->arch;
    to->arch.pfn_to_mfn_frame_list_list = 0;
    memset(to->evtchn_pending, 0, sizeof(to->evtchn_pending));
    memset(to->evtchn_mask, 0xff, sizeof(to->evtchn_mask));
    guest->hands->unmap(guest, to, 1);
    return 0;
}

static int localise_context(struct restorer *restorer, unsigned id, struct vcpu_guest_context *c)
{
    uint64_t root = xen_cr3_to_pfn(c->ctrlreg[3]), user = c->ctrlreg[1] >> 12;

    if (!is_root(restorer, root) || (c->ctrlreg[1] & 1 && !is_root(restorer, user)))
        return bad(restorer, "the page tables of vCPU %u are said to be in pages %lx and %lx", id,
                   (unsigned long)root, (unsigned long)user);
    c->ctrlreg[3] = xen_pfn_to_cr3(restorer->p2m[root]);
    c->ctrlreg[1] = c->ctrlreg[1] & 1 ? restorer->p2m[user] << 12 : 0;
    if (c->gdt_ents > 8192) return bad(restorer, "a GDT of %lu entries", c->gdt_ents);
    for (unsigned i = 0; i < (c->gdt_ents + 511) / 512; i++) {
        if (!is_plain(restorer, c->gdt_frames[i]))
            return bad(restorer, "the GDT of vCPU %u is said to be in page %lx", id,
                       (unsigned long)c->gdt_frames[i]);
        c->gdt_frames[i] = restorer->p2m[c->gdt_frames[i]];
    }
    if (id == 0)
        c->user_regs.rdx = restorer->p2m[c->user_regs.rdx];
    c->flags |= VGCF_online;
    return 0;
}

/* One by one: which is to blame? What the guest has set it relies on, so it is not left out. */
static int set_msrs(struct restorer *restorer, unsigned id)
{
    const struct vcpu_state *state = &restorer->vcpu[id];

    for (unsigned i = 0; i < state->msr_count; i++) {
        const xen_domctl_vcpu_msr_t *msr = &state->msrs[i];
        int error = restorer->guest->hands->set_msr(restorer->guest, id, msr);

        if (error)
            return failed(restorer, error, "the hypervisor refuses what vCPU %u has in its MSR "
                          "%x (%lx): %s", id, msr->index, (unsigned long)msr->value,
                          errno_name(error));
    }
    return 0;
}

static int set_vcpu(struct restorer *restorer, unsigned id)
{
    const struct guest_hands *hands = restorer->guest->hands;
    struct vcpu_state *state = &restorer->vcpu[id];
    int error;

    if (!state->context && (state->extended || state->xsave || state->msrs))
        return bad(restorer, "vCPU %u has a part of its state only", id);
    if (!state->context) return 0;
    error = localise_context(restorer, id, state->context);
    if (error) return error;
    error = hands->set_vcpu(restorer->guest, id, state->context);
    if (!error && state->extended)
        error = hands->set_extended(restorer->guest, id, state->extended);
    if (!error && state->xsave)
        error = hands->set_xsave(restorer->guest, id, state->xsave, state->xsave_size);
    return error ? failed(restorer, error, "the hypervisor refuses the state of vCPU %u: %s", id,
                          error == -EOPNOTSUPP ? "its vector registers are more than this machine's"
                                               : errno_name(error))
                 : set_msrs(restorer, id);
}

static int finish(struct restorer *restorer)
{
    struct tables tables = { restorer->pages, restorer->p2m, restorer->type };
    struct guest *guest = restorer->guest;
    int error;

    if (!restorer->p2m || !restorer->shared || !restorer->vcpu[0].context)
        return bad(restorer, "it has no %s", !restorer->p2m ? "memory"
                                             : !restorer->shared ? "shared page" : "first vCPU");
    error = write_p2m(restorer);
    error = error ? error : write_start_info(restorer, restorer->vcpu[0].context->user_regs.rdx);
    error = error ? error : write_shared_info(restorer);
    error = error ? error : pin_tables(guest, &tables, restorer->problem);
    for (unsigned id = 0; id < guest->vcpus && !error; id++)
        error = set_vcpu(restorer, id);
    return error ? error : unpin_others(guest, &tables, restorer->problem);
}

/* --- the headers --- */

static int check_headers(struct restorer *restorer)
{
    struct libxl_header libxl;
    struct save_record record;
    struct libxc_header libxc;
    struct libxc_domain domain;
    int error = restorer_get(restorer, &libxl, sizeof(libxl));

    error = error ? error : restorer_get(restorer, &record, sizeof(record));
    error = error ? error : restorer_get(restorer, &libxc, sizeof(libxc));
    error = error ? error : restorer_get(restorer, &domain, sizeof(domain));
    if (error) return error;
    if (libxl.ident != __builtin_bswap64(LIBXL_IDENT) ||
        libxl.version != __builtin_bswap32(LIBXL_VERSION) || libxl.options)
        return bad(restorer, "libxl's stream is of another kind");
    if (record.type != LIBXL_LIBXC || record.size)
        return bad(restorer, "libxl's stream begins with a record of type %u", record.type);
    libxc.version = __builtin_bswap32(libxc.version);
    if (libxc.marker != ~0ul || libxc.id != __builtin_bswap32(LIBXC_ID) || libxc.options)
        return bad(restorer, "libxc's stream is of another kind");
    if (libxc.version != 2 && libxc.version != LIBXC_VERSION)
        return bad(restorer, "libxc's stream is of version %u", libxc.version);
    if (domain.type != LIBXC_PV || domain.page_shift != 12)
        return bad(restorer, "it is no PV guest (type %u)", domain.type);
    return 0;
}

/* libxl's end. */
static int check_end(struct restorer *restorer)
{
    struct save_record record;
    int error = restorer_get(restorer, &record, sizeof(record));

    if (!error && (record.type != LIBXL_END || record.size))
        error = bad(restorer, "libxl's stream goes on with a record of type %u", record.type);
    return error;
}

static void free_all(struct restorer *restorer)
{
    for (unsigned id = 0; id < MOST_VCPUS; id++) {
        free(restorer->vcpu[id].context);
        free(restorer->vcpu[id].extended);
        free(restorer->vcpu[id].xsave);
        free(restorer->vcpu[id].msrs);
    }
    free(restorer->shared);
    free(restorer->list);
    free(restorer->type);
    free(restorer->p2m);
    free(restorer);
}

int restore_guest(struct guest *guest, struct tape *tape, struct problem *problem)
{
    struct restorer *restorer = calloc(1, sizeof(*restorer));
    int error;

    if (!restorer) return problem_set(problem, -ENOMEM, "dom0 has no memory left");
    restorer->guest = guest;
    restorer->tape = tape;
    restorer->problem = problem;
    restorer->left = SAVE_TIMES * (guest->most + FEW_PFNS) * SAVE_PAGE;
    error = check_headers(restorer);
    error = error ? error : take_records(restorer);
    error = error ? error : check_end(restorer);
    error = error ? error : finish(restorer);
    free_all(restorer);
    return error;
}
