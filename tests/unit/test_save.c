/* SPDX-License-Identifier: MIT */
/*
 * Saving and restoring a guest, on a machine that is played: a small guest with page tables, p2m,
 * rings and a vCPU is written to a tape in memory and read from it as another domain with other
 * frames, and is the same by pfns. Then the tape lies: in each field of each structure, by a record
 * less or twice, by ending anywhere, and at random; whatever it says, there is a sentence or a
 * guest, nothing stays mapped, and nothing is written beyond what it has (ASan).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "save_host.h"

/* --- a guest goes and comes --- */

static unsigned long new_frame[PAGES];

static void look_for_frames(void)
{
    memset(new_frame, 0, sizeof(new_frame));
    for (unsigned long mfn = 700; mfn < next_frame; mfn++)
        new_frame[frame[mfn].pfn] = mfn;
}

static void page_is(const uint8_t (*before)[SAVE_PAGE], unsigned long pfn)
{
    const uint64_t *was = (const uint64_t *)(const void *)before[pfn];
    const uint64_t *is = (const uint64_t *)(const void *)ram[new_frame[pfn]];

    if (pfn >= LIST && pfn <= START) return;
    if (pfn < ROOT || pfn > L1 + 1) {
        assert_memory_equal(was, is, SAVE_PAGE);
        return;
    }
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t to = (was[i] & ENTRY_FRAME) >> 12, want = was[i];

        if (pfn == ROOT && i == 260)
            want = 0;
        else if (was[i] & 1)
            for (unsigned long p = 0; p < PAGES; p++)
                if (frame_of_pfn(p) == to)
                    want = (was[i] & ~ENTRY_FRAME) | new_frame[p] << 12;
        assert_int_equal(is[i], want);
    }
}

static void a_guest_goes_and_comes(void **state)
{
    static uint8_t before[PAGES][SAVE_PAGE];
    const struct start_info *info;
    const struct shared_info *shared = (void *)ram[SHARED];
    const uint64_t *list;

    make_guest(PAGES);
    for (unsigned long pfn = 0; pfn < PAGES; pfn++)
        memcpy(before[pfn], ram[frame_of_pfn(pfn)], SAVE_PAGE);
    assert_int_equal(save(), 0);
    assert_int_equal(restore(), 0);
    assert_int_equal(at, size);
    assert_int_equal(populated, PAGES - 10);
    look_for_frames();
    for (unsigned long pfn = 0; pfn < PAGES; pfn++)
        if (!in_hole(pfn))
            page_is((const void *)before, pfn);
    for (unsigned long pfn = 0; pfn < PAGES; pfn++) {
        list = (const uint64_t *)(const void *)ram[new_frame[LIST + pfn / ENTRIES]];
        assert_int_equal(list[pfn % ENTRIES], in_hole(pfn) ? ABSENT : new_frame[pfn]);
    }
    info = (const void *)ram[new_frame[START]];
    assert_int_equal(info->store_mfn, new_frame[STORE]);
    assert_int_equal(info->console.domU.mfn, new_frame[CONSOLE]);
    assert_true(info->nr_pages == 123 && info->shared_info == SHARED << 12 && !info->flags);
    assert_true(info->store_evtchn == 7 && info->console.domU.evtchn == 8);
    assert_true(guest.store_mfn == new_frame[STORE] && guest.console_mfn == new_frame[CONSOLE]);
    assert_true(shared->vcpu_info[0].evtchn_upcall_mask);
    assert_int_equal(shared->vcpu_info[0].evtchn_pending_sel, 0);
    assert_true(!shared->evtchn_pending[3] && shared->evtchn_mask[3] == ~0ul);
    assert_int_equal(shared->arch.pfn_to_mfn_frame_list_list, 0);
    assert_int_equal(shared->arch.max_pfn, PAGES);
    assert_int_equal(pins, 1);                          /* as it was, */
    assert_true(frame[new_frame[ROOT]].typed);
    assert_int_equal(most_looked, 1);                   /* and others had their turn at each */
    assert_int_equal(restored_vcpu.ctrlreg[3], xen_pfn_to_cr3(new_frame[ROOT]));
    assert_int_equal(restored_vcpu.ctrlreg[1], new_frame[ROOT] << 12);
    assert_int_equal(restored_vcpu.gdt_frames[0], new_frame[GDT]);
    assert_int_equal(restored_vcpu.user_regs.rdx, new_frame[START]);
    assert_int_equal(restored_vcpu.user_regs.rip, 0x1234);
    assert_memory_equal(restored_xsave, xsave, sizeof(xsave));
    assert_int_equal(msr_sets, 1);
    assert_memory_equal(&restored_msr, &msr, sizeof(msr));
}

/* --- guests that cannot be saved --- */

static void not_saved(const char *words)
{
    assert_int_not_equal(save(), 0);
    if (!strstr(problem.text, words))
        fail_msg("'%s' is not in '%s'", words, problem.text);
    make_guest(60);
}

static void guests_that_are_not_saved(void **state)
{
    struct shared_info *shared = (void *)ram[SHARED];

    make_guest(60);
    shared->arch.max_pfn = 0;
    not_saved("says that it has 0 pages");
    shared->arch.max_pfn = 2 * may_have + FEW_PFNS + 1;
    not_saved("says that it has 17585 pages, and may have 600");
    shared->arch.p2m_cr3 = 0;
    not_saved("does not say where");
    shared->arch.p2m_vaddr++;
    not_saved("does not say where");
    shared->arch.p2m_vaddr -= 1ul << 40;
    not_saved("p2m is not mapped");
    shared->arch.p2m_cr3 = xen_pfn_to_cr3(1900);
    not_saved("p2m is not mapped");
    table(L2)[0] |= ENTRY_LARGE;
    not_saved("p2m is not mapped");
    table(L1)[LIST] = 1900ul << 12 | 1;
    not_saved("not in its own memory");
    table(LIST)[LIST] = frame_of_pfn(40);
    not_saved("lies about its own frames");
    table(L1)[50] = 0;
    table(LIST)[50] = 1900;
    not_saved("lies about its page 32");
    table(L1)[50] = 0;
    table(LIST)[50] = frame_of_pfn(51);
    not_saved("lies about its page 32");
    table(L1)[40] = (uint64_t)SHARED << 12 | 1;
    not_saved("mapped what is not its own (frame 7d0, in its page 4)");
    table(L1)[41] = 1901ul << 12 | 1;
    not_saved("mapped what is not its own (frame 76d, in its page 4)");
    table(L3)[5] = entry_of(L2) | ENTRY_LARGE;
    not_saved("mapped what is not its own");
    vcpu.user_regs.rdx = 1900;
    not_saved("has not suspended as");
    vcpu.gdt_frames[0] = 1900;
    not_saved("uses a frame that is not");
    vcpu.ctrlreg[3] = xen_pfn_to_cr3(1900);
    not_saved("uses a frame that is not");
    vcpu.ctrlreg[1] = 1900ul << 12;
    not_saved("uses a frame that is not");
    assert_int_equal(save(), 0);
    for (size_t whole = size, part = 0; part < whole; part += 977) {
        make_guest(60);
        room = part;
        not_saved("too little room");
    }
    room = 1u << 23;
}

/* What stands there is the guest's to write: nobody shifts by as much. */
static void clocks_that_a_guest_made_up(void **state)
{
    struct shared_info *shared = (void *)ram[SHARED];

    for (int shift = -128; shift < 128; shift++) {
        make_guest(60);
        shared->vcpu_info[0].time.tsc_shift = (int8_t)shift;
        shared->vcpu_info[0].time.tsc_to_system_mul = (uint32_t)shift;
        assert_int_equal(save(), 0);
    }
}

/* --- tapes that lie --- */

static void make_tape(void)
{
    make_guest(60);
    assert_int_equal(save(), 0);
}

/* Any number may come to any other: no answer is right but those that restore() checks. */
static void each_field(void **state)
{
    static const uint32_t values[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff };
    unsigned refused = 0;

    make_tape();
    for (unsigned i = 0; i < pieces; i++)
        for (size_t field = 0; field + 4 <= MIN(piece[i].size, 512ul); field += 4) {
            uint8_t *place = bytes + piece[i].at + field;
            uint32_t was, value;

            memcpy(&was, place, 4);
            for (unsigned v = 0; v < ARRAY_SIZE(values) + 2; v++) {
                value = v < ARRAY_SIZE(values) ? values[v] : v & 1 ? was + 1 : was ^ 1u << 28;
                memcpy(place, &value, 4);
                refused += restore() != 0;
            }
            memcpy(place, &was, 4);
        }
    assert_true(refused > 500);
    assert_int_equal(restore(), 0);
}

static void tapes_that_end(void **state)
{
    size_t whole;

    make_tape();
    whole = size;
    for (size = 0; size < whole; size += size < 400 || size > whole - 8000 ? 1 : 1999)
        assert_int_equal(restore(), -ENODATA);
    size = whole;
    assert_int_equal(restore(), 0);
}

/* What its end is called, either way. */
static void tapes_that_fail(void **state)
{
    static const struct { int error; const char *written, *read; } rows[] = {
        { -EAGAIN, "given up", "given up" },
        { -EIO, "cannot be written: an error", "cannot be read: an error" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        make_guest(60);
        tape_ends = rows[i].error;
        room = 4000;
        not_saved(rows[i].written);
        room = 1u << 23;
        make_tape();
        size -= 20;
        assert_int_equal(restore(), rows[i].error);
        assert_non_null(strstr(problem.text, rows[i].read));
    }
    tape_ends = 0;
}

/* Where libxc's records begin; returns their number. */
static unsigned find_records(size_t where[64])
{
    size_t place = 48 + 4 + strlen(config) + 16 + 8 + 24 + 16;
    struct save_record record;
    unsigned count = 0;

    do {
        where[count++] = place;
        memcpy(&record, bytes + place, sizeof(record));
        place += sizeof(record) + record.size + RECORD_PADDING(record.size);
    } while (record.type != LIBXC_END);
    where[count] = place;
    return count;
}

static bool may_be_missing(uint32_t type)
{
    return type == LIBXC_STATIC_END || type == LIBXC_TSC || type == LIBXC_VCPU_EXTENDED ||
           type == LIBXC_VCPU_XSAVE || type == LIBXC_VCPU_MSRS;
}

static void records_less_or_twice(void **state)
{
    static uint8_t whole[1u << 20];
    size_t where[64], length;
    struct save_record record;
    unsigned count;

    make_tape();
    length = size;
    memcpy(whole, bytes, length);
    count = find_records(where);
    for (unsigned i = 0; i < count; i++) {
        size_t bytes_of = where[i + 1] - where[i];

        memcpy(&record, whole + where[i], sizeof(record));
        memcpy(bytes + where[i], whole + where[i + 1], length - where[i + 1]);
        size = length - bytes_of;
        assert_int_equal(restore() == 0, may_be_missing(record.type));
        memcpy(bytes, whole, length);
        memcpy(bytes + where[i + 1], whole + where[i], length - where[i]);
        size = length + bytes_of;
        assert_int_equal(restore() == 0, record.type == LIBXC_PAGES ||
                                             record.type == LIBXC_P2M_FRAMES ||
                                             record.type == LIBXC_STATIC_END ||
                                             record.type == LIBXC_TSC ||
                                             record.type == LIBXC_END);     /* libxl's, too */
        memcpy(bytes, whole, length);
    }
}

/* Xen's libxc writes as much of a vCPU's callbacks as its structure has. */
static void callbacks_as_xen_writes_them(void **state)
{
    const uint32_t xens = sizeof(struct libxc_vcpu) + 64, most = xens - 64 + EXTENDED_SIZE;
    const uint32_t more = most + 8;
    struct save_record record = { 0 };
    size_t where[64];
    unsigned i = 0;

    memset(extended, 0x5a, sizeof(extended));
    make_tape();
    assert_int_equal(restore(), 0);
    assert_memory_equal(restored_extended, extended, EXTENDED_SIZE);
    find_records(where);
    for (; record.type != LIBXC_VCPU_EXTENDED; i++)
        memcpy(&record, bytes + where[i], sizeof(record));
    memcpy(bytes + where[--i] + 4, &more, 4);
    assert_int_equal(restore(), -EINVAL);
    assert_non_null(strstr(problem.text, "a vCPU's record of type 5 and 136 bytes"));
    memcpy(bytes + where[i] + 4, &xens, 4);
    memmove(bytes + where[i + 1] - (most - xens), bytes + where[i + 1], size - where[i + 1]);
    size -= most - xens;
    assert_int_equal(restore(), 0);
    assert_memory_equal(restored_extended, extended, 64);
    for (i = 64; i < EXTENDED_SIZE; i++)
        assert_int_equal(restored_extended[i], 0);
}

static size_t heard;

/* Most of it is holes, or comes without contents: others have their turn all the same. */
static void others_have_their_turn(void **state)
{
    struct shared_info *shared = (void *)ram[SHARED];
    struct { struct save_record record; struct libxc_pages head; uint64_t word[4]; } allocated = {
        { LIBXC_PAGES, sizeof(struct libxc_pages) + 4 * 8 }, { 4, 0 }, { 0 } };
    size_t where[64];

    may_have = 16 * ENTRIES;
    make_guest(60);
    for (unsigned i = 0; i < 16; i++)
        table(L1)[64 + i] = entry_of(LIST + (i > 0));
    shared->arch.p2m_vaddr = BASE + 64 * SAVE_PAGE;
    shared->arch.max_pfn = 16 * ENTRIES;
    rests = 0;
    assert_int_equal(save(), 0);
    assert_int_equal(rests, 18);
    rests = 0;
    assert_int_equal(restore(), 0);
    assert_int_equal(rests, 111);               /* The p2m, and six times the tables. */
    for (unsigned i = 0; i < 4; i++)
        allocated.word[i] = i | (uint64_t)XEN_DOMCTL_PFINFO_XALLOC << PAGE_TYPE_SHIFT;
    find_records(where);
    for (unsigned i = 0; i < 3; i++)                    /* Info, end of the static part, p2m. */
        assert_true(where[i + 1] < size);
    memcpy(bytes + where[3], &allocated, sizeof(allocated));
    size = where[3] + sizeof(allocated);
    rests = 0;
    assert_int_equal(restore(), -ENODATA);
    assert_int_equal(populated, 4);
    assert_int_equal(rests, 1);
    may_have = 600;
}

/* For ever a record that nobody need know. */
static int read_for_ever(struct tape *tape, void *to, size_t count)
{
    const struct save_record record = { LIBXC_OPTIONAL | 99, 1u << 20 };

    if (at < size) return tape_read(tape, to, count);
    if (heard >> 37) return -EIO;               /* long enough to see that nobody minds */
    if (count < SAVE_PAGE)
        memset(to, 0, count);
    if (count == sizeof(record))
        memcpy(to, &record, sizeof(record));
    heard += count;
    return 0;
}

/* Large ones, too, have time enough: all their pages may come so often. */
static void without_an_end(void **state)
{
    static const uint64_t rows[] = { 600, MOST_PFNS / 4, MOST_PFNS - 256 };
    size_t where[64];

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        make_tape();
        find_records(where);
        size = where[0];
        tape.read = read_for_ever;
        heard = 0;
        may_have = rows[i];
        assert_int_equal(restore(), -EINVAL);
        assert_non_null(strstr(problem.text, "longer than one that may have "));
        assert_in_range(heard, SAVE_TIMES * (rows[i] + FEW_PFNS / 2) * SAVE_PAGE,
                        SAVE_TIMES * (rows[i] + FEW_PFNS) * SAVE_PAGE);
        tape.read = tape_read;
        may_have = 600;
    }
}

/* For ever pages that are there, and are gone. */
static struct {
    struct save_record record;
    struct libxc_pages head;
    uint64_t word[8];
} now_and_then[2];

static int read_now_and_then(struct tape *tape, void *to, size_t count)
{
    const uint8_t *from = (const uint8_t *)now_and_then;

    if (at < size) return tape_read(tape, to, count);
    if (released >> 20) return -EIO;
    if (next_frame > FRAMES - 8)
        next_frame = FRAMES - 48;               /* those have been let go */
    memcpy(to, from + heard % sizeof(now_and_then), count);
    heard += count;
    return 0;
}

/* It costs as much as pages that are sent. */
static void pages_that_come_and_go(void **state)
{
    static const uint64_t type[] = { XEN_DOMCTL_PFINFO_XALLOC, XEN_DOMCTL_PFINFO_XTAB };
    size_t where[64];

    for (unsigned i = 0; i < 2; i++) {
        now_and_then[i].record = (struct save_record){ LIBXC_PAGES, 8 + 8 * 8 };
        now_and_then[i].head = (struct libxc_pages){ 8, 0 };
        for (unsigned j = 0; j < 8; j++)
            now_and_then[i].word[j] = type[i] << PAGE_TYPE_SHIFT | (HOLE + j);
    }
    make_tape();
    size = where[find_records(where) - 1];
    tape.read = read_now_and_then;
    heard = 0;
    assert_int_equal(restore(), -EINVAL);
    assert_non_null(strstr(problem.text, "longer than one that may have "));
    assert_in_range(released, 1000, SAVE_TIMES * (may_have + FEW_PFNS));
    tape.read = tape_read;
}

/* Who says that there are more pages than he may have is given no memory of dom0's for them. */
static void more_pages_than_it_may_have(void **state)
{
    uint64_t last = 2 * may_have + FEW_PFNS;
    struct libxc_p2m head = { 0, (uint32_t)last };
    struct save_record record = { LIBXC_P2M_FRAMES, (uint32_t)(8 + (last / ENTRIES + 1) * 8) };
    size_t where[64];

    make_tape();
    find_records(where);
    memcpy(bytes + where[2], &record, sizeof(record));
    memcpy(bytes + where[2] + 8, &head, sizeof(head));
    assert_int_equal(restore(), -EINVAL);
    assert_non_null(strstr(problem.text, "its p2m is of pages 0 to 17584"));
    head.last--;
    memcpy(bytes + where[2] + 8, &head, sizeof(head));
    assert_int_not_equal(restore(), 0);                 /* There is less behind it. */
    assert_null(strstr(problem.text, "its p2m is of pages"));
}

static void too_little_memory(void **state)
{
    char *text;
    bool json;

    make_tape();
    assert_int_equal(restore(), 0);
    memset(frame, 0, sizeof(frame));
    give(SHARED, ABSENT);
    populated = at = 0;
    next_frame = 700;
    most = 30;
    assert_int_equal(restore_config(&tape, &text, &json, &problem), 0);
    assert_string_equal(text, config);
    assert_false(json);
    free(text);
    assert_int_equal(restore_guest(&guest, &tape, &problem), -ENOMEM);
    assert_non_null(strstr(problem.text, "too little memory"));
}

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 6364136223846793005ul + 1442695040888963407ul;
    return (uint32_t)(random_state >> 33) % limit;
}

static void at_random(void **state)
{
    static uint8_t whole[1u << 20];
    size_t length;

    make_tape();
    length = size;
    memcpy(whole, bytes, length);
    for (unsigned i = 0; i < 4000; i++) {
        for (unsigned n = random_below(6) + 1; n; n--) {
            unsigned p = random_below(pieces);
            size_t place = random_below(4) ? piece[p].at + random_below((uint32_t)piece[p].size)
                                           : random_below((uint32_t)length);

            bytes[place] = (uint8_t)(random_below(2) ? random_below(256)
                                                     : bytes[place] ^ 1u << random_below(8));
        }
        (void)restore();
        memcpy(bytes, whole, length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_goes_and_comes), cmocka_unit_test(guests_that_are_not_saved),
        cmocka_unit_test(each_field), cmocka_unit_test(tapes_that_end),
        cmocka_unit_test(tapes_that_fail),
        cmocka_unit_test(records_less_or_twice),
        cmocka_unit_test(callbacks_as_xen_writes_them), cmocka_unit_test(too_little_memory),
        cmocka_unit_test(clocks_that_a_guest_made_up), cmocka_unit_test(others_have_their_turn),
        cmocka_unit_test(more_pages_than_it_may_have), cmocka_unit_test(without_an_end),
        cmocka_unit_test(pages_that_come_and_go),
        cmocka_unit_test(at_random),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
