/* SPDX-License-Identifier: MIT */
/*
 * dom0 as it is built: in RAM of the test's, frame by frame: what is where, what its page tables
 * map and how, what start_info and its first registers say; with each wish that a kernel's notes
 * can have. And every way in which it cannot be built, said in words.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* the hypervisor has one, too */
#include "boot/build_dom0.h"
#include "domain/grants.h"
#include "domain/physdev.h"
#include "entry/hypercall.h"
#include "lib/params.h"
#include "lib/printk.h"
#include "machine/acpi.h"
#include "machine/cpu.h"
#include "machine/io.h"
#include "memory/frame.h"
#include "memory/heap.h"
#include "memory/mmu.h"
#include "memory/paging.h"

_Alignas(4096) char host_ram[HOST_FRAMES * 4096ul], host_frames[HOST_FRAMES * sizeof(struct frame)];
_Alignas(4096) char host_m2p[HOST_FRAMES * 8];

#define BASE     0xffffffff80000000ul /* of the kernel, which begins 1 MiB above */
#define KERNEL   (7000ul << 12)       /* where the boot loader put it, and the archive */
#define ARCHIVE  (7100ul << 12)
#define PAGES    2077ul
#define PT_FLAGS (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED | PTE_DIRTY)
#define FAR_LIST 0x8000000000ul

/* --- the machine --------------------------------------------------------------------------------
 */

uint64_t max_frame = HOST_FRAMES, *m2p_table = (uint64_t *)(void *)host_m2p;
struct domain_memory special_io;
struct domain *dom0;
uint32_t cpus_online;
struct params params;
static struct cpu cpu;
static struct domain guest;
static struct vcpu vcpus[MAX_VCPUS];
static struct vcpu_guest_context context;
static jmp_buf end;
static char said[4096];
static uint64_t free_pages, wanted_pages;
static uint64_t next_frame, large_blocks, frames_left;
static unsigned int step, failing, restarts, vcpus_made,
    up; /* the how-manieth step that can fail does */
static int pin_error, context_error;
static mfn_t pinned;
static struct vcpu_guest_context small_block; /* all that the heap has: one of each */
static uint64_t list_block[4096];
static size_t held;

void printk_at(int level, const char *format, ...)
{
    va_list arguments;

    if (level > LOG_ERROR) return;
    va_start(arguments, format);
    vsnprintf(said + strlen(said), sizeof(said) - strlen(said), format, arguments);
    va_end(arguments);
}

void panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(said, sizeof(said), format, arguments);
    va_end(arguments);
    longjmp(end, 2);
}

void machine_poweroff(void)
{
    longjmp(end, 1);
}

void refusal_words(const struct vcpu *v, char *words, size_t size)
{
    snprintf(words, size, "a reason");
}

size_t strlcpy(char *to, const char *from, size_t size)
{
    snprintf(to, size, "%s", from);
    return strlen(from);
}

static bool fails(void)
{
    return ++step == failing;
}

uint64_t heap_free_count(void)
{
    return free_pages;
}
uint64_t heap_total_count(void)
{
    return 8000;
}

uint64_t params_dom0_pages(uint64_t free, uint64_t usual)
{
    assert_true(free == free_pages && usual == 2000);
    return wanted_pages;
}

uint64_t params_dom0_max_pages(uint64_t free, uint64_t pages)
{
    assert_true(free == free_pages && pages == wanted_pages);
    return 5000;
}

struct domain *domain_create(domid_t id, uint32_t max_vcpus, bool privileged, int *error)
{
    assert_true(id == 0 && privileged);
    guest = (struct domain){ .vcpu_count = max_vcpus, .shared_frame = MFN(4321) };
    return fails() ? NULL : &guest;
}

int grants_create(struct domain *d, int32_t frames, int32_t maptrack)
{
    assert_true(d == &guest && frames == -1 && maptrack == -1);
    return fails() ? -ENOMEM : 0;
}

bool grants_keep_handles(struct domain *d, uint32_t frames)
{
    assert_true(d == &guest && frames == 8);
    return !fails();
}

int physdev_create(struct domain *d)
{
    return fails() ? -ENOMEM : 0;
}

struct vcpu *vcpu_create(struct domain *d, uint32_t id)
{
    assert_true(d == &guest && id < d->vcpu_count);
    vcpus_made++;
    if (fails()) return NULL;
    vcpus[id] = (struct vcpu){ .id = id };
    return d->vcpus[id] = &vcpus[id];
}

static uint64_t kept[MAX_VCPUS];

void policy_set_affinity(struct vcpu *v, cpumask_t allowed)
{
    kept[v->id] = allowed;
}

void vcpu_up(struct vcpu *v)
{
    assert_ptr_equal(v, &vcpus[0]);
    up++;
}

/* The list of frames, and the first context. */
void *hv_alloc(size_t size)
{
    bool list = size != sizeof(small_block);

    assert_true(!list || size == wanted_pages * 8);
    if (fails()) return NULL;
    assert_true(size <= sizeof(list_block));
    held += size;
    return memset(list ? (void *)list_block : &small_block, 0, size);
}

void hv_free(void *p, size_t size)
{
    assert_ptr_equal(p, size == sizeof(small_block) ? (void *)&small_block : list_block);
    held -= size;
}

/* Two large blocks, then small ones, each below the last. */
mfn_t domain_alloc_frames(struct domain_memory *d, unsigned int order, unsigned int address_bits,
                          bool swapping)
{
    assert_true(d == &guest.memory && address_bits == 0 && order <= 9);
    if ((order > 3 && !large_blocks) || 1ul << order > frames_left) return INVALID_MFN;
    large_blocks -= order > 3;
    frames_left -= 1ul << order;
    return MFN(next_frame -= 1ul << order);
}

int mmu_pin(struct domain_memory *d, mfn_t m, enum frame_type level)
{
    assert_true(d == &guest.memory && level == FRAME_L4);
    assert_int_equal(cpu.budget, ENTRY_BUDGET);
    cpu.budget = 0;
    pinned = m;
    return restarts++ < 3 ? -ERESTART : pin_error;
}

int vcpu_set_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
    assert_ptr_equal(v, &vcpus[0]);
    assert_int_equal(cpu.budget, ENTRY_BUDGET);
    cpu.budget = 0;
    context = *c;
    return restarts++ < 6 ? -ERESTART : context_error;
}

void hypercall_page_fill(void *page)
{
    memset(page, 0x0f, 4096);
}

/* --- a kernel -----------------------------------------------------------------------------------
 */

static uint8_t *file(void)
{
    return (uint8_t *)host_ram + KERNEL;
}
static size_t notes_end;

static void put(size_t at, uint64_t value, unsigned int bytes)
{
    memcpy(file() + at, &value, bytes);
}

static void note(uint32_t type, uint64_t value)
{
    put(notes_end, 4, 4);
    put(notes_end + 4, 8, 4);
    put(notes_end + 8, type, 4);
    memcpy(file() + notes_end + 12, "Xen", 4);
    put(notes_end + 16, value, 8);
    notes_end += 24;
    put(64 + 56 + 32, notes_end - 0x200, 8);
}

#define FILE_SIZE 0x6000u
#define FROM      0x400u
#define LENGTH    0x5123u /* of the segment in the file; in memory 0x8000 */

/* One segment, from 1 MiB and 0x80 on. */
static void begin(void)
{
    memset(host_ram, 0, sizeof(host_ram));
    for (unsigned int i = FROM; i < FILE_SIZE; i++)
        file()[i] = (uint8_t)(i * 7 >> 3);
    for (unsigned int i = 0; i < 0x4000; i++)
        host_ram[ARCHIVE + i] = (char)(i * 5 >> 2);
    memcpy(file(), "\177ELF\2\1\1", 7);
    put(16, 2, 2);
    put(18, 62, 2);
    put(24, BASE + 0x100080, 8);
    put(32, 64, 8);
    put(54, 56, 2);
    put(56, 2, 2);
    put(64, 1, 4);
    put(64 + 8, FROM, 8);
    put(64 + 24, 0x100080, 8);
    put(64 + 32, LENGTH, 8);
    put(64 + 40, 0x8000, 8);
    put(64 + 56, 4, 4);
    put(64 + 56 + 8, 0x200, 8);
    notes_end = 0x200;
    note(3, BASE);
    memset(host_m2p, 0xff, sizeof(host_m2p));
    memset(list_block, 0x5a, sizeof(list_block));
    cpu = (struct cpu){ .self = &cpu, .running = &vcpus[0] };
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
    dom0 = NULL;
    cpus_online = 3;
    free_pages = 4000;
    wanted_pages = PAGES;
    next_frame = 6000;
    large_blocks = 2;
    frames_left = 5000;
    step = failing = restarts = vcpus_made = up = 0;
    pin_error = context_error = 0;
    said[0] = 0;
    held = 0;
}

/* 0: it was built. 1: it cannot be. 2: a panic. */
static int build(uint64_t archive_bytes)
{
    struct module kernel = { KERNEL, KERNEL + FILE_SIZE, "the words" },
                  archive = { ARCHIVE, ARCHIVE + archive_bytes, "" };
    int how = setjmp(end);

    if (!how)
        build_dom0(&kernel, archive_bytes ? &archive : NULL);
    return how;
}

/* --- what became of it --------------------------------------------------------------------------
 */

static uint64_t p2m[PAGES];

static uint8_t *page(uint64_t pfn)
{
    return map_frame(MFN(p2m[pfn]));
}

/* The machine's own view: every frame has the number of one page. */
static uint64_t m2p_get(mfn_t m)
{
    return m2p_table[m.n];
}

static void read_m2p(void)
{
    unsigned int found = 0;

    memset(p2m, 0, sizeof(p2m));
    for (uint64_t m = 0; m < HOST_FRAMES; m++) {
        uint64_t pfn = m2p_get(MFN(m));

        if (pfn == ~0ul)
            continue;
        assert_true(pfn < wanted_pages && p2m[pfn] == 0);
        p2m[pfn] = m;
        found++;
    }
    assert_int_equal(found, wanted_pages);
}

static uint64_t entry_of(uint64_t va)
{
    uint64_t e = (uint64_t)pinned.n << 12;

    for (unsigned int shift = 39; shift >= 12; shift -= 9) {
        e = ((uint64_t *)map_frame(pte_mfn(e)))[va >> shift & 511];
        if (!e) return 0;
        if (shift > 12)
            assert_int_equal(e & 0xfff, PT_FLAGS);
    }
    return e;
}

/* Tables reachable, and entries that map anything. */
static void count(uint64_t table, unsigned int level, unsigned int *tables, unsigned int *entries)
{
    ++*tables;
    for (unsigned int i = 0; i < 512; i++) {
        uint64_t e = ((uint64_t *)map_frame(MFN(table)))[i];

        if (e && level > 1)
            count(pte_mfn(e).n, level - 1, tables, entries);
        else if (e)
            ++*entries;
    }
}

struct expected {
    uint64_t archive_bytes, pages;
    bool far_list, unmapped, hypercalls;
};

/* From the kernel's last page on: archive, list, start_info, the pages of two rings, tables, stack,
 * and half a MiB. */
static void check(const struct expected *e)
{
    uint64_t archive_pages = (e->archive_bytes + 4095) / 4096,
             list_pages = (wanted_pages * 8 + 4095) / 4096, pfn = 0x109, list, region;
    uint64_t archive_pfn, info_pfn, tables_pfn, stack_pfn;
    unsigned int tables = 0, entries = 0;
    const struct start_info *s;

    read_m2p();
    archive_pfn = pfn;
    pfn += e->unmapped ? 0 : archive_pages;
    list = pfn;
    pfn += e->far_list ? 0 : list_pages;
    info_pfn = pfn++;
    pfn += 2;
    tables_pfn = pfn;
    s = (const struct start_info *)(void *)page(info_pfn);
    stack_pfn = (context.user_regs.rsp - BASE) / 4096 - 1;
    region = (stack_pfn + 1 + 128 + 1023) / 1024 * 1024;
    if (e->far_list)
        list = region;
    if (e->unmapped)
        archive_pfn = region + (e->far_list ? list_pages : 0);

    assert_string_equal(s->magic, "xen-3.0-x86_64");
    assert_int_equal(s->nr_pages, wanted_pages);
    assert_int_equal(s->shared_info, 4321ul << 12);
    assert_int_equal(s->flags, SIF_PRIVILEGED | SIF_INITDOMAIN |
                                   (e->unmapped && e->archive_bytes ? SIF_MOD_START_PFN : 0));
    assert_int_equal(s->pt_base, BASE + tables_pfn * 4096);
    assert_int_equal(s->mfn_list, e->far_list ? FAR_LIST : BASE + list * 4096);
    assert_int_equal(s->first_p2m_pfn, e->far_list ? list : 0);
    assert_int_equal(s->nr_p2m_frames, e->far_list ? list_pages : 0);
    assert_int_equal(s->mod_start, !e->archive_bytes ? 0
                                   : e->unmapped     ? archive_pfn
                                                     : BASE + archive_pfn * 4096);
    assert_int_equal(s->mod_len, e->archive_bytes);
    assert_string_equal((const char *)s->cmd_line, "the words");
    assert_true(s->store_mfn == 0 && s->store_evtchn == 0 && s->console.domU.mfn == 0 &&
                s->console.domU.evtchn == 0);

    assert_int_equal(pinned.n, p2m[tables_pfn]);
    count(pinned.n, 4, &tables, &entries);
    assert_int_equal(s->nr_pt_frames, tables);
    assert_int_equal(stack_pfn - tables_pfn, tables);
    assert_int_equal(entries, region + (e->far_list ? list_pages : 0));
    for (uint64_t i = 0; i < region; i++) {
        bool table = i - tables_pfn < tables;

        assert_int_equal(entry_of(BASE + i * 4096),
                         p2m[i] << 12 | (table ? PT_FLAGS & ~PTE_WRITE : PT_FLAGS));
    }
    for (uint64_t i = 0; e->far_list && i < list_pages; i++)
        assert_int_equal(entry_of(FAR_LIST + i * 4096), p2m[list + i] << 12 | PT_FLAGS);

    for (unsigned int i = 0; i < LENGTH; i++)
        assert_int_equal(page(0x100 + (i + 0x80) / 4096)[(i + 0x80) % 4096],
                         e->hypercalls && (i + 0x80) / 4096 == 1 ? 0x0f : file()[FROM + i]);
    for (unsigned int i = 0; i < e->archive_bytes; i++)
        assert_int_equal(page(archive_pfn + i / 4096)[i % 4096], (uint8_t)host_ram[ARCHIVE + i]);
    for (unsigned int i = 0; i < wanted_pages; i++)
        assert_int_equal(((uint64_t *)(void *)page(list + i / 512))[i % 512], p2m[i]);

    assert_int_equal(context.flags, VGCF_in_kernel);
    assert_int_equal(context.user_regs.rip, BASE + 0x100080);
    assert_int_equal(context.user_regs.rsi, BASE + info_pfn * 4096);
    assert_int_equal(context.user_regs.cs, FLAT_KERNEL_CS);
    assert_int_equal(context.user_regs.ss, FLAT_KERNEL_SS);
    assert_int_equal(context.user_regs.rflags, RFLAGS_IF);
    assert_int_equal(context.ctrlreg[3], pinned.n << 12);
}

static void as_its_notes_say(void **state)
{
    static const struct expected kinds[] = {
        { .archive_bytes = 0 },
        { .archive_bytes = 0x3001 },
        { .archive_bytes = 0x1000, .hypercalls = true },
        { .archive_bytes = 0x1fff, .far_list = true },
        { .archive_bytes = 0x2000, .unmapped = true },
        { .archive_bytes = 0x2001, .far_list = true, .unmapped = true },
        { .unmapped = true, .far_list = true, .hypercalls = true },
        { .pages = 2048 },
        { .pages = 2048,
          .archive_bytes = 0x1000,
          .far_list = true,
          .unmapped = true }, /* fill the list's pages */
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
        begin();
        wanted_pages = kinds[i].pages ? kinds[i].pages : PAGES;
        if (kinds[i].far_list)
            note(15, FAR_LIST);
        if (kinds[i].unmapped)
            note(16, 1);
        if (kinds[i].hypercalls)
            note(2, BASE + 0x101000);
        assert_int_equal(build(kinds[i].archive_bytes), 0);
        check(&kinds[i]);
        assert_ptr_equal(dom0, &guest);
        assert_int_equal(guest.memory.max_pages, 5000);
        assert_true(guest.vcpu_count == 3 && vcpus_made == 3 && up == 1);
        assert_int_equal(held, 0);
        assert_string_equal(said, "");
    }
}

static void as_many_vcpus_as_cpus(void **state)
{
    static const struct { uint32_t cpus, wished, made; } cases[] = {
        { 1, 0, 1 }, { MAX_VCPUS, 0, MAX_VCPUS }, { MAX_VCPUS + 1, 0, MAX_VCPUS },
        { 1, 2, 2 }, { 4, 3, 3 }, { 4, MAX_VCPUS + 1, MAX_VCPUS },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
        begin();
        cpus_online = cases[i].cpus;
        params.dom0_max_vcpus = cases[i].wished;
        assert_int_equal(build(0), 0);
        assert_int_equal(vcpus_made, cases[i].made);
    }
    params.dom0_max_vcpus = 0;
}

/* dom0_vcpus_pin: each on a CPU of its own. */
static void pinned_to_cpus(void **state)
{
    for (unsigned int pins = 0; pins < 2; pins++) {
        begin();
        params.dom0_vcpus_pin = pins;
        memset(kept, 0, sizeof(kept));
        assert_int_equal(build(0), 0);
        for (unsigned int i = 0; i < MAX_VCPUS; i++)
            assert_int_equal(kept[i], pins && i < 3 ? 1ul << i : 0);
    }
    params.dom0_vcpus_pin = false;
}

static void memory_in_pieces(void **state)
{
    begin();
    assert_int_equal(build(0), 0);
    for (unsigned int pfn = 0; pfn < 1024; pfn++) /* 512 at once, */
        assert_int_equal(m2p_get(MFN(pfn < 512 ? 5488 + pfn : 4976 + pfn - 512)), pfn);
    for (unsigned int pfn = 1024; pfn < 2072; pfn++) /* then eight, four, and the last one */
        assert_int_equal(m2p_get(MFN(4968 - (pfn - 1024) / 8 * 8 + pfn % 8)), pfn);
    for (unsigned int pfn = 2072; pfn < PAGES; pfn++)
        assert_int_equal(m2p_get(MFN(pfn < 2076 ? 3924 + pfn - 2072 : 3923)), pfn);
    begin();
    frames_left = PAGES;
    assert_int_equal(build(0), 0);
    begin();
    frames_left = PAGES - 1;
    assert_int_equal(build(0), 1);
    assert_non_null(strstr(said, "not enough free memory"));
}

static void what_cannot_be_built(void **state)
{
    static const char *const steps[] = {
        "no memory for its structures", "no memory for its structures",
        "no memory for its structures",
        "no memory for its structures", "no memory for its vCPUs",
        "no memory for its vCPUs",      "no memory for its frame list",
        "no memory for its vCPU",       "no memory for its vCPU",
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(steps); i++) {
        begin();
        failing = i + 1;
        assert_int_equal(build(0), 1);
        assert_non_null(strstr(said, steps[i]));
        assert_int_equal(up, 0);
    }
    begin();
    failing = ARRAY_SIZE(steps) + 1;
    assert_int_equal(build(0), 0);
    begin();
    put(18, 63, 2);
    assert_int_equal(build(0), 1);
    assert_non_null(strstr(said, "it is no ELF file for x86-64"));
    assert_null(dom0);
    begin();
    free_pages = PAGES;
    assert_int_equal(build(0), 0);
    begin();
    free_pages = PAGES - 1;
    assert_int_equal(build(0), 1);
    assert_non_null(strstr(said, "8 MiB, 8 MiB are free"));
    assert_non_null(strstr(said, "not enough free memory"));
    begin();
    wanted_pages = 1000;
    assert_int_equal(build(0), 1);
    assert_non_null(strstr(said, "its kernel and archive need 4 MiB, dom0_mem= is 3 MiB"));
    assert_non_null(strstr(said, "too little memory"));
    begin();
    note(15, BASE);
    assert_int_equal(build(0), 1);
    assert_non_null(
        strstr(said, "20 KiB at its INIT_P2M 0xffffffff80000000 lie in its own region"));
    begin();
    pin_error = -EINVAL;
    assert_int_equal(build(0), 2);
    assert_non_null(strstr(said, "page tables are refused: a reason"));
    begin();
    context_error = -EINVAL;
    assert_int_equal(build(0), 2);
    assert_non_null(strstr(said, "first context is refused: a reason"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_its_notes_say),
        cmocka_unit_test(as_many_vcpus_as_cpus),
        cmocka_unit_test(pinned_to_cpus),
        cmocka_unit_test(memory_in_pieces),
        cmocka_unit_test(what_cannot_be_built),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
