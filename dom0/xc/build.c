/* SPDX-License-Identifier: MIT */
/*
 * Builds a domain with the same public calls a tool on Xen would use: create, give memory, write
 * kernel, page tables and start_info through mappings of the new domain's frames, pin the page
 * tables, set the first registers.
 *
 * The new domain's page tables are written while they are ordinary memory of it. Before they are
 * pinned our writable mappings of them must be gone: a frame is either writable to somebody or a
 * page table.
 */
#include "dom0/xc/build.h"
#include "builder/layout.h"
#include "dom0/account.h"
#include "dom0/xc/control.h"
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/hypercalls.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>
#include <stdarg.h>

#define WINDOW 32u                              /* Pages mapped, and written, at a time. */

struct build {
    const struct build_request *request;
    struct build_result *result;
    struct image image;
    struct layout layout;
    /* frames[pfn]: where the new domain's page is in the machine. */
    unsigned long *frames;
    unsigned frames_order;
    bool *last_level;                           /* Of each page table: is it an L1? */
    domid_t domid;
    uint64_t shared_info;                       /* Machine address. */
    char *why;
    size_t why_size;
};

__attribute__((format(printf, 3, 4))) static int failed(struct build *build, int error,
                                                        const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(build->why, build->why_size, format, arguments);
    va_end(arguments);
    return error;
}

/* --- the new domain's memory, seen from here --- */

/* Copies into consecutive pages of the guest, from an address on; `bytes` NULL writes zeroes. */
static int write_guest(struct build *build, uint64_t pfn, uint64_t offset, const void *bytes,
                       uint64_t size)
{
    const uint8_t *from = bytes;

    pfn += offset / PAGE_BYTES;
    offset %= PAGE_BYTES;
    while (size) {
        uint64_t pages = MIN((offset + size + PAGE_BYTES - 1) / PAGE_BYTES, (uint64_t)WINDOW);
        uint64_t chunk = MIN(size, pages * PAGE_BYTES - offset);
        uint8_t *window = map_frames(build->frames + pfn, pages, PROT_RW, build->domid, NULL);

        if (IS_ERR(window))
            return failed(build, (int)PTR_ERR(window), "cannot map the new domain's memory: %s",
                          errno_name(PTR_ERR(window)));
        if (from)
            memcpy(window + offset, from, chunk);
        else
            memset(window + offset, 0, chunk);
        unmap_frames(window, pages);
        /* Everybody else has his turn: there may be a lot of it. */
        thread_yield();
        if (from)
            from += chunk;
        pfn += pages;
        size -= chunk;
        offset = 0;
    }
    return 0;
}

static int write_va(struct build *build, uint64_t va, const void *bytes, uint64_t size)
{
    return write_guest(build, 0, va - build->layout.base, bytes, size);
}

static int load_kernel(struct build *build)
{
    const struct layout *layout = &build->layout;
    int error = write_va(build, layout->base, NULL, layout->end - layout->base);

    for (unsigned i = 0; !error && i < build->image.segment_count; i++) {
        const struct image_segment *segment = &build->image.segment[i];

        error = write_va(build, segment->va, segment->bytes, segment->file_size);
    }
    if (!error && layout->ramdisk_pages)
        error = write_guest(build, layout->ramdisk_pfn, 0, build->request->ramdisk,
                            build->request->ramdisk_size);
    if (!error)
        error = write_guest(build, layout->p2m_pfn, 0, build->frames,
                            layout->pages * sizeof(uint64_t));
    return error;
}

/* --- page tables --- */

struct tables {
    uint64_t (*table)[512];                     /* The tables, mapped here; 0 is the L4. */
    uint64_t used;
    uint64_t l1, l1_range;                      /* The L1 in use, and the 2 MiB it maps. */
    struct build *build;
};

static uint64_t table_mfn(const struct tables *tables, uint64_t index)
{
    return tables->build
        ->frames[layout_pfn(&tables->build->layout, tables->build->layout.tables) + index];
}

/* The L1 table for an address, with the tables on the way from the L4. The layout has counted how
 * many that takes. */
static uint64_t find_l1(struct tables *tables, uint64_t va)
{
    uint64_t index = 0;

    for (unsigned level = 4; level > 1; level--) {
        uint64_t *entry = &tables->table[index][va >> (12 + 9 * (level - 1)) & 511];

        if (!*entry) {
            ASSERT(tables->used < tables->build->layout.table_count);
            *entry = table_mfn(tables, tables->used++) << PAGE_SHIFT | PROT_TABLE;
        }
        index = 0;
        while (table_mfn(tables, index) != (*entry & PTE_MFN_MASK) >> PAGE_SHIFT)
            index++;
    }
    return index;
}

static void map_one(struct tables *tables, uint64_t va, uint64_t pfn, uint64_t flags)
{
    if (!tables->l1 || tables->l1_range != va >> 21) {
        tables->l1 = find_l1(tables, va);
        tables->l1_range = va >> 21;
        tables->build->last_level[tables->l1] = true;
        thread_yield();                         /* A kernel may be large, and so are its tables. */
    }
    tables->table[tables->l1][va >> 12 & 511] = tables->build->frames[pfn] << PAGE_SHIFT | flags;
}

static int build_tables(struct build *build)
{
    const struct layout *layout = &build->layout;
    uint64_t first = layout_pfn(layout, layout->tables);
    uint64_t flags = PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_USER;
    struct tables tables = { .used = 1, .build = build };

    build->last_level = calloc(layout->table_count, sizeof(*build->last_level));
    if (!build->last_level) return failed(build, refused(-ENOMEM), "dom0 has no memory left");
    tables.table = map_frames(build->frames + first, layout->table_count, PROT_RW, build->domid,
                              NULL);
    if (IS_ERR(tables.table))
        return failed(build, (int)PTR_ERR(tables.table), "cannot map the new domain's page tables");
    for (uint64_t va = layout->base; va != layout->end; va += PAGE_BYTES) {
        uint64_t pfn = layout_pfn(layout, va);
        bool is_table = pfn >= first && pfn < first + layout->table_count;

        map_one(&tables, va, pfn, is_table ? flags & ~PTE_WRITE : flags);
    }
    for (uint64_t i = 0; build->image.init_p2m != IMAGE_ABSENT && i < layout->p2m_pages; i++)
        map_one(&tables, layout->p2m_va + i * PAGE_BYTES, layout->p2m_pfn + i, flags);
    unmap_frames(tables.table, layout->table_count);
    return 0;
}

static int pin(struct build *build, unsigned cmd, uint64_t table)
{
    struct mmuext_op op = { .cmd = cmd };

    op.arg1.mfn = build->frames[layout_pfn(&build->layout, build->layout.tables) + table];
    return (int)HYPERVISOR_mmuext_op(&op, 1, NULL, build->domid);
}

static int pin_last_level(struct build *build, unsigned cmd)
{
    int error = 0;

    for (uint64_t i = 0; !error && i < build->layout.table_count; i++)
        if (build->last_level[i]) {
            error = pin(build, cmd, i);
            thread_yield();
        }
    return error;
}

/* While the hypervisor looks at entries we do nothing for anybody. Nearly all are in the last
 * level: those tables are pinned one by one, and the L4 then finds them valid and keeps them so. */
static int pin_tables(struct build *build)
{
    int error = pin_last_level(build, MMUEXT_PIN_L1_TABLE);

    error = error ? error : pin(build, MMUEXT_PIN_L4_TABLE, 0);
    error = error ? error : pin_last_level(build, MMUEXT_UNPIN_TABLE);
    return error ? failed(build, error, "the hypervisor refuses the new page tables: %s",
                          errno_name(error))
                 : 0;
}

/* --- what the guest is told --- */

static int write_start_info(struct build *build)
{
    const struct layout *layout = &build->layout;
    struct build_result *result = build->result;
    struct start_info *info = calloc(1, PAGE_BYTES);
    int error;

    if (!info) return failed(build, refused(-ENOMEM), "dom0 has no memory left");
    layout_start_info(layout, &build->image, build->request->ramdisk_size,
                      build->request->command_line, info);
    info->shared_info = build->shared_info;
    info->store_mfn = result->store_mfn;
    info->store_evtchn = result->store_port;
    info->console.domU.mfn = result->console_mfn;
    info->console.domU.evtchn = result->console_port;
    error = write_va(build, layout->start_info, info, sizeof(*info));
    free(info);
    return error;
}

/*
 * The console and XenStore rings are granted to us by the guest's first two grants, as Xen's tools
 * do it: a back end without the right to map any frame can reach them too. We write them into the
 * guest's table on its behalf.
 */
int domain_seed_grants(const struct build_result *built, char *why, size_t why_size)
{
    struct gnttab_setup_table setup = { .dom = built->domid, .nr_frames = 1 };
    xen_pfn_t frame = 0;
    unsigned long mfn;
    struct grant_entry_v1 *table;
    struct build build = { .why = why, .why_size = why_size };
    int error;

    set_xen_guest_handle(setup.frame_list, &frame);
    error = (int)HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 1);
    if (error || setup.status != GNTST_okay)
        return failed(&build, error ? error : refused(-EIO),
                      "cannot reach the new domain's grant table (status %d)", setup.status);
    mfn = frame;
    table = map_frames(&mfn, 1, PROT_RW, built->domid, NULL);
    if (IS_ERR(table))
        return failed(&build, (int)PTR_ERR(table), "cannot map the new domain's grant table");
    table[GNTTAB_RESERVED_CONSOLE] = (struct grant_entry_v1){
        .flags = GTF_permit_access, .domid = 0, .frame = (uint32_t)built->console_mfn };
    table[GNTTAB_RESERVED_XENSTORE] = (struct grant_entry_v1){
        .flags = GTF_permit_access, .domid = 0, .frame = (uint32_t)built->store_mfn };
    unmap_frames(table, 1);
    return 0;
}

static int seed_grants(struct build *build)
{
    return domain_seed_grants(build->result, build->why, build->why_size);
}

/* A guest starts with events masked: Linux has no stack for an interrupt yet. The toolstack's part,
 * says the ABI. */
static int mask_events(struct build *build)
{
    unsigned long mfn = build->shared_info >> PAGE_SHIFT;
    struct shared_info *shared = map_frames(&mfn, 1, PROT_RW, build->domid, NULL);

    if (IS_ERR(shared))
        return failed(build, (int)PTR_ERR(shared), "cannot map the new domain's shared page");
    for (size_t i = 0; i < ARRAY_SIZE(shared->vcpu_info); i++)
        shared->vcpu_info[i].evtchn_upcall_mask = 1;
    unmap_frames(shared, 1);
    return 0;
}

static int set_registers(struct build *build)
{
    const struct layout *layout = &build->layout;
    struct vcpu_guest_context *context = calloc(1, sizeof(*context));
    struct xen_domctl op = { .cmd = XEN_DOMCTL_setvcpucontext, .domain = build->domid };
    uint64_t root = build->frames[layout_pfn(layout, layout->tables)];
    int error;

    if (!context) return failed(build, refused(-ENOMEM), "dom0 has no memory left");
    layout_context(layout, &build->image, root, context);
    context->flags |= VGCF_online;
    set_xen_guest_handle(op.u.vcpucontext.ctxt, context);
    error = control_domain(&op);
    free(context);
    return error ? failed(build, error, "the hypervisor refuses the first registers: %s",
                          errno_name(error))
                 : 0;
}

static int fill_hypercall_page(struct build *build)
{
    struct xen_domctl op = { .cmd = XEN_DOMCTL_hypercall_init, .domain = build->domid };
    int error;

    if (build->image.hypercall_page == IMAGE_ABSENT) return 0;
    op.u.hypercall_init
        .gmfn = build->frames[layout_pfn(&build->layout, build->image.hypercall_page)];
    error = control_domain(&op);
    return error ? failed(build, error, "cannot fill the hypercall page: %s", errno_name(error))
                 : 0;
}

/* --- the order of it all --- */

static int plan(struct build *build)
{
    const struct build_request *request = build->request;
    const char *why;
    uint64_t needed, free_pages = machine_free_pages();
    int error = image_parse(request->kernel, request->kernel_size, &build->image, &why);

    if (error) return failed(build, error, "the kernel cannot be used: %s", why);
    if (request->pages > free_pages)
        return failed(build, refused(-ENOMEM),
                      "too little memory: %lu MiB are asked for, %lu MiB are free",
                      request->pages / 256, free_pages / 256);
    error = layout_make(&build->image, request->ramdisk_size, request->pages, &build->layout,
                        &needed);
    if (error == -ENOMEM)
        return failed(build, error,
                      "too little memory: the kernel needs at least %lu MiB to start, memory = %lu",
                      (needed + 255) / 256, request->pages / 256);
    return error ? failed(build, error, "the kernel cannot be used: %s", build->layout.why) : 0;
}

/* A name for this one life of a guest that nothing else has (RFC 4122, version 4); the clock is
 * what differs each time. */
void domain_make_uuid(xen_domain_handle_t uuid)
{
    uint64_t state = wall_clock_ns() ^ read_tsc() << 32;

    for (unsigned i = 0; i < sizeof(xen_domain_handle_t); i++) {
        state = state * 6364136223846793005ul + 1442695040888963407ul;
        uuid[i] = (uint8_t)(state >> 56);
    }
    uuid[6] = (uint8_t)(0x40 | (uuid[6] & 0x0f));
    uuid[8] = (uint8_t)(0x80 | (uuid[8] & 0x3f));
}

static int make_domain(struct build *build)
{
    const struct build_request *request = build->request;
    struct xen_domctl_getdomaininfo info;
    xen_domain_handle_t handle = { 0 };
    int error;

    if (request->uuid)
        memcpy(handle, request->uuid, sizeof(handle));
    else
        domain_make_uuid(handle);
    error = domain_create(request, handle, &build->domid);
    if (error) return failed(build, error, "the hypervisor makes no domain: %s", errno_name(error));
    build->result->domid = build->domid;
    error = domain_set_max_memory(build->domid, request->max_pages);    /* Of its memory map. */
    if (!error)
        error = domain_populate(build->domid, build->frames, request->pages);
    /* What it may have beyond that is the operator's to say, by mem-set: a guest that took it by
     * itself would take it from a neighbour that is just being started again. */
    if (!error)
        error = domain_set_max_memory(build->domid, request->pages);
    if (error)
        return failed(build, error, "too little memory: the hypervisor has not %lu MiB (%s)",
                      request->pages / 256, errno_name(error));
    error = domain_get_info(build->domid, &info);
    if (!error)
        error = domain_alloc_port(build->domid, 0, &build->result->store_port);
    if (!error)
        error = domain_alloc_port(build->domid, 0, &build->result->console_port);
    if (error)
        return failed(build, error, "cannot make the new domain's event channels: %s",
                      errno_name(error));
    build->shared_info = info.shared_info_frame << PAGE_SHIFT;
    build->result->store_mfn = build->frames[layout_pfn(&build->layout, build->layout.store)];
    build->result->console_mfn = build->frames[layout_pfn(&build->layout, build->layout.console)];
    return 0;
}

int build_domain(const struct build_request *request, struct build_result *result, char *why,
                 size_t why_size)
{
    static int (*const steps[])(struct build * build) = {
        make_domain, load_kernel,         build_tables, write_start_info, seed_grants,
        mask_events, fill_hypercall_page, pin_tables,   set_registers,
    };
    struct build build = { .request = request, .result = result, .why = why, .why_size = why_size };
    int error = plan(&build);

    if (error) return error;
    result->domid = DOMID_INVALID;
    while ((uint64_t)PAGE_BYTES << build.frames_order < build.layout.p2m_pages * PAGE_BYTES)
        build.frames_order++;
    build.frames = alloc_pages(build.frames_order);
    if (!build.frames || account_memory_is_low())
        error = failed(&build, refused(-ENOMEM),
                       "dom0 has no memory left to build a domain this large");
    for (size_t i = 0; i < ARRAY_SIZE(steps) && !error; i++)
        error = steps[i](&build);
    free(build.last_level);
    if (build.frames)
        free_pages(build.frames, build.frames_order);
    if (error && result->domid != DOMID_INVALID)
        domain_destroy(result->domid);
    return error;
}
