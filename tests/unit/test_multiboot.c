/* SPDX-License-Identifier: MIT */
/*
 * What the boot loader tells, by multiboot2's specification (3.6), and what can be wrong with it:
 * reading it ends, stays within its size, and says what was left out.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "boot/boot.h"
#include "cpu_alarm.h"

_Alignas(4096) char host_ram[64 * 1024];
static uint32_t end;

static void add(uint32_t type, const void *data, size_t size)
{
    const uint32_t head[2] = { type, (uint32_t)(8 + size) };

    memcpy(host_ram + end, head, sizeof(head));
    memcpy(host_ram + end + 8, data, size);
    end = (uint32_t)((end + 8 + size + 7) & ~7ul);
    memcpy(host_ram, &end, sizeof(end));
}

struct map { uint32_t entry_size, version; uint64_t entry[70][3]; };

/* Regions of a page each, a page from each other. */
static void add_map(unsigned regions, uint32_t entry_size)
{
    struct map map = { .entry_size = entry_size };

    for (unsigned i = 0; i < regions; i++)
        memcpy(map.entry[i], (uint64_t[3]){ i * 8192ul, 4096, 1 + i % 2 }, 24);
    add(6, &map, 8 + regions * 24ul);
}

static void read_it(void)
{
    memset(&boot_info, 0, sizeof(boot_info));
    cpu_alarm(20);
    multiboot_read(0);
    cpu_alarm(0);
}

static int begin(void **state)
{
    memset(host_ram, 0, sizeof(host_ram));
    end = 8;
    return 0;
}

static void add_module(uint32_t from, uint32_t to, const char *line)
{
    char data[2048];

    memcpy(data, (uint32_t[2]){ from, to }, 8);
    memcpy(data + 8, line, strlen(line) + 1);
    add(3, data, 8 + strlen(line) + 1);
}

static void all_that_is_told(void **state)
{
    add(1, "loglevel=3", 11);
    add_module(0x100000, 0x200000, "ip=10.0.2.10");
    add(99, "unknown", 7);
    add_module(0x200000, 0x200005, "");
    add_map(3, 24);
    add(15, "RSD PTR and more", 16);
    add(0, "", 0);
    add(1, "behind the end", 15);
    read_it();
    assert_string_equal(boot_info.command_line, "loglevel=3");
    assert_int_equal(boot_info.module_count, 2);
    assert_string_equal(boot_info.modules[0].line, "ip=10.0.2.10");
    assert_int_equal(boot_info.modules[1].end, 0x200005);
    assert_int_equal(boot_info.region_count, 3);
    assert_int_equal(boot_info.regions[2].start, 2 * 8192);
    assert_int_equal(boot_info.regions[1].type, 2);
    assert_true(boot_info.have_rsdp && !boot_info.line_cut && !boot_info.map_cut);
    assert_memory_equal(boot_info.rsdp, "RSD PTR and more", 17);
}

static void more_than_there_is_room_for(void **state)
{
    char line[1100];

    memset(line, 'x', sizeof(line));
    line[1023] = '\0';
    add(1, line, 1024);
    add_map(BOOT_MAX_REGIONS, 24);
    for (unsigned i = 0; i < 10; i++)
        add_module(i, i, "");
    read_it();
    assert_false(boot_info.line_cut || boot_info.map_cut);
    assert_int_equal(boot_info.region_count, BOOT_MAX_REGIONS);
    assert_int_equal(boot_info.module_count, BOOT_MAX_MODULES);
    line[1023] = 'x';
    line[1024] = '\0';
    add(1, line, 1025);
    add_map(1, 24);
    read_it();
    assert_true(boot_info.line_cut && boot_info.map_cut);
    assert_int_equal(boot_info.region_count, BOOT_MAX_REGIONS);
}

/* Entries may become larger one day; those of no size would never end. */
static void sizes_of_entries(void **state)
{
    static const struct { uint32_t size; unsigned regions; } rows[] = {
        { 0, 0 }, { 1, 0 }, { 23, 0 }, { 24, 6 }, { 48, 3 }, { 144, 1 }, { 145, 0 },
        { UINT32_MAX, 0 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin(state);
        add_map(6, rows[i].size);
        read_it();
        assert_int_equal(boot_info.region_count, rows[i].regions);
    }
}

/* A tag of any size, the map among others: what follows is not believed. */
static void sizes_of_tags(void **state)
{
    static const uint32_t types[] = { 1, 3, 6, 14, 15, 77 }, sizes[] = { 0, 1, 7, 4096, UINT32_MAX,
                                                                       UINT32_MAX - 6 };

    for (size_t i = 0; i < 36; i++) {
        begin(state);
        add_map(2, 24);
        add(types[i / 6], "abcdefghijklmnop", 17);
        memcpy(host_ram + end - 28, &sizes[i % 6], 4);
        add(1, "behind", 7);
        read_it();
        assert_int_equal(boot_info.region_count, 2);
        assert_string_equal(boot_info.command_line, "");
        assert_true(boot_info.module_count == 0 && !boot_info.have_rsdp);
    }
    begin(state);                       /* A map that has no room for what it begins with. */
    add(6, "", 0);
    read_it();
    assert_int_equal(boot_info.region_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_that_is_told, begin),
        cmocka_unit_test_setup(more_than_there_is_room_for, begin),
        cmocka_unit_test_setup(sizes_of_entries, begin),
        cmocka_unit_test_setup(sizes_of_tags, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
