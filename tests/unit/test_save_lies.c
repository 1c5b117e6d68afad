/* SPDX-License-Identifier: MIT */
/*
 * A saved guest in which one thing is wrong, and nothing else: that thing is what the sentence is
 * about. Beside each stands what is only just right. And whoever saves or restores when there is no
 * memory, or when the hypervisor refuses: it is told, and all is given back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "save_host.h"

unsigned allocations_until_failure;

#define COUNT 60u                       /* Of the guest's pages. */
#define STREAM (52 + sizeof(config) - 1)        /* Where libxl's begins. */
#define CONTEXT 16u                     /* In a vCPU's record, behind its head and the vCPU's. */
#define XALLOC(pfn) ((pfn) | (uint64_t)XEN_DOMCTL_PFINFO_XALLOC << PAGE_TYPE_SHIFT)

static uint8_t whole[1u << 22];
static size_t length;

static void keep_tape(void)
{
    assert_int_equal(save(), 0);
    length = size;
    memcpy(whole, bytes, length);
}

static void put_back(void)
{
    memcpy(bytes, whole, length);
    size = length;
}

/* NULL: nothing is wrong. */
static void says(const char *words)
{
    int error = restore();

    if (!words && error)
        fail_msg("refused: %s", problem.text);
    if (words && (!error || !strstr(problem.text, words)))
        fail_msg("'%s' is not in '%s'", words, problem.text);
    put_back();
}

static void with(size_t place, uint32_t value, const char *words)
{
    memcpy(bytes + place, &value, sizeof(value));
    says(words);
}

static void with_long(size_t place, uint64_t value, const char *words)
{
    memcpy(bytes + place, &value, sizeof(value));
    says(words);
}

/* The first record of libxc's of that type. */
static size_t record(uint32_t type)
{
    size_t place = STREAM + 16 + 8 + 24 + 16;
    struct save_record found;

    for (;; place += sizeof(found) + found.size + RECORD_PADDING(found.size)) {
        memcpy(&found, bytes + place, sizeof(found));
        if (found.type == type) return place;
        assert_int_not_equal(found.type, LIBXC_END);
    }
}

static size_t behind(size_t place)
{
    struct save_record found;

    memcpy(&found, bytes + place, sizeof(found));
    return place + sizeof(found) + found.size + RECORD_PADDING(found.size);
}

/* A record with the words at its beginning, and zeroes. */
static void insert(size_t place, uint32_t type, uint32_t body, const uint64_t *words, size_t count)
{
    const struct save_record head = { type, body };
    size_t more = sizeof(head) + body + RECORD_PADDING(body);

    memmove(bytes + place + more, bytes + place, size - place);
    memset(bytes + place, 0, more);
    memcpy(bytes + place, &head, sizeof(head));
    if (count)
        memcpy(bytes + place + sizeof(head), words, count * sizeof(*words));
    size += more;
}

/* In place of the first of that type. */
static void instead(uint32_t type, uint32_t body, const uint64_t *words, size_t count)
{
    size_t place = record(type), next = behind(place);

    memmove(bytes + place, bytes + next, size - next);
    size -= next - place;
    insert(place, type, body, words, count);
}

static uint64_t *on_tape(unsigned pfn)
{
    size_t place = record(LIBXC_PAGES) + sizeof(struct save_record);
    const uint32_t count = *(const uint32_t *)(const void *)(bytes + place);
    const uint64_t *word = (const uint64_t *)(const void *)(bytes + place + 8);

    for (unsigned i = 0; i < count; i++)
        if ((word[i] & PAGE_PFN) == pfn)
            return (uint64_t *)(void *)(bytes + place + 8 + count * 8 + i * (size_t)SAVE_PAGE);
    fail_msg("no page %u", pfn);
    return NULL;
}

static int with_tape(void **state)
{
    map_fails = allocations_until_failure = 0;
    vcpu_error = extended_error = release_error = 0;
    no_xsave = false;
    msr_count = 1;
    msr_error = 0;
    vcpus = 2;
    may_have = 600;
    make_guest(COUNT);
    keep_tape();
    return 0;
}

/* --- headers --- */

static void headers(void **state)
{
    const struct { size_t place; uint32_t value; const char *words; } rows[] = {
        { 0, 0, "there is no saved guest" }, { 28, 1, "there is no saved guest" },
        { 32, 1, "another xl (byte order 1" }, { 36, 0, "flags 0" }, { 36, 1, "flags 1" },
        { 36, 3, NULL }, { 36, 6, "flags 6" }, { 40, 99, NULL },
        { 44, sizeof(config) - 1 + 5, "its configuration is said" },
        { 48, sizeof(config), "its configuration is said" },
        { STREAM, 0, "libxl's stream is of another kind" },
        { STREAM + 8, 2, "libxl's stream is of another kind" },
        { STREAM + 12, 1, "libxl's stream is of another kind" },
        { STREAM + 16, 0, "begins with a record of type 0" },
        { STREAM + 20, 8, "begins with a record of type 1" },
        { STREAM + 24, 0, "libxc's stream is of another kind" },
        { STREAM + 28, ~1u, "libxc's stream is of another kind" },
        { STREAM + 32, 1, "libxc's stream is of another kind" },
        { STREAM + 36, __builtin_bswap32(1), "of version 1" },
        { STREAM + 36, __builtin_bswap32(2), NULL },
        { STREAM + 36, __builtin_bswap32(4), "of version 4" },
        { STREAM + 40, 1, "libxc's stream is of another kind" }, { STREAM + 44, 1, NULL },
        { STREAM + 48, 2, "it is no PV guest" }, { STREAM + 52, 13, "it is no PV guest" },
        { length - 8, 1, "goes on with a record of type 1" },
        { length - 4, 8, "goes on with a record of type 0" },
    };
    struct tape *const from = &tape;
    char *text;
    bool json;

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        with(rows[i].place, rows[i].value, rows[i].words);
    for (uint32_t flags = 2; flags < 4; flags++) {
        memcpy(bytes + 36, &flags, sizeof(flags));
        at = 0;
        assert_int_equal(restore_config(from, &text, &json, &problem), 0);
        assert_int_equal(json, flags & XL_JSON);
        free(text);
    }
}

/* As long as it may be, and longer. */
static void long_configurations(void **state)
{
    for (uint32_t more = 0; more < 2; more++) {
        uint32_t bytes_of = 64 * 1024 + more, both = bytes_of + 4;

        memcpy(bytes + 44, &both, sizeof(both));
        memcpy(bytes + 48, &bytes_of, sizeof(bytes_of));
        memset(bytes + 52, 'x', bytes_of);
        size = 52 + bytes_of;
        says(more ? "its configuration is said" : "ends too early");
    }
}

/* --- records --- */

static void records(void **state)
{
    const uint64_t vcpu_2 = 2;
    const struct { uint32_t type, body; uint64_t word; const char *words; } rows[] = {
        { LIBXC_PV_INFO, 4, 0, "X86_PV_INFO of 4 bytes" },
        { LIBXC_PV_INFO, 8, 4 | 4 << 8, "a 32-bit one" },
        { LIBXC_PV_INFO, 8, 8 | 3 << 8, "with 3 levels" },
        { LIBXC_P2M_FRAMES, 4, 0, "p2m frames of 4 bytes" },
        { LIBXC_P2M_FRAMES, 8, 59ul << 32, "its p2m is of pages 0 to 59, in 8 bytes" },
        { LIBXC_P2M_FRAMES, 16, 1 | 59ul << 32, "its p2m is of pages 1 to 59" },
        { LIBXC_PAGES, 4, 0, "a record of pages of 4 bytes" },
        { LIBXC_PAGES, 8, 0, "a record of 0 pages in 8 bytes" },
        { LIBXC_PAGES, 8, 1, "a record of 1 pages in 8 bytes" },
        { LIBXC_PAGES, 8 + 1025 * 8, 1025, "a record of 1025 pages" },
        { LIBXC_PAGES, 8 + 1024 * 8, 1024, "0 bytes of pages where" },
        { LIBXC_SHARED_INFO, 4095, 0, "a shared page of 4095 bytes" },
        { LIBXC_VCPU, 8, 0, "a vCPU's record of 8 bytes" },
        { LIBXC_VCPU, 9, 0, "a vCPU's record of type 4 and 1 bytes" },
        { LIBXC_VCPU, 9, vcpu_2, "vCPU 2 of a guest of 2" },
        { LIBXC_VCPU_EXTENDED, 8 + 129, 0, "of type 5 and 129 bytes" },
        { LIBXC_VCPU_XSAVE, 8, 0, "a vCPU's record of 8 bytes" },
        { LIBXC_VCPU_XSAVE, 9, 0, "vector registers are more" },
        { LIBXC_VCPU_XSAVE, 8 + EXTENDED_SIZE, 0, "vector registers are more" },
        { LIBXC_VCPU_XSAVE, 8 + sizeof(vcpu), 0, "vector registers are more" },
        { LIBXC_VCPU_XSAVE, 8 + 16384, 0, "vector registers are more" },
        { LIBXC_VCPU_XSAVE, 8 + 16385, 0, "of type 6 and 16385 bytes" },
        { LIBXC_VCPU_MSRS, 8, 0, "a vCPU's record of 8 bytes" },
        { LIBXC_VCPU_MSRS, 8 + 15, 0, "of type 12 and 15 bytes" },
        { LIBXC_VCPU_MSRS, 8 + 16, 0, "refuses what vCPU 0 has in its MSR 0 (0)" },
        { LIBXC_VCPU_MSRS, 8 + 256, 0, "refuses what vCPU 0 has in its MSR 0 (0)" },
        { LIBXC_VCPU_MSRS, 8 + 272, 0, "of type 12 and 272 bytes" },
        { LIBXC_TSC, 9000, 0, NULL }, { LIBXC_END, 8, 0, "an end of 8 bytes" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].type == LIBXC_END)
            insert(length - 16, LIBXC_END, 8, NULL, 0);
        else
            instead(rows[i].type, rows[i].body, &rows[i].word, rows[i].body > 4);
        says(rows[i].words);
    }
}

static void records_of_others(void **state)
{
    const size_t place = record(LIBXC_TSC);
    const uint64_t id = 0;
    const struct { uint32_t type; const char *words; } rows[] = {
        { 99, "a record of type 99" }, { LIBXC_VERIFY, "a record of type 13" },
        { LIBXC_OPTIONAL | 99, NULL }, { LIBXC_CPUID, NULL }, { LIBXC_MSRS, NULL },
        { LIBXC_STATIC_END, NULL },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        insert(place, rows[i].type, 5001, &id, 1);
        says(rows[i].words);
    }
    with(place + 4, 8 * 1024 * 1024 + 1, "a record of 8388609 bytes");
    with(place + 4, 8 * 1024 * 1024, "ends too early");
    insert(record(LIBXC_PV_INFO), LIBXC_P2M_FRAMES, 16, &id, 1);
    says("its p2m comes before");
    insert(record(LIBXC_P2M_FRAMES), LIBXC_PAGES, 16, &id, 1);
    says("pages come before");
    insert(place, LIBXC_P2M_FRAMES, 16, &id, 1);
    says("its p2m is of pages 0 to 0, and was of 60");
}

static void words_of_pages(void **state)
{
    const struct { uint64_t word; unsigned more; const char *words; } rows[] = {
        { HOLE | 0xful << 60, 0, NULL }, { HOLE | 0xeul << 60, 1, NULL },
        { HOLE | 0xdul << 60, 0, "a page's word is d" }, { HOLE | 0x5ul << 60, 0, "a page's word" },
        { HOLE | 1ul << 52, 0, "a page's word" }, { HOLE | 1ul << 59, 0, "a page's word" },
        { COUNT, 0, "a page's word is 3c" }, { HOLE, 0, "0 bytes of pages where 4096" },
        { HOLE | 1ul << 60, 0, "0 bytes of pages where 4096" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        const uint64_t words[2] = { 1, rows[i].word };

        insert(record(LIBXC_TSC), LIBXC_PAGES, 16, words, 2);
        says(rows[i].words);
        assert_true(rows[i].words || populated == COUNT - 10 + rows[i].more);
    }
}

/* --- what is said of pages --- */

static void lists_that_are_no_pages(void **state)
{
    static const uint64_t wrong[] = { ROOT, L3, L2, L1, HOLE, COUNT, ~0ul };

    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        size_t context = record(LIBXC_VCPU) + CONTEXT;

        with_long(record(LIBXC_P2M_FRAMES) + 16, wrong[i], "its p2m is said to be in page");
        with_long(context + offsetof(struct vcpu_guest_context, user_regs.rdx), wrong[i],
                  "its start_info is said to be in page");
        with_long(context + offsetof(struct vcpu_guest_context, gdt_frames[0]), wrong[i],
                  "the GDT of vCPU 0 is said to be in page");
        ((struct start_info *)on_tape(START))->store_mfn = wrong[i];
        says("its rings are said to be in pages");
        ((struct start_info *)on_tape(START))->console.domU.mfn = wrong[i];
        says("its rings are said to be in pages");
        if (wrong[i] == ROOT)
            continue;
        with_long(context + offsetof(struct vcpu_guest_context, ctrlreg[3]),
                  xen_pfn_to_cr3(wrong[i] & PAGE_PFN), "the page tables of vCPU 0 are said");
        with_long(context + offsetof(struct vcpu_guest_context, ctrlreg[1]),
                  wrong[i] << 12 | 1, "the page tables of vCPU 0 are said");
    }
}

static void contexts(void **state)
{
    struct vcpu_guest_context *context = (void *)(bytes + record(LIBXC_VCPU) + CONTEXT);

    context->ctrlreg[1] = (uint64_t)L3 << 12;           /* None, whatever stands above. */
    says(NULL);
    assert_int_equal(restored_vcpu.ctrlreg[1], 0);
    context->flags = 0;
    says(NULL);
    assert_true(restored_vcpu.flags & VGCF_online);
    context->gdt_ents = 8193;
    says("a GDT of 8193 entries");
    for (unsigned i = 1; i < 16; i++)
        context->gdt_frames[i] = 40 + i;
    context->gdt_ents = 8192;
    says(NULL);
    assert_int_equal(frame[restored_vcpu.gdt_frames[15]].pfn, 55);
    context->gdt_frames[1] = L1;
    context->gdt_ents = 512;
    says(NULL);
    context->gdt_frames[1] = L1;
    context->gdt_ents = 513;
    says("the GDT of vCPU 0 is said");
}

static void tables(void **state)
{
    on_tape(L1)[51] = COUNT << 12 | ENTRY_PRESENT;
    says("a page table of level 1 has the entry 3c001");
    on_tape(L2)[1] |= ENTRY_LARGE;
    says("a page table of level 2 has the entry");
    on_tape(L3)[7] = ENTRY_LARGE | ENTRY_PRESENT;
    says("a page table of level 3 has the entry 81");
    make_guest(COUNT);
    table(L1)[51] |= ENTRY_LARGE;       /* Of level 1: another bit. */
    for (unsigned slot = 255; slot <= 272; slot += 17)
        table(ROOT)[slot] = entry_of(L3);
    table(ROOT)[256] = table(ROOT)[271] = 0xbad001;
    keep_tape();
    says(NULL);
    for (unsigned long mfn = 700; mfn < next_frame; mfn++) {
        const uint64_t *entries = (const uint64_t *)(const void *)ram[mfn];

        if (frame[mfn].pfn == L1)
            assert_true(entries[51] & ENTRY_LARGE);
        if (frame[mfn].pfn == ROOT) {
            assert_true(entries[255] && entries[255] == entries[272]);
            assert_true(!entries[256] && !entries[271]);
        }
    }
}

/* Whoever says last that what his tables name are no tables would have them all looked at in one
 * call, when one above is pinned: of a large guest, for seconds. */
static void tables_that_are_hidden(void **state)
{
    uint64_t words[] = { 1, XALLOC(L1 + 1) };

    insert(record(LIBXC_END), LIBXC_PAGES, sizeof(words), words, ARRAY_SIZE(words));
    says("a page table of level 2, in page 3, names what is none of the level below");
    assert_int_equal(most_looked, 1);
    words[1] = XALLOC(L3);
    insert(record(LIBXC_END), LIBXC_PAGES, sizeof(words), words, ARRAY_SIZE(words));
    says("a page table of level 4, in page 1, names what is none of the level below");
    words[1] = XALLOC(COUNT - 1);
    insert(record(LIBXC_END), LIBXC_PAGES, sizeof(words), words, ARRAY_SIZE(words));
    says(NULL);
}

/* --- what is said again: last counts --- */

static void insert_page(uint32_t type, unsigned pfn, const void *page)
{
    const uint64_t words[] = { 1, pfn | (uint64_t)type << PAGE_TYPE_SHIFT };
    const size_t place = record(LIBXC_TSC);

    insert(place, LIBXC_PAGES, sizeof(words) + (page ? SAVE_PAGE : 0), words, 2);
    if (page)
        memcpy(bytes + place + sizeof(struct save_record) + sizeof(words), page, SAVE_PAGE);
}

static unsigned long frame_now(unsigned long pfn)
{
    for (unsigned long mfn = 700; mfn < next_frame; mfn++)
        if (frame[mfn].owned && frame[mfn].pfn == pfn) return mfn;
    fail_msg("page %lx has no frame", pfn);
    return 0;
}

static uint64_t *words_of(unsigned long mfn)
{
    return (uint64_t *)(void *)ram[mfn];
}

static void pages_that_come_again(void **state)
{
    static uint64_t page[ENTRIES];

    for (unsigned i = 0; i < ENTRIES; i++)
        page[i] = i % 2 ? 0 : 50ul << 12 | ENTRY_PRESENT;
    insert_page(0, 40, page);
    says(NULL);
    assert_int_equal(populated, COUNT - 10);
    assert_memory_equal(words_of(frame_now(40)), page, SAVE_PAGE);
    insert_page(XEN_DOMCTL_PFINFO_L1TAB | XEN_DOMCTL_PFINFO_LPINTAB, 40, page);
    says(NULL);                         /* a table now, which names frames */
    assert_int_equal(words_of(frame_now(40))[2], frame_now(50) << 12 | ENTRY_PRESENT);
    assert_true(frame[frame_now(40)].typed && pins == 2);
    insert_page(XEN_DOMCTL_PFINFO_L1TAB | XEN_DOMCTL_PFINFO_LPINTAB, 40, page);
    insert_page(0, 40, page);           /* and then none, */
    says(NULL);
    assert_memory_equal(words_of(frame_now(40)), page, SAVE_PAGE);
    assert_true(!frame[frame_now(40)].typed && pins == 1);
    insert_page(0, L1, page);           /* though another table names it as one */
    says("a page table of level 2, in page 3, names what is none of the level below");
}

static void pages_that_go(void **state)
{
    const uint64_t words[] = { 3, 40 | 0xful << 60, HOLE | 0xful << 60, XALLOC(41) };
    static const uint64_t page[ENTRIES];

    on_tape(L1)[40] = 0;                /* Nobody names it any more. */
    length = size;
    memcpy(whole, bytes, length);
    insert(record(LIBXC_TSC), LIBXC_PAGES, sizeof(words), words, 4);
    says(NULL);
    assert_true(released == 1 && populated == COUNT - 11);
    assert_int_equal(words_of(frame_now(LIST))[40], ABSENT);
    insert(record(LIBXC_TSC), LIBXC_PAGES, sizeof(words), words, 4);
    insert_page(0, 40, page);           /* It is there again, */
    says(NULL);                         /* in another frame, */
    assert_true(released == 1 && populated == COUNT - 10);
    assert_int_equal(words_of(frame_now(LIST))[40], frame_now(40));
    insert(record(LIBXC_END), LIBXC_PAGES, sizeof(words), words, 4);
    insert(record(LIBXC_END), LIBXC_PAGES, sizeof(words), words, 4);
    says(NULL);                         /* and gone for good. */
    assert_true(released == 1 && populated == COUNT - 11);
    release_error = -EBUSY;
    insert(record(LIBXC_TSC), LIBXC_PAGES, sizeof(words), words, 4);
    says("the hypervisor keeps a page that the guest has no more");
}

/* What is gone and needed is missed, and no frame that was its own is used again. */
static void pages_that_go_and_are_named(void **state)
{
    static const struct { unsigned pfn; const char *words; } rows[] = {
        { 40, "the hypervisor refuses its page table in page 4" },
        { L1, "names what is none of the level below" },
        { ROOT, "the page tables of vCPU 0 are said to be in pages 1" },
        { LIST, "its p2m is said to be in page a" }, { START, "its start_info is said" },
        { STORE, "its rings are said" }, { CONSOLE, "its rings are said" },
        { GDT, "the GDT of vCPU 0 is said" },
    };

    for (unsigned i = ROOT; i < 20; i++)        /* A table of these would be missed first. */
        on_tape(L1)[i] = 0;
    *(uint32_t *)(void *)(bytes + record(LIBXC_PAGES) + 16 + 8 * L1 + 4) |=
        XEN_DOMCTL_PFINFO_LPINTAB;
    length = size;
    memcpy(whole, bytes, length);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        insert_page(XEN_DOMCTL_PFINFO_XTAB, rows[i].pfn, NULL);
        says(rows[i].words);
        assert_int_equal(released, 1);
    }
}

/* The list lies elsewhere now. */
static void lists_that_move(void **state)
{
    const uint64_t words[] = { (COUNT - 1ul) << 32, 45 }, no_page[] = { words[0], L1 };

    insert(record(LIBXC_TSC), LIBXC_P2M_FRAMES, sizeof(words), words, 2);
    says(NULL);
    assert_int_equal(words_of(frame_now(45))[44], frame_now(44));
    insert(record(LIBXC_TSC), LIBXC_P2M_FRAMES, sizeof(words), no_page, 2);
    says("its p2m is said to be in page 4");
}

/* --- vCPUs --- */

static void parts_of_vcpus(void **state)
{
    with(record(LIBXC_VCPU) + 8, 1, "it has no first vCPU");
    with(record(LIBXC_VCPU_EXTENDED) + 8, 1, "vCPU 1 has a part of its state only");
    with(record(LIBXC_VCPU_XSAVE) + 8, 1, "vCPU 1 has a part of its state only");
    with(record(LIBXC_VCPU_MSRS) + 8, 1, "vCPU 1 has a part of its state only");
    vcpus = 64;
    with(record(LIBXC_VCPU_XSAVE) + 8, 31, "vCPU 31 has a part of its state only");
    with(record(LIBXC_VCPU_XSAVE) + 8, 32, "vCPU 32 of a guest of 64");
}

/* Who is refused one part is not given the next. */
static void vcpus_that_are_refused(void **state)
{
    says(NULL);
    assert_true(extended_sets == 1 && xsave_sets == 1);
    extended_error = -EINVAL;
    says("the hypervisor refuses the state of vCPU 0");
    assert_true(extended_sets == 1 && xsave_sets == 0);
    vcpu_error = -EINVAL;
    says("the hypervisor refuses the state of vCPU 0");
    assert_true(extended_sets == 0 && xsave_sets == 0 && msr_sets == 0);
}

/* What a guest has set is never left out: it is there as it was, or the guest is not. */
static void msrs(void **state)
{
    const struct libxc_vcpu head = { 0, 0 };
    const xen_domctl_vcpu_msr_t other = { .index = 0x48, .value = 0x1234 };
    const xen_domctl_vcpu_msr_t tsc_aux = { .index = msr.index, .value = 7 };
    uint64_t body[5];

    memcpy(body, &head, sizeof(head));
    memcpy(body + 1, &tsc_aux, sizeof(tsc_aux));
    memcpy(body + 3, &other, sizeof(other));
    instead(LIBXC_VCPU_MSRS, sizeof(body), body, 5);
    says("the hypervisor refuses what vCPU 0 has in its MSR 48 (1234)");
    assert_int_equal(msr_sets, 2);
    instead(LIBXC_VCPU_MSRS, 24, body, 3);
    says(NULL);
    assert_true(msr_sets == 1 && restored_msr.value == 7);
    insert(record(LIBXC_VCPU_MSRS), LIBXC_VCPU_MSRS, 24, body, 3);
    says("two records of a vCPU's MSRs");
    make_guest(COUNT);
    msr_error = -EPERM;
    assert_int_equal(save(), -EPERM);
    assert_string_equal(problem.text, "cannot ask for the MSRs of vCPU 0: an error");
    msr_error = msr_count = 0;
    keep_tape();                        /* None, and no record of them. */
    assert_int_equal(bytes[behind(record(LIBXC_VCPU_XSAVE))], LIBXC_END);
    says(NULL);
    assert_int_equal(msr_sets, 0);
}

static void without_vector_registers(void **state)
{
    no_xsave = true;
    keep_tape();
    says(NULL);
    assert_true(extended_sets == 1 && xsave_sets == 0);
}

/* --- as many pages as fit, and where they lie --- */

static void whole_batches(void **state)
{
    make_guest(64 + 10);
    keep_tape();
    says(NULL);
    assert_int_equal(populated, 64);
    assert_int_equal(bytes[behind(record(LIBXC_PAGES))], LIBXC_TSC);    /* in one record */
    make_guest(PAGES);                  /* The list lies under two tables. */
    table(L1)[511] = entry_of(LIST);
    table(L1 + 1)[0] = entry_of(LIST + 1);
    ((struct shared_info *)ram[SHARED])->arch.p2m_vaddr = BASE + 511 * SAVE_PAGE;
    keep_tape();
    says(NULL);
}

/* --- there is no more --- */

static void nothing_can_be_mapped(void **state)
{
    for (unsigned nth = 1, error = 1; error; nth++) {
        map_fails = nth;
        error = restore() != 0;
        assert_true(!error || strstr(problem.text, "cannot be mapped"));
    }
    for (unsigned nth = 1, error = 1; error; nth++) {
        make_guest(COUNT);
        map_fails = nth;
        error = save() != 0;
        assert_true(nth > 7 || error);
    }
}

static void there_is_no_memory(void **state)
{
    for (unsigned nth = 1, error = 1; error; nth++) {
        allocations_until_failure = nth;
        error = restore() != 0;
        assert_int_equal(error, allocations_until_failure == 0);
    }
    for (unsigned nth = 1, error = 1; error; nth++) {
        make_guest(COUNT);
        allocations_until_failure = nth;
        error = save() != 0;
        assert_int_equal(error, allocations_until_failure == 0);
    }
    allocations_until_failure = 0;
    memory_is_low = true;                       /* Others want some, for as long as it takes. */
    make_guest(COUNT);
    assert_int_equal(save(), -ENOMEM);
    assert_int_equal(size, 0);
    memory_is_low = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(headers, with_tape),
        cmocka_unit_test_setup(long_configurations, with_tape),
        cmocka_unit_test_setup(records, with_tape),
        cmocka_unit_test_setup(records_of_others, with_tape),
        cmocka_unit_test_setup(words_of_pages, with_tape),
        cmocka_unit_test_setup(lists_that_are_no_pages, with_tape),
        cmocka_unit_test_setup(contexts, with_tape), cmocka_unit_test_setup(tables, with_tape),
        cmocka_unit_test_setup(tables_that_are_hidden, with_tape),
        cmocka_unit_test_setup(pages_that_come_again, with_tape),
        cmocka_unit_test_setup(pages_that_go, with_tape),
        cmocka_unit_test_setup(pages_that_go_and_are_named, with_tape),
        cmocka_unit_test_setup(lists_that_move, with_tape),
        cmocka_unit_test_setup(parts_of_vcpus, with_tape),
        cmocka_unit_test_setup(vcpus_that_are_refused, with_tape),
        cmocka_unit_test_setup(msrs, with_tape),
        cmocka_unit_test_setup(without_vector_registers, with_tape),
        cmocka_unit_test_setup(whole_batches, with_tape),
        cmocka_unit_test_setup(nothing_can_be_mapped, with_tape),
        cmocka_unit_test_setup(there_is_no_memory, with_tape),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
