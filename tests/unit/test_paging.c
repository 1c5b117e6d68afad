/* SPDX-License-Identifier: MIT */
/*
 * Memory at boot: for many maps of the firmware's, picked and random, each frame of RAM that nobody
 * uses comes to the heap, once; what does not is what our tables are made of, to the page; owners,
 * the machine-to-physical table and all mappings are as the plan says. Each map has a process of
 * its own, for a machine boots once.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* the hypervisor has one, too */
#include "lib/printk.h"
#include "memory/entry.h"
#include "memory/frame.h"
#include "memory/heap.h"
#include "memory/paging.h"
#include "memory/tlb.h"

#define MIB        (1ul << 20)
#define GIB        (1ul << 30)
#define BIG        (2 * MIB)
#define TOP        (DIRECTMAP_SIZE >> 12)
#define RAM_TOP    (120 * MIB)      /* of what early memory may come from */
#define PIECES     200
#define IMAGE_FROM 0x200000ul
#define IMAGE_TO   0x323456ul

_Alignas(4096) char host_ram[128 * MIB], host_frames[TOP * sizeof(struct frame)];
_Alignas(4096) char image_start[1];
__asm__(".globl image_end\n.set image_end, image_start + 0x123456");

uint64_t boot_l4[512], max_frame, *m2p_table;
struct domain_memory special_io, special_xen;

static struct boot_info info;
static uint8_t given[TOP];          /* to the heap, so often */
static uint64_t loaded, ours[8], pool;
static unsigned int our_count, heap_inits, entry_inits;
static bool no_memory;

/* In a child: cmocka is the parent's. */
#define HOLDS(what) ({ if (!(what)) stop(#what, __LINE__); })

static void stop(const char *what, int line)
{
    fprintf(stderr, "line %d: %s\n", line, what);
    for (unsigned int i = 0; i < info.region_count; i++)
        fprintf(stderr, "  region %lx %lx\n", info.regions[i].start, info.regions[i].end);
    for (unsigned int i = 0; i < info.module_count; i++)
        fprintf(stderr, "  module %lx %lx\n", info.modules[i].start, info.modules[i].end);
    _exit(1);
}

void panic(const char *format, ...)
{
    _exit(3);
}
void domain_memory_init(struct domain_memory *d)
{
    list_init(&d->pages);
    list_init(&d->undoing);
}
void printk_at(int level, const char *format, ...)
{
}
void load_cr3(maddr_t t)
{
    loaded = t.a;
}
void entry_init(void)
{
    entry_inits++;
}
void heap_init(void)
{
    heap_inits++;
}
void heap_add(uint64_t first, uint64_t end)
{
    HOLDS(heap_inits == 1 && end <= TOP);
    for (; first < end; first++)
        given[first]++;
}
uint64_t heap_free_count(void)
{
    return 0;
}
void *hv_alloc_pages(unsigned int order)
{
    HOLDS(order == 0);
    return no_memory ? NULL : host_ram + RAM_TOP + pool++ * 4096;
}
void mfn_reserve(mfn_t m)
{
    HOLDS(our_count < 8);
    ours[our_count++] = m.n;
}

/* --- what there should be, page by page --- */

static bool within(uint64_t at, uint64_t from, uint64_t to)
{
    return at + 4096 > from && at < to;
}

static bool is_ram(uint64_t n)
{
    for (unsigned int r = 0; r < info.region_count; r++)
        if (info.regions[r].type == 1 && n << 12 >= info.regions[r].start &&
            (n + 1) << 12 <= info.regions[r].end)
            return n << 12 >= MIB;
    return false;
}

static bool is_used(uint64_t n)
{
    for (unsigned int m = 0; m < info.module_count; m++)
        if (within(n << 12, info.modules[m].start, info.modules[m].end)) return true;
    return within(n << 12, IMAGE_FROM, IMAGE_TO);
}

/* The entry behind an address, of level 1 or of a big page; 0: none. */
static uint64_t entry_of(uint64_t va)
{
    const uint64_t *t = hv_l4;

    for (unsigned int level = 4; level; level--) {
        uint64_t e = t[va >> (3 + 9 * level) & 511];

        if (!e || level == 1 || e & PTE_PS) return e;
        HOLDS((e & ~PTE_MFN_MASK) == (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED));
        t = maddr_to_virt(MADDR(e & PTE_MFN_MASK));
    }
    return 0;
}

static uint64_t tables_below(const uint64_t *t, unsigned int level)
{
    uint64_t count = 1;

    for (unsigned int i = 0; i < 512; i++)
        if (t[i] && level > 1 && !(t[i] & PTE_PS) && !(level == 4 && t[i] == boot_l4[i]))
            count += tables_below(maddr_to_virt(MADDR(t[i] & PTE_MFN_MASK)), level - 1);
    return count;
}

static void mapped(uint64_t va, uint64_t machine, uint64_t bytes, uint64_t flags)
{
    uint64_t at;

    for (at = 0; at < bytes; at += BIG)
        HOLDS(entry_of(va + at) == ((machine + at) | flags | PTE_PS));
}

static void tables_are_right(void)
{
    uint64_t frame_bytes = max_frame * sizeof(struct frame);

    HOLDS(loaded == hv_cr3.a && hv_l4 == maddr_to_virt(hv_cr3));
    for (unsigned int i = 261; i < 272; i++)
        HOLDS(hv_l4[i] == boot_l4[i]);
    HOLDS(hv_l4[259] & hv_l4[260] & PTE_PRESENT);         /* windows, ioremap: tables, all empty */
    HOLDS(!entry_of(WINDOW_VIRT) && !entry_of(IOREMAP_VIRT));
    mapped(M2P_VIRT, (uint64_t)m2p_table - DIRECTMAP_VIRT, ROUND_UP(max_frame * 8, BIG),
           PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_NX);
    mapped(FRAMETABLE_VIRT, entry_of(FRAMETABLE_VIRT) & PTE_MFN_MASK, frame_bytes, HV_RW);
    HOLDS(max_frame <= TOP);
    for (uint64_t at = 4 * GIB; at < DIRECTMAP_SIZE; at += BIG) {
        bool ram = false;

        for (unsigned int r = 0; r < info.region_count; r++)
            ram |= info.regions[r].type == 1 && info.regions[r].end > at &&
                   info.regions[r].start < at + BIG;
        HOLDS(entry_of(DIRECTMAP_VIRT + at) == (ram ? at | HV_RW | PTE_PS : 0));
    }
    HOLDS(!entry_of(DIRECTMAP_VIRT + DIRECTMAP_SIZE));
    HOLDS(!entry_of(M2P_VIRT + ROUND_UP(max_frame * 8, BIG)));
}

static void all_is_where_it_should_be(void)
{
    uint64_t left = 0, top = 0, m2p_frame = ((uint64_t)m2p_table - DIRECTMAP_VIRT) >> 12;
    uint64_t shown = ROUND_UP(max_frame * 8, 4096) >> 12;

    for (uint64_t n = 0; n < TOP; n++) {
        bool ram = is_ram(n), m2p = n >= m2p_frame && n < m2p_frame + shown;

        if (ram || (n < 256 && n < max_frame))
            top = n + 1;
        HOLDS(given[n] <= (ram && !is_used(n)));
        left += ram && !is_used(n) && !given[n];
        if (n >= max_frame)
            continue;
        HOLDS(frame_of(MFN(n))->owner == (m2p ? &special_xen : ram ? NULL : &special_io));
        HOLDS(frame_of(MFN(n))->state ==
              (m2p ? FRAME_SHARED | FRAME_TOTAL_ONE | FRAME_TYPED_ONE | FRAME_VALID |
                         (uint64_t)FRAME_READONLY << FRAME_TYPE_SHIFT : 0));
    }
    HOLDS(max_frame >= top);
    HOLDS(left == tables_below(hv_l4, 4) + ROUND_UP(max_frame * 8, BIG) / 4096 +
                      (ROUND_UP(max_frame * sizeof(struct frame), 4096) >> 12));
    for (uint64_t i = 0; i < ROUND_UP(max_frame * 8, BIG) / 8; i++)
        HOLDS(m2p_table[i] == ~0ul);
    tables_are_right();
}

/* --- maps --- */

static void region(uint64_t start, uint64_t end, uint32_t type)
{
    info.regions[info.region_count++] = (struct region){ start, end, type };
}
static void module(uint64_t start, uint64_t end)
{
    info.modules[info.module_count].start = start;
    info.modules[info.module_count++].end = end;
}

static void a_pc(void)
{
    region(0, 0x9fc00, 1);
    region(0x9fc00, 0xa0000, 2);
    region(0xf0000, MIB, 2);
    region(MIB, RAM_TOP - 0x20000, 1);
    region(RAM_TOP - 0x20000, RAM_TOP, 2);
    module(0x400800, 0x500001);
    module(0x501000, 0x600000);
    memory_init(&info);
    HOLDS(max_frame == (RAM_TOP - 0x20000) >> 12);
}

/* Frames above 4 GiB, to an end that is no big page's; and more than there is room for. */
static void with_high_memory(void)
{
    region(MIB, RAM_TOP, 1);
    region(4 * GIB, 4 * GIB + 5 * MIB, 1);
    region(4 * GIB + 9 * MIB, 4 * GIB + 9 * MIB + 0x1234, 1);
    region(4 * GIB + 12 * MIB, 4 * GIB + 14 * MIB, 2);
    memory_init(&info);
    HOLDS(max_frame == (4 * GIB + 9 * MIB + 0x1000) >> 12);
}
static void with_too_much(void)
{
    region(MIB, RAM_TOP, 1);
    region(4 * GIB - 2 * MIB - 0x5000, 100 * GIB, 1);
    memory_init(&info);
    HOLDS(max_frame == TOP);
}

/* Early memory comes from below 4 GiB only, however much there is above. */
static void mostly_high(void)
{
    region(MIB, RAM_TOP, 1);
    region(4 * GIB - MIB, 4 * GIB + 15 * MIB, 1);
    module(4 * GIB + 4096, 4 * GIB + MIB);
    memory_init(&info);
}

static void regions_that_are_no_whole_pages(void)
{
    region(0, 0x80123, 1);
    region(0x80123, MIB + 0x345, 1);
    region(MIB + 0x345, 0x250fff, 1);
    region(0x300801, 0x300900, 1);
    region(0x322001, 0x1000801, 1);
    module(0x400000, 0x400001);
    module(0x402fff, 0x403001);
    module(0xffffff, 0x1000000);
    memory_init(&info);
}

static void modules_around_the_image(void)
{
    region(MIB, 40 * MIB, 1);
    module(MIB, IMAGE_FROM);
    module(0x324000, 0x325000);
    module(39 * MIB, 40 * MIB);
    module(0x325000, 0x326000);
    memory_init(&info);
}

static uint64_t state;

static uint64_t dice(uint64_t sides)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % sides;
}

static void at_random(void)
{
    uint64_t at = dice(2) * dice(MIB), big = dice(4);

    for (unsigned int i = 0; i < 8; i++) {
        uint64_t end = at + (i == big * 2 ? 24 * MIB : dice(3 * MIB)) + dice(2) * dice(4096);

        if (!dice(4))
            at = (at + 4095) & ~4095ul;
        region(at, end, i == big * 2 ? 1 : 1 + (dice(3) == 0));
        at = end + dice(2) * dice(MIB);
    }
    at = IMAGE_TO;
    for (uint64_t i = dice(4); i; i--) {
        uint64_t start = at + dice(3) * dice(4 * MIB), end = start + 1 + dice(MIB);

        module(start, end);
        at = (end + 4095) & ~4095ul;
    }
    memory_init(&info);
}

/* --- afterwards: pages one by one, devices, guests' tables, what boot has finished with --- */

static void mappings_of_devices(void)
{
    char *p;

    a_pc();
    all_is_where_it_should_be();
    HOLDS(!ioremap(MADDR(0xfee00000), 0, true));
    HOLDS(!ioremap(MADDR(0xfee00010), 0, true) && our_count == 0);
    HOLDS(!ioremap(MADDR(0xfee00000), (1ul << 30) + 1, true) && !pool);
    p = ioremap(MADDR(0xfee00123), 0x10, true);
    HOLDS((uint64_t)p == IOREMAP_VIRT + 0x123 && our_count == 1 && ours[0] == 0xfee00);
    HOLDS(entry_of((uint64_t)p) == (0xfee00000 | HV_RW | PTE_PCD | PTE_PWT));
    HOLDS(pool == 1);
    p = ioremap(MADDR(0xfd000fff), 0x1002, false);
    HOLDS((uint64_t)p == IOREMAP_VIRT + 0x1fff && our_count == 1);
    for (uint64_t i = 0; i < 3; i++)
        HOLDS(entry_of(IOREMAP_VIRT + (1 + i) * 4096) ==
              ((0xfd000000 + i * 4096) | HV_RW | PTE_PCD | PTE_PWT));
    HOLDS(!entry_of(IOREMAP_VIRT + 4 * 4096));
    p = ioremap(MADDR(0xfc000000), 0x1000, true);
    HOLDS((uint64_t)p == IOREMAP_VIRT + 4 * 4096 && our_count == 2 && ours[1] == 0xfc000);
    *hv_entry(WINDOW_VIRT, 1) = 0x7000 | HV_RO;
    HOLDS(entry_of(WINDOW_VIRT) == (0x7000 | HV_RO));
    no_memory = true;
    HOLDS(!hv_entry(WINDOW_VIRT + BIG, 1));
    HOLDS(!ioremap(MADDR(0x123000), 513 * 4096, false));
    HOLDS(hv_entry(WINDOW_VIRT + 4096, 1) == hv_entry(WINDOW_VIRT, 1) + 1);
}

static void the_largest_device(void)
{
    a_pc();
    HOLDS(ioremap(MADDR(0), 1ul << 30, false) == (void *)IOREMAP_VIRT);
    HOLDS(pool == 512);
}

static void guests_tables(void)
{
    uint64_t *l4 = (uint64_t *)(host_ram + RAM_TOP + MIB);

    a_pc();
    hv_l4[256] = 0x123;
    for (unsigned int i = 0; i < 512; i++)
        l4[i] = i + 1;
    hv_fill_l4(l4);
    for (unsigned int i = 0; i < 512; i++)
        HOLDS(l4[i] == (i < 256 || i > 271 ? i + 1 : i == 256 ? 0 : hv_l4[i]));
    hv_show_m2p(MFN((RAM_TOP + MIB) >> 12));
    HOLDS(l4[256] == 0x123 && l4[255] == 256 && l4[257] == hv_l4[257]);
}

static void what_is_given_back(void)
{
    static const struct { uint64_t start, end, first, last; } rows[] = {
        { 0x400800, 0x500001, 0x401, 0x500 }, { 0x400000, 0x500000, 0x400, 0x500 },
        { 0x0ff000, 0x103fff, 0x100, 0x103 }, { 0x400001, 0x400fff, 1, 0 },
    };

    a_pc();
    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        memset(given, 0, sizeof(given));
        heap_give(rows[i].start, rows[i].end);
        for (uint64_t n = 0; n < TOP; n++)
            HOLDS(given[n] == (n >= rows[i].first && n < rows[i].last));
    }
}

static void too_little(void)
{
    region(MIB, 0x200000 + 3 * MIB, 1);
    memory_init(&info);
}
static void none_below(void)
{
    region(4 * GIB, 4 * GIB + 8 * MIB, 1);
    memory_init(&info);
}

/* Early memory begins so many pages below the big page at which the frame table does: those are for
 * the tables that come last, to the lowest. */
static int pages_below;

static void to_the_last_page(void)
{
    region(MIB, 10 * MIB, 1);
    module(IMAGE_TO, 4 * MIB - pages_below * 4096);
    memory_init(&info);
    HOLDS(!given[1024 - pages_below]);
}

/* In a process of its own; its status. */
static int boot(void (*with)(void), bool compare)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        for (unsigned int i = 261; i < 272; i++)
            boot_l4[i] = 0x1000 * i | PTE_PRESENT;
        boot_l4[5] = 99;                    /* the lower half is not taken over */
        with();
        HOLDS(entry_inits == 1 && special_io.pages.next == &special_io.pages);
        HOLDS(special_xen.undoing.prev == &special_xen.undoing);
        if (compare)
            all_is_where_it_should_be();
        HOLDS(hv_l4[5] != 99);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void maps_that_were_picked(void **s)
{
    assert_int_equal(boot(a_pc, true), 0);
    assert_int_equal(boot(with_high_memory, true), 0);
    assert_int_equal(boot(with_too_much, true), 0);
    assert_int_equal(boot(mostly_high, true), 0);
    assert_int_equal(boot(regions_that_are_no_whole_pages, true), 0);
    assert_int_equal(boot(modules_around_the_image, true), 0);
}

static void maps_at_random(void **s)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        state = seed * 0x9e3779b97f4a7c15;
        assert_int_equal(boot(at_random, true), 0);
    }
}

static void too_small_machines(void **s)
{
    assert_int_equal(boot(too_little, false), 3);
    assert_int_equal(boot(none_below, false), 3);
}

static void all_of_early_memory(void **s)
{
    for (pages_below = -1; pages_below <= 0; pages_below++)     /* a page less than the frames' */
        assert_int_equal(boot(to_the_last_page, true), 3);
    while (pages_below < 20 && boot(to_the_last_page, true) == 3)
        pages_below++;
    assert_int_equal(boot(to_the_last_page, true), 0);
}

static void after_boot(void **s)
{
    assert_int_equal(boot(mappings_of_devices, false), 0);
    assert_int_equal(boot(the_largest_device, false), 0);
    assert_int_equal(boot(guests_tables, false), 0);
    assert_int_equal(boot(what_is_given_back, false), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_that_were_picked),
        cmocka_unit_test(maps_at_random),
        cmocka_unit_test(too_small_machines),
        cmocka_unit_test(all_of_early_memory),
        cmocka_unit_test(after_boot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
