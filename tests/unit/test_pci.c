/* SPDX-License-Identifier: MIT */
/*
 * PCI as dom0 sees it: the driver's own port instructions fault here as they do in a guest, and
 * what the hypervisor does about them is done by a signal handler: configuration space is an array
 * of the test's. Enumeration through bridges, capability lists that loop, BARs of every kind,
 * interrupts.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <drivers/pci.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include "ports_host.h"

/* --- configuration space ---------------------------------------------------------------------- */

static struct { uint8_t bus, devfn, bytes[256]; } function[80];
static unsigned int functions;
static uint32_t address;

static uint8_t *space_of(uint8_t bus, uint8_t devfn)
{
    for (unsigned int i = 0; i < functions; i++)
        if (function[i].bus == bus && function[i].devfn == devfn)
            return function[i].bytes;
    return NULL;
}

static uint32_t read_port(uint16_t port, unsigned int bytes)
{
    uint8_t *space = space_of((uint8_t)(address >> 16), (uint8_t)(address >> 8));
    uint32_t value = ~0u;

    if (port < 0xcfc || port + bytes > 0xd00 || !(address >> 31) || port % bytes)
        abort();
    if (space)
        memcpy(&value, space + (address & 0xfc) + (port - 0xcfc), bytes);
    return value;
}

static void write_port(uint16_t port, unsigned int bytes, uint32_t value)
{
    if (port == 0xcf8 && bytes == 4) {
        address = value;
        return;
    }
    if (port < 0xcfc || port + bytes > 0xd00 || !(address >> 31) || port % bytes)
        abort();
    memcpy(space_of((uint8_t)(address >> 16), (uint8_t)(address >> 8)) + (address & 0xfc) +
               (port - 0xcfc),
           &value, bytes);
}

static uint8_t *add(uint8_t bus, unsigned int slot, unsigned int number, uint16_t device,
                    uint8_t header)
{
    uint8_t *bytes = function[functions].bytes;

    function[functions].bus = bus;
    function[functions++].devfn = (uint8_t)(slot << 3 | number);
    memset(bytes, 0, 256);
    memcpy(bytes, &(uint16_t[]){ 0x1af4, device }, 4);
    bytes[0x0e] = header;
    return bytes;
}

static void put32(uint8_t *space, unsigned int offset, uint32_t value)
{
    memcpy(space + offset, &value, 4);
}

/* --- the hypervisor --------------------------------------------------------------------------- */

static unsigned int said, told, mapped_pirqs, eois, unbound;
static long refuse_iopl, refuse_add, refuse_map;
static int refuse_bind;
static uint32_t needs_eoi;
static struct physdev_map_pirq asked;
static event_handler handler;
static void *handler_data;

static char last_said[100];

void printk(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(last_said, sizeof(last_said), format, arguments);
    va_end(arguments);
    said++;
}
const char *errno_name(long error)
{
    return "ERROR";
}

long host_hypercall(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                    unsigned long d, unsigned long e)
{
    assert_int_equal(nr, __HYPERVISOR_physdev_op);
    switch (a) {
    case PHYSDEVOP_set_iopl:
        assert_int_equal(((struct physdev_set_iopl *)b)->iopl, 1);
        return refuse_iopl;
    case PHYSDEVOP_pci_device_add:
        assert_non_null(space_of(((struct physdev_pci_device_add *)b)->bus,
                                 ((struct physdev_pci_device_add *)b)->devfn));
        told++;
        return refuse_add;
    case PHYSDEVOP_map_pirq:
        asked = *(struct physdev_map_pirq *)b;
        ((struct physdev_map_pirq *)b)->pirq = 44;
        mapped_pirqs += !refuse_map;
        return refuse_map;
    case PHYSDEVOP_unmap_pirq:
        assert_int_equal(((struct physdev_unmap_pirq *)b)->pirq, 44);
        assert_int_equal(((struct physdev_unmap_pirq *)b)->domid, DOMID_SELF);
        mapped_pirqs--;
        return 0;
    case PHYSDEVOP_irq_status_query:
        assert_int_equal(((struct physdev_irq_status_query *)b)->irq, 44);
        ((struct physdev_irq_status_query *)b)->flags = needs_eoi;
        return 0;
    case PHYSDEVOP_eoi:
        assert_int_equal(((struct physdev_eoi *)b)->irq, 44);
        eois++;
        return 0;
    default:
        return -38;
    }
}

int event_bind_pirq(unsigned int pirq, unsigned int flags, event_handler function_, void *data)
{
    assert_true(pirq == 44 && flags == 0);
    handler = function_;
    handler_data = data;
    return refuse_bind ? -28 : 7;
}

void event_unbind(evtchn_t port)
{
    assert_int_equal(port, 7);
    unbound++;
}

static unsigned long mapped_mfn, mapped_count;

void *map_frame_range(unsigned long mfn, unsigned long n, uint64_t prot, domid_t owner)
{
    assert_true(prot == (PROT_RW | PROT_UNCACHED) && owner == DOMID_IO);
    mapped_mfn = mfn;
    mapped_count = n;
    return mfn == 0xbad ? ERR_PTR(-1) : (void *)0x5000000;
}

/* --- tests ------------------------------------------------------------------------------------ */

static int set_up(void **state)
{
    functions = said = told = mapped_pirqs = eois = unbound = 0;
    refuse_iopl = refuse_add = refuse_map = refuse_bind = 0;
    needs_eoi = 0;
    return 0;
}

static void every_width_at_every_place(void **state)
{
    uint8_t *space = add(3, 5, 1, 0x1041, 0);

    take_port_faults();
    for (unsigned int i = 4; i < 256; i++)
        space[i] = (uint8_t)(i * 3);
    for (unsigned int at = 4; at < 256; at++) {
        uint32_t expected = 0;

        assert_int_equal(pci_read(3, 5 << 3 | 1, at, 1), space[at]);
        memcpy(&expected, space + at, 2);
        if (at % 2 == 0)
            assert_int_equal(pci_read(3, 5 << 3 | 1, at, 2), expected);
        memcpy(&expected, space + (at & 0xfc), 4);
        if (at % 4 == 0)
            assert_int_equal(pci_read(3, 5 << 3 | 1, at, 4), expected);
    }
    assert_int_equal(pci_read(3, 5 << 3, 0, 2), 0xffff);
    assert_int_equal(pci_read(2, 5 << 3 | 1, 0, 4), 0xffffffff);
    pci_write(3, 5 << 3 | 1, 0x41, 1, 0xaa);
    pci_write(3, 5 << 3 | 1, 0x46, 2, 0xbbcc);
    pci_write(3, 5 << 3 | 1, 0x48, 4, 0x12345678);
    assert_int_equal(space[0x40], (uint8_t)(0x40 * 3));
    assert_int_equal(space[0x41], 0xaa);
    assert_true(space[0x46] == 0xcc && space[0x47] == 0xbb);
    assert_true(space[0x48] == 0x78 && space[0x4b] == 0x12 && space[0x4c] == (uint8_t)(0x4c * 3));
}

/* Single functions, several, bridges behind bridges, bridges that the firmware has forgotten. */
static void what_is_found(void **state)
{
    take_port_faults();
    add(0, 0, 0, 1, 0);
    add(0, 0, 3, 2, 0);                         /* of a device that says it has one function only */
    add(0, 4, 0, 3, 0x80);
    add(0, 4, 7, 4, 0);
    add(0, 5, 1, 5, 0);                         /* without a function 0 */
    add(0, 31, 0, 0x1041, 0x01)[0x19] = 2;      /* a bridge to bus 2 */
    add(2, 1, 0, 0x1041, 0);
    add(2, 2, 0, 7, 0x81)[0x19] = 9;            /* and on to bus 9 */
    add(9, 0, 0, 0x1042, 0);
    add(2, 3, 0, 8, 0x01)[0x19] = 0;            /* to none */
    add(2, 4, 0, 9, 0x01)[0x19] = 2;            /* to where it is itself */
    add(2, 6, 0, 10, 0x02)[0x19] = 11;          /* no bridge of this kind */
    add(7, 0, 0, 6, 0);                         /* behind nothing */
    add(11, 0, 0, 11, 0);
    assert_int_equal(pci_scan(), 10);
    assert_int_equal(pci_count(), 10);
    assert_int_equal(told, 10);
    assert_int_equal(pci_get(0)->device, 1);
    assert_null(pci_get(10));
    for (unsigned int i = 0; i < 10; i++) {
        static const struct { uint8_t bus, devfn; uint16_t device;
        } expected[10] = {
            { 0, 0, 1 },           { 0, 4 << 3, 3 },  { 0, 4 << 3 | 7, 4 }, { 0, 31 << 3, 0x1041 },
            { 2, 1 << 3, 0x1041 }, { 2, 2 << 3, 7 },  { 9, 0, 0x1042 },     { 2, 3 << 3, 8 },
            { 2, 4 << 3, 9 },      { 2, 6 << 3, 10 },
        };

        assert_int_equal(pci_get(i)->bus, expected[i].bus);
        assert_int_equal(pci_get(i)->devfn, expected[i].devfn);
        assert_int_equal(pci_get(i)->device, expected[i].device);
    }
    assert_int_equal(pci_scan(), 10);           /* once more: the same, not twice as many */
    assert_int_equal(said, 0);
    refuse_add = -17;
    pci_scan();
    assert_int_equal(said, 0);                  /* known already: no news */
    refuse_add = -22;
    pci_scan();
    assert_int_equal(said, 10);
    refuse_iopl = -1;
    assert_int_equal(pci_scan(), -1);
}

/* More than there is room for; and bridges so deep that somebody is joking. */
static void bounded(void **state)
{
    take_port_faults();
    for (unsigned int i = 0; i < 70; i++)
        add(0, i / 8, i % 8, (uint16_t)i, i % 8 ? 0 : 0x80);
    assert_int_equal(pci_scan(), PCI_DEVICES_MAX);
    functions = 0;
    for (unsigned int i = 0; i < 20; i++)
        add((uint8_t)i, 0, 0, (uint16_t)i, 1)[0x19] = (uint8_t)(i + 1);
    assert_int_equal(pci_scan(), 9);
}

static void bars(void **state)
{
    uint8_t *space = add(0, 1, 0, 1, 0), *bridge = add(0, 2, 0, 2, 1);

    take_port_faults();
    put32(space, 0x08, 0x02000012);
    put32(space, 0x10, 0xfebf0008);             /* 32 bits, prefetchable */
    put32(space, 0x14, 0xc001);                 /* ports */
    put32(space, 0x18, 0xe000000c);             /* 64 bits: the next one is its upper half */
    put32(space, 0x1c, 0x12);
    put32(space, 0x20, 0xfeb00000);
    put32(space, 0x24, 0xd0000004);             /* 64 bits, but there is no next one */
    for (unsigned int i = 0; i < 6; i++)
        put32(bridge, 0x10 + 4 * i, 0xfe000000 + i * 0x100000);
    pci_scan();
    assert_int_equal(pci_get(0)->class_code, 0x020000);
    assert_int_equal(pci_get(0)->bar[0], 0xfebf0000);
    assert_int_equal(pci_get(0)->bar[1], 0);
    assert_int_equal(pci_get(0)->bar[2], 0x12e0000000);
    assert_int_equal(pci_get(0)->bar[3], 0);
    assert_int_equal(pci_get(0)->bar[4], 0xfeb00000);
    assert_int_equal(pci_get(0)->bar[5], 0xd0000000);
    assert_int_equal(pci_get(1)->bar[1], 0xfe100000);
    assert_int_equal(pci_get(1)->bar[2], 0);    /* a bridge has two */
    /* Whole pages, as many as the window touches. */
    assert_true(pci_map(pci_get(0), 2, 0x1008, 0x1000) == (void *)0x5000008);
    assert_true(mapped_mfn == 0x12e0001 && mapped_count == 2);
    assert_true(pci_map(pci_get(0), 2, 0x1000, 0x1000) == (void *)0x5000000);
    assert_int_equal(mapped_count, 1);
    assert_null(pci_map(pci_get(0), 1, 0, 16));
    assert_null(pci_map(pci_get(0), 6, 0, 16));
    assert_null(pci_map(pci_get(0), 2, 0, 0));
    assert_non_null(pci_map(pci_get(0), 2, 0, 1 << 24));
    assert_null(pci_map(pci_get(0), 2, 0, (1 << 24) + 1));
    pci_get(0)->bar[0] = 0xbad000;
    assert_null(pci_map(pci_get(0), 0, 0, 16));
    space[4] = 0x01;
    pci_enable(pci_get(0));
    assert_true(space[4] == 0x07 && space[5] == 0x04);
}

/* A list of capabilities: in order, each kind again and again, and an end that does not come. */
static void capabilities(void **state)
{
    uint8_t *space = add(0, 1, 0, 1, 0);
    struct pci_device *pci;

    take_port_faults();
    space[0x34] = 0x53;                         /* the low bits do not count */
    memcpy(space + 0x50, "\x09\x60", 2);
    memcpy(space + 0x60, "\x11\x73", 2);
    memcpy(space + 0x62, "\x04\x80", 2);        /* MSI-X: five vectors, and a bit that is none */
    memcpy(space + 0x70, "\x09\x00", 2);
    pci_scan();
    pci = pci_get(0);
    assert_int_equal(pci->msix, 0);             /* the device has no list */
    space[0x06] = 0x10;
    pci_scan();
    assert_int_equal(pci->msix, 0x60);
    assert_int_equal(pci->msix_vectors, 5);
    assert_int_equal(pci_find_capability(pci, 9, 0), 0x50);
    assert_int_equal(pci_find_capability(pci, 9, 0x50), 0x70);
    assert_int_equal(pci_find_capability(pci, 9, 0x70), 0);
    assert_int_equal(pci_find_capability(pci, 5, 0), 0);
    space[0x71] = 0x50;
    port_accesses = 0;
    assert_int_equal(pci_find_capability(pci, 5, 0), 0);
    assert_true(port_accesses < 500);
    space[0x34] = 0x3c;                         /* into the header */
    assert_int_equal(pci_find_capability(pci, 9, 0), 0);
    space[0x34] = 0x40;
    space[0x40] = 9;
    assert_int_equal(pci_find_capability(pci, 9, 0), 0x40);
}

/* Whose class is that of disks or networks and who has no driver is named. */
static void undriven(void **state)
{
    static const uint32_t classes[] = { 0x01060100, 0x01080200, 0x01000000, 0x02000000,
                                        0x02800000, 0x03000000, 0x06040000 };

    for (unsigned int i = 0; i < 7; i++)
        put32(add(0, i, 0, (uint16_t)(i + 1), 0), 8, classes[i]);
    take_port_faults();
    pci_scan();
    pci_name_undriven();
    assert_int_equal(said, 5);
    assert_string_equal(last_said, "pci 00:04.0: no driver for this network card (1af4:0005)\n");
    pci_enable(pci_get(4));
    pci_enable(pci_get(1));
    said = 0;
    pci_name_undriven();
    assert_int_equal(said, 3);
    assert_string_equal(last_said, "pci 00:03.0: no driver for this Ethernet card (1af4:0004)\n");
}

static unsigned int handled;
static void handle(void *context)
{
    handled += *(unsigned int *)context;
}

static void interrupts(void **state)
{
    uint8_t *space = add(4, 1, 2, 1, 0);
    struct pci_device pci = { .bus = 4, .devfn = 1 << 3 | 2, .msix = 0x60, .msix_vectors = 3,
                              .bar = { 0 } };
    struct pci_interrupt interrupt;
    unsigned int step = 5;

    take_port_faults();
    for (unsigned int i = 0; i < PCI_BARS; i++) {       /* its table may be in any */
        pci.bar[i] = 0x1000000 * (i + 1);
        put32(space, 0x64, 0x1000 | i);
        assert_int_equal(pci_interrupt_open(&pci, 0, &interrupt, handle, &step), 0);
        assert_int_equal(asked.table_base, pci.bar[i]);
        pci_interrupt_close(&interrupt);
    }
    unbound = 0;
    put32(space, 0x60, 0x40020011);             /* all masked, not enabled */
    put32(space, 0x64, 0x1002);                 /* its table is in BAR 2 */
    assert_int_equal(pci_interrupt_open(&pci, 3, &interrupt, handle, &step), -ENODEV);
    assert_int_equal(pci_interrupt_open(&pci, 2, &interrupt, handle, &step), 0);
    assert_true(asked.domid == DOMID_SELF && asked.type == MAP_PIRQ_TYPE_MSI && asked.bus == 4);
    assert_true(asked.devfn == (1 << 3 | 2) && asked.entry_nr == 2 && asked.pirq == -1);
    assert_int_equal(asked.table_base, 0x3000000);
    assert_int_equal(space[0x63], 0x80);        /* enabled, not masked */
    assert_int_equal(eois, 0);
    handler(7, handler_data);
    assert_int_equal(handled, 5);
    assert_int_equal(eois, 0);
    pci_interrupt_close(&interrupt);
    assert_true(unbound == 1 && mapped_pirqs == 0);
    needs_eoi = XENIRQSTAT_needs_eoi;
    assert_int_equal(pci_interrupt_open(&pci, 0, &interrupt, handle, &step), 0);
    assert_int_equal(eois, 1);                  /* one that came before we knew */
    handler(7, handler_data);
    assert_int_equal(eois, 2);
    pci_interrupt_close(&interrupt);
    refuse_bind = 1;
    assert_int_equal(pci_interrupt_open(&pci, 0, &interrupt, handle, &step), -28);
    assert_int_equal(mapped_pirqs, 0);
    refuse_bind = 0;
    put32(space, 0x60, 0x40020011);
    refuse_map = -22;
    assert_int_equal(pci_interrupt_open(&pci, 0, &interrupt, handle, &step), -22);
    assert_int_equal(space[0x63], 0x40);
    pci.msix = 0;
    assert_int_equal(pci_interrupt_open(&pci, 0, &interrupt, handle, &step), -ENODEV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_width_at_every_place, set_up),
        cmocka_unit_test_setup(what_is_found, set_up), cmocka_unit_test_setup(bounded, set_up),
        cmocka_unit_test_setup(bars, set_up),          cmocka_unit_test_setup(capabilities, set_up),
        cmocka_unit_test_setup(interrupts, set_up),    cmocka_unit_test_setup(undriven, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
