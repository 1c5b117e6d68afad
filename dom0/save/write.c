/* SPDX-License-Identifier: MIT */
/*
 * The saver (save.h): all but the guest's memory, which is write_pages.c's. Whatever names a frame
 * of the machine is written as a pfn.
 */
#include "dom0/save/saver.h"
#include "dom0/account.h"

/* --- records --- */

int saver_put(struct saver *saver, const void *bytes, size_t size)
{
    int error = saver->tape->write(saver->tape, bytes, size);

    if (error == -ENOSPC) return failed(saver, error, "there is too little room for the guest");
    if (error == -EAGAIN) return failed(saver, error, "given up");
    return error ? failed(saver, error, "cannot be written: %s", errno_name(error)) : 0;
}

int saver_begin_record(struct saver *saver, uint32_t type, size_t size)
{
    struct save_record record = { type, (uint32_t)size };

    return saver_put(saver, &record, sizeof(record));
}

static int end_record(struct saver *saver, size_t size)
{
    static const uint8_t zeroes[8];

    return RECORD_PADDING(size) ? saver_put(saver, zeroes, RECORD_PADDING(size)) : 0;
}

int saver_rest(struct saver *saver)
{
    saver->guest->hands->rest();
    return saver->watch ? saver->watch->look(saver->watch, saver->problem) : 0;
}

/* A record of two parts. */
static int put_record(struct saver *saver, uint32_t type, const void *head, size_t head_size,
                      const void *body, size_t size)
{
    int error = saver_begin_record(saver, type, head_size + size);

    if (!error && head_size)
        error = saver_put(saver, head, head_size);
    if (!error && size)
        error = saver_put(saver, body, size);
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
    int error = saver_put(saver, &xl, sizeof(xl));

    error = error ? error : saver_put(saver, &config_size, sizeof(config_size));
    error = error ? error : saver_put(saver, config, size);
    error = error ? error : saver_put(saver, &libxl, sizeof(libxl));
    error = error ? error : saver_begin_record(saver, LIBXL_LIBXC, 0);
    error = error ? error : saver_put(saver, &libxc, sizeof(libxc));
    error = error ? error : saver_put(saver, &domain, sizeof(domain));
    error = error ? error : put_record(saver, LIBXC_PV_INFO, NULL, 0, &info, sizeof(info));
    return error ? error : put_record(saver, LIBXC_STATIC_END, NULL, 0, NULL, 0);
}

/* --- vCPUs --- */

static int to_pfn(const struct saver *saver, uint64_t mfn, uint64_t *pfn)
{
    *pfn = saver_pfn_of(saver, mfn);
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

/* Without any there is no record. */
static int put_msrs(struct saver *saver, const struct libxc_vcpu *head)
{
    xen_domctl_vcpu_msr_t msrs[MOST_MSRS];
    unsigned count;
    int error = saver->guest->hands->get_msrs(saver->guest, head->id, msrs, &count);

    if (error)
        return failed(saver, error, "cannot ask for the MSRs of vCPU %u: %s", head->id,
                      errno_name(error));
    return count ? put_record(saver, LIBXC_VCPU_MSRS, head, sizeof(*head), msrs,
                              count * sizeof(msrs[0])) : 0;
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
    return error ? error : put_msrs(saver, &head);
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
    uint32_t mul = READ_ONCE(time->tsc_to_system_mul);
    uint64_t khz = (1000000ul << 32) / (mul ? mul : 1);
    int shift = READ_ONCE(time->tsc_shift);
    struct libxc_tsc tsc = { .khz = (uint32_t)(shift < 0 ? khz << MIN(-shift, 31)
                                                         : khz >> MIN(shift, 31)) };

    return put_record(saver, LIBXC_TSC, NULL, 0, &tsc, sizeof(tsc));
}

static int put_p2m_frames(struct saver *saver)
{
    struct libxc_p2m head = { 0, (uint32_t)saver->pages - 1 };

    return put_record(saver, LIBXC_P2M_FRAMES, &head, sizeof(head), saver->list,
                      saver->list_count * 8ul);
}

static int put_beginning(struct saver *saver, const char *config, size_t size)
{
    int error = saver_take_p2m(saver);

    error = error ? error : put_headers(saver, config, size);
    return error ? error : put_p2m_frames(saver);
}

static int put_end(struct saver *saver)
{
    int error = put_tsc(saver);

    error = error ? error : put_record(saver, LIBXC_SHARED_INFO, NULL, 0, saver->shared, SAVE_PAGE);
    error = error ? error : put_vcpus(saver);
    error = error ? error : put_record(saver, LIBXC_END, NULL, 0, NULL, 0);
    return error ? error : put_record(saver, LIBXL_END, NULL, 0, NULL, 0);
}

/* With its shared page mapped. */
static int make_lists(struct saver *saver)
{
    saver->pages = READ_ONCE(saver->shared->arch.max_pfn);      /* It may run. */
    if (saver->pages == 0 || saver->pages > most_pfns(saver->guest))
        return failed(saver, -EINVAL, "the guest says that it has %lu pages, and may have %lu",
                      (unsigned long)saver->pages, (unsigned long)saver->guest->most);
    saver->list_count = (unsigned)((saver->pages + ENTRIES - 1) / ENTRIES);
    saver->p2m = malloc(saver->pages * sizeof(saver->p2m[0]));
    saver->list = malloc(saver->list_count * sizeof(saver->list[0]));
    if (saver->p2m && saver->list && !account_memory_is_low()) return 0;
    return failed(saver, -ENOMEM, "dom0 has too little memory left for a guest that large");
}

static int open(struct guest *guest, struct tape *tape, struct saver **opened,
                struct problem *problem)
{
    struct saver *saver = *opened = calloc(1, sizeof(*saver));

    if (!saver) return problem_set(problem, -ENOMEM, "dom0 has no memory left");
    saver->guest = guest;
    saver->tape = tape;
    saver->problem = problem;
    saver->shared = guest->hands->map(guest, &guest->shared_mfn, 1, false);
    return saver->shared ? make_lists(saver)
                         : failed(saver, -ENOMEM, "the guest's shared page cannot be mapped");
}

void saver_end(struct saver *saver)
{
    if (!saver) return;
    if (saver->shared)
        saver->guest->hands->unmap(saver->guest, saver->shared, 1);
    free(saver->digest);
    free(saver->list);
    free(saver->p2m);
    free(saver);
}

int save_guest(struct guest *guest, struct tape *tape, const char *config, size_t size,
               struct problem *problem)
{
    struct saver *saver;
    int error = open(guest, tape, &saver, problem);

    error = error ? error : put_beginning(saver, config, size);
    error = error ? error : saver_put_pages(saver);
    error = error ? error : put_end(saver);
    saver_end(saver);
    return error;
}

/* --- while it runs --- */

int saver_begin(struct guest *guest, struct tape *tape, const char *config, size_t size,
                struct save_watch *watch, struct saver **begun, struct problem *problem)
{
    int error = open(guest, tape, begun, problem);
    struct saver *saver = *begun;

    if (error) return error;
    if (saver->pages * (sizeof(saver->p2m[0]) + sizeof(saver->digest[0])) > guest->room)
        return failed(saver, -ENOMEM, "dom0 has too little memory to move so large a guest while it"
                      " runs: without --live it needs less");
    saver->digest = calloc(saver->pages, sizeof(saver->digest[0]));
    if (!saver->digest) return failed(saver, -ENOMEM, "dom0 has no memory left");
    digest_make_key(&saver->key, guest->seed);
    saver->empty = digest_page(&saver->key, saver->buffer);     /* It has held nothing yet. */
    saver->watch = watch;
    saver->runs = true;
    saver->rounds.pages = guest->pages;
    return put_beginning(saver, config, size);
}

static int look_again(struct saver *saver)
{
    if (saver->shared->arch.max_pfn != saver->pages)
        return failed(saver, -EBUSY, "the guest has changed the size of its p2m meanwhile");
    return saver_take_p2m(saver);
}

int saver_round(struct saver *saver, struct save_rounds *rounds)
{
    int error = look_again(saver);

    saver->rounds.before = saver->rounds.sent;
    saver->rounds.sent = 0;
    error = error ? error : saver_put_pages(saver);
    saver->rounds.number++;
    saver->rounds.total += saver->rounds.sent;
    *rounds = saver->rounds;
    return error;
}

int saver_finish(struct saver *saver, struct save_rounds *rounds)
{
    int error;

    saver->runs = false;
    error = saver_round(saver, rounds);
    error = error ? error : put_p2m_frames(saver);
    return error ? error : put_end(saver);
}
