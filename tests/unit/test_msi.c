/* SPDX-License-Identifier: MIT */
/*
 * Messages of PCI devices of every form: MSI with addresses of 32 and of 64 bits, with and without
 * a mask, MSI-X with its table in each kind of BAR. Configuration space is an array of the test's,
 * behind ports; what is written there is checked to the bit, and that no device is let loose while
 * its message is being written. Where the forms differ: PCI Local Bus Specification 3.0, 6.8.1 and
 * 6.8.2.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#undef fail                                     /* the hypervisor has one, too */
#include "domain/msi.h"
#include "domain/physdev.h"
#include "lib/fail.h"
#include "machine/apic.h"
#include "memory/paging.h"
#include "cpus_host.h"
#include "ports_host.h"
#include "fail_host.h"

#define DEVICE 0x0310                           /* bus 3, slot 2 */
#define LAPIC  5u
#define MSI_AT 0x50u
#define MSIX_AT 0xb0u

#define ENABLE   0x0001u
#define MULTIPLE 0x0070u
#define LONG     0x0080u
#define MASKABLE 0x0100u

/* --- the machine: one device, and memory that its BARs can be mapped from --- */

static uint8_t space[256];
static uint32_t address;
static bool absent;
static unsigned int data_at, mask_at;           /* of the device's MSI capability; no mask: 0 */
static uint64_t last_mapped;
static unsigned int maps;
static bool no_room;
static _Alignas(4096) uint32_t page[1024];

struct cpu boot_cpu = { .apic_id = LAPIC };
static bool out_of_reach;

bool lapic_takes_devices(void)
{
    return !out_of_reach;
}

void *ioremap(maddr_t start, size_t bytes, bool keep)
{
    assert_int_equal(bytes, 4096);
    last_mapped = start.a;
    maps++;
    return no_room ? NULL : page;
}

static uint16_t get16(unsigned int at)
{
    return (uint16_t)(space[at] | space[at + 1] << 8);
}
static uint32_t get32(unsigned int at)
{
    return get16(at) | (uint32_t)get16(at + 2) << 16;
}
static void put16(unsigned int at, unsigned int v)
{
    space[at] = (uint8_t)v, space[at + 1] = (uint8_t)(v >> 8);
}
static void put32(unsigned int at, uint32_t v)
{
    put16(at, v & 0xffff), put16(at + 2, v >> 16);
}

/* The device would send a message, had it anything to say. */
static bool loose(void)
{
    return (get16(MSI_AT + 2) & ENABLE) && !(mask_at && (space[mask_at] & 1));
}

static uint32_t read_port(uint16_t port, unsigned int bytes)
{
    uint32_t value = ~0u;

    if (port < 0xcfc || port % bytes || !(address >> 31))
        abort();
    if (!absent && (address >> 8 & 0xffff) == DEVICE)
        memcpy(&value, space + (address & 0xfc) + (port - 0xcfc), bytes);
    return value;
}

static void write_port(uint16_t port, unsigned int bytes, uint32_t value)
{
    unsigned int at = (address & 0xfc) + (port - 0xcfcu);

    if (port == 0xcf8 && bytes == 4) {
        address = value;
        return;
    }
    if (port < 0xcfc || port % bytes || !(address >> 31) || (address >> 8 & 0xffff) != DEVICE)
        abort();
    if (at >= MSI_AT + 4 && at < data_at + 2 && loose())
        abort();                                /* half a message would be sent */
    memcpy(space + at, &value, bytes);
}

/* A device with both capabilities, MSI's in this form; the words behind what a form has are
 * others'. */
static void device(unsigned int form)
{
    memset(space, 0xa5, sizeof(space));
    put32(0, 0x12348086);
    put16(4, 2);                                /* its memory is on */
    put16(6, 0x10);                             /* it has capabilities */
    space[0x34] = 0x43;                         /* the low two bits are to be ignored */
    put16(0x40, 0xb201);                        /* power management, then MSI-X, then MSI */
    put16(MSIX_AT, MSI_AT << 8 | 0x11);
    put16(MSIX_AT + 2, 0x4003);                 /* four entries, the function masked */
    put32(MSIX_AT + 4, 0x2000 | 1);             /* in BAR 1, at 8 KiB */
    put32(0x14, 0xfebf0000);
    put16(MSI_AT, 0x05);
    put16(MSI_AT + 2, form);
    data_at = MSI_AT + (form & LONG ? 12 : 8);
    mask_at = form & MASKABLE ? data_at + 4 : 0;
    absent = no_room = false;
    memset(page, 0, sizeof(page));
}

/* --- MSI --- */

static const unsigned int forms[] = { 0, LONG, MASKABLE, LONG | MASKABLE };

static void a_message_in_every_form(void **state)
{
    take_port_faults();
    for (unsigned int n = 0; n < 8; n++) {
        unsigned int i = n / 2;
        uint8_t before[256];
        struct msi m;

        /* as another kernel left it: at work or not, four of eight messages */
        device(forms[i] | (n & 1 ? ENABLE : 0) | MULTIPLE | 0x000a);
        if (mask_at)
            put32(mask_at, 0);
        memcpy(before, space, sizeof(space));
        assert_int_equal(msi_setup(&m, DEVICE, false, 0), 0);
        assert_int_equal(m.capability, MSI_AT);
        assert_memory_equal(space, before, sizeof(space));      /* looking changes nothing */

        msi_program(&m, 0x61);
        assert_false(loose());
        assert_int_equal(get32(MSI_AT + 4), 0xfee00000 | LAPIC << 12);
        assert_int_equal(get16(data_at), 0x61);
        assert_memory_equal(space + data_at + 2, before + data_at + 2, 2);
        if (forms[i] & LONG)
            assert_int_equal(get32(MSI_AT + 8), 0);
        /* one message, all else as it was */
        assert_int_equal(get16(MSI_AT + 2) & ~ENABLE, forms[i] | 0x000a);
        assert_int_equal(get16(MSI_AT + 2) & ENABLE, mask_at ? ENABLE : 0);
        if (mask_at)
            assert_int_equal(get32(mask_at), 1);

        msi_mask(&m, false);
        assert_true(loose());
        msi_mask(&m, true);
        assert_false(loose());
        msi_mask(&m, false);
        msi_disable(&m);
        assert_int_equal(get16(MSI_AT + 2), forms[i] | 0x000a);

        /* Nothing but the capability was touched: from its control to its last word. */
        unsigned int end = mask_at ? mask_at + 4 : data_at + 2;

        assert_memory_equal(space, before, MSI_AT + 2);
        assert_memory_equal(space + end, before + end, sizeof(space) - end);
    }
}

/* --- MSI-X --- */

static void an_entry_of_the_table(void **state)
{
    struct msi m;

    take_port_faults();
    device(0);
    for (unsigned int i = 0; i < 1024; i++)
        page[i] = 0x5a5a5a00;                   /* not masked: the function is */
    assert_int_equal(msi_setup(&m, DEVICE, true, 3), 0);        /* the last one */
    assert_int_equal(last_mapped, 0xfebf2000);
    assert_ptr_equal(m.table_entry, page + 12);
    msi_program(&m, 0x62);
    assert_int_equal(page[12], 0xfee00000 | LAPIC << 12);
    assert_int_equal(page[13], 0);
    assert_int_equal(page[14], 0x62);
    assert_int_equal(page[15], 0x5a5a5a01);     /* masked, the reserved bits as they were */
    /* on, and the function not masked */
    assert_int_equal(get16(MSIX_AT + 2), 0x8003);
    msi_mask(&m, false);
    assert_int_equal(page[15], 0x5a5a5a00);
    msi_mask(&m, true);
    assert_int_equal(page[15], 0x5a5a5a01);
    msi_disable(&m);
    assert_int_equal(get16(MSIX_AT + 2), 0x0003);
    assert_int_equal(get16(MSI_AT + 2), 0);     /* the other capability is left alone */
    assert_int_equal(page[11], 0x5a5a5a00);
    assert_int_equal(page[16], 0x5a5a5a00);
    assert_int_equal(msi_setup(&m, DEVICE, true, 4), -EINVAL);

    put16(MSIX_AT + 2, 0x07ff);                 /* as many as there can be */
    assert_int_equal(msi_setup(&m, DEVICE, true, 2047), 0);
    assert_int_equal(last_mapped, 0xfebf2000 + 2047 * 16 / 4096 * 4096);
    assert_ptr_equal(m.table_entry, page + 2047 * 16 % 4096 / 4);
    assert_int_equal(msi_setup(&m, DEVICE, true, 2048), -EINVAL);
}

/* A table may begin at an odd multiple of 8: the entry that would lie across two pages, of which
 * one is mapped, is refused. */
static void a_table_that_is_not_aligned(void **state)
{
    struct msi m;

    take_port_faults();
    device(0);
    put16(MSIX_AT + 2, 0x07ff);
    put32(MSIX_AT + 4, 0xc008 | 1);
    assert_int_equal(msi_setup(&m, DEVICE, true, 254), 0);
    assert_int_equal(last_mapped, 0xfebfc000);
    assert_ptr_equal(m.table_entry, page + 1024 - 6);
    assert_int_equal(msi_setup(&m, DEVICE, true, 255), -ENOMEM);
    assert_int_equal(msi_setup(&m, DEVICE, true, 256), 0);
    assert_ptr_equal(m.table_entry, page + 2);
    put32(MSIX_AT + 4, 0xc000 | 1);
    assert_int_equal(msi_setup(&m, DEVICE, true, 255), 0);
    assert_ptr_equal(m.table_entry, page + 1024 - 4);
}

static void a_table_in_every_kind_of_bar(void **state)
{
    struct msi m;

    take_port_faults();
    device(0);
    put32(MSIX_AT + 4, 0x1010 | 4);             /* BAR 4 and 5: 64 bits, prefetchable */
    put32(0x20, 0xc000000c);
    put32(0x24, 0x12);
    assert_int_equal(msi_setup(&m, DEVICE, true, 1), 0);
    assert_int_equal(last_mapped, 0x12c0001000);
    assert_ptr_equal(m.table_entry, page + 8);
    put32(0x20, 0xc0200008);                    /* 32 bits: the next one is another's */
    assert_int_equal(msi_setup(&m, DEVICE, true, 1), 0);
    assert_int_equal(last_mapped, 0xc0201000);

    unsigned int before = maps;

    assert_int_equal(msi_setup(&m, DEVICE, true, 2), 0);
    assert_int_equal(maps, before);             /* a page is mapped once */
    put32(0x20, 0xc001);                        /* ports */
    assert_int_equal(msi_setup(&m, DEVICE, true, 1), -ENOMEM);
    put32(0x20, 0);                             /* nobody gave it an address */
    assert_int_equal(msi_setup(&m, DEVICE, true, 1), -ENOMEM);
    /* there is no such BAR: the word there is another thing */
    put32(MSIX_AT + 4, 6);
    put32(0x28, 0xd0000000);
    assert_int_equal(msi_setup(&m, DEVICE, true, 1), -ENOMEM);
    assert_int_equal(maps, before);
    put32(MSIX_AT + 4, 5);                      /* the last one */
    put32(0x24, 0xe0000000);
    assert_int_equal(msi_setup(&m, DEVICE, true, 0), 0);
    assert_int_equal(last_mapped, 0xe0000000);
    put16(4, 0);
    assert_int_equal(msi_setup(&m, DEVICE, true, 0), -ENXIO);
}

/* --- devices that have none --- */

static void devices_without(void **state)
{
    struct msi m;

    take_port_faults();
    device(0);
    assert_int_equal(msi_setup(&m, DEVICE + 1, false, 0), -ENODEV);
    space[MSIX_AT + 1] = 0;                     /* the list ends before MSI */
    assert_int_equal(msi_setup(&m, DEVICE, false, 0), -ENODEV);
    assert_int_equal(msi_setup(&m, DEVICE, true, 0), 0);
    out_of_reach = true;                        /* of a message, whose destination has 8 bits */
    assert_int_equal(msi_setup(&m, DEVICE, true, 0), -ENODEV);
    out_of_reach = false;
    space[MSIX_AT + 1] = 0x40;                  /* a ring */
    assert_int_equal(msi_setup(&m, DEVICE, false, 0), -ENODEV);
    space[MSIX_AT + 1] = 0x3c;                  /* into the header, which is no capability */
    space[0x3c] = 0x05;
    assert_int_equal(msi_setup(&m, DEVICE, false, 0), -ENODEV);
    put16(6, 0);                                /* there is no list, whatever the pointer says */
    assert_int_equal(msi_setup(&m, DEVICE, true, 0), -ENODEV);
}

/* The longest list that fits is read to its end. */
static void the_longest_list(void **state)
{
    struct msi m;

    take_port_faults();
    device(0);
    space[0x34] = 0x40;
    for (unsigned int at = 0x40; at < 0x100; at += 4)
        put16(at, (at + 4) << 8 | 0x09);
    put16(0xfc, 0x05);
    assert_int_equal(msi_setup(&m, DEVICE, false, 0), 0);
    assert_int_equal(m.capability, 0xfc);
}

/* Address space, or the list of what is mapped, is used up: refused, and what was mapped before
 * stays in use. */
static void no_room_for_tables(void **state)
{
    struct msi m;
    unsigned int tables = 0;

    take_port_faults();
    device(0);
    no_room = true;
    put32(0x14, 0xf0000000);
    assert_int_equal(msi_setup(&m, DEVICE, true, 0), -ENOMEM);
    no_room = false;
    while (!msi_setup(&m, DEVICE, true, 0) && ++tables < 1000)
        put32(0x14, 0xf0000000 + tables * 0x10000);
    assert_in_range(tables, 50, 64);
    assert_int_equal(msi_setup(&m, DEVICE, true, 0), -ENOMEM);
    put32(0x14, 0xf0000000);
    assert_int_equal(msi_setup(&m, DEVICE, true, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_in_every_form), cmocka_unit_test(an_entry_of_the_table),
        cmocka_unit_test(a_table_that_is_not_aligned),
        cmocka_unit_test(a_table_in_every_kind_of_bar), cmocka_unit_test(devices_without),
        cmocka_unit_test(the_longest_list), cmocka_unit_test(no_room_for_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
