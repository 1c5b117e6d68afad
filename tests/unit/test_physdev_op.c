/* SPDX-License-Identifier: MIT */
/*
 * The control domain's interrupts as it asks for them: what names no interrupt is refused at both
 * ends of every range, what is taken stays taken, a number that was reserved outlives a source that
 * cannot be connected, and what fails leaves nothing behind. Behind the I/O APIC, the vectors, the
 * devices and the guest's memory is the test.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#include "physdev_host.h"
#include "entry/hypercall.h"
#include "machine/pci.h"
#include "memory/access.h"
#include <xen/physdev.h>

#define DEVICE  0x0310u /* bus 3, device 2 */
#define LAST    0xffffu /* bus 255, device 31, function 7 */
#define CONSOLE 4       /* the serial port's GSI */

/* --- the rest of the machine: guest memory is memory, two devices answer -----------------------
 */

static struct cpu cpu;
static struct vcpu vcpu;
static uint64_t unreadable, unwritable; /* the address of an argument */
static struct msi asked;                /* of msi_setup */
static int setup_error;

int copy_from_guest(void *to, vaddr_t from, size_t n)
{
    if (from.a == unreadable) return -EFAULT;
    memcpy(to, (void *)from.a, n);
    return 0;
}

int answer_guest(uint64_t va, const void *object, size_t n)
{
    if (va == unwritable) return -EFAULT;
    memcpy((void *)va, object, n);
    return 0;
}

int msi_setup(struct msi *m, uint16_t bdf, bool msix, uint16_t entry)
{
    *m = asked = (struct msi){ .bdf = bdf, .msix = msix, .entry = entry };
    return setup_error;
}

uint32_t pci_config_read(uint16_t bdf, unsigned int offset, unsigned int size)
{
    assert_true(offset == 0 && size == 2);
    return bdf == DEVICE || bdf == LAST ? 0x8086 : 0xffff;
}

static long op(unsigned int cmd, void *arg)
{
    long result = do_physdev_op(cmd, (unsigned long)arg);

    assert_int_equal(guest.events.lock.held, 0);
    return result;
}

static int set_up(void **state)
{
    machine_begins();
    guest.id = 7;
    guest.privileged = true;
    vcpu = (struct vcpu){ .domain = &guest };
    cpu = (struct cpu){ .self = &cpu, .running = &vcpu };
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
    unreadable = unwritable = 0;
    setup_error = 0;
    asked = (struct msi){ 0 };
    assert_int_equal(physdev_create(&guest), 0);
    return 0;
}

static int tear_down(void **state)
{
    physdev_destroy(&guest);
    nothing_is_held();
    return 0;
}

static unsigned int pirqs(void)
{
    unsigned int n = 0;

    for (unsigned int i = 0; i < NR_PIRQS; i++)
        n += guest.pirqs->pirq[i] != NULL;
    return n;
}

static void unmap(int pirq)
{
    struct physdev_unmap_pirq unmap = { .domid = DOMID_SELF, .pirq = pirq };

    assert_int_equal(op(PHYSDEVOP_unmap_pirq, &unmap), 0);
}

/* --- the I/O APIC's inputs ----------------------------------------------------------------------
 */

static long map_gsi(int index, int pirq)
{
    struct physdev_map_pirq map = {
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = index, .pirq = pirq
    };
    long error = op(PHYSDEVOP_map_pirq, &map);

    if (!error)
        assert_int_equal(map.pirq, index);
    return error;
}

static void a_gsi_has_its_own_number(void **state)
{
    assert_int_equal(map_gsi(-1, -1), -EINVAL);
    assert_int_equal(map_gsi(GSI_PIRQS, -1), -EINVAL);
    assert_int_equal(map_gsi(GSI_PIRQS, GSI_PIRQS), -EINVAL);
    assert_int_equal(map_gsi(9, 8), -EINVAL);
    assert_int_equal(map_gsi(9, 0), -EINVAL);
    assert_int_equal(map_gsi(CONSOLE, -1), -EBUSY);
    assert_int_equal(pirqs(), 0);
    acpi.isa[CONSOLE].gsi = 30; /* the firmware may have it elsewhere */
    assert_int_equal(map_gsi(30, -1), -EBUSY);
    assert_int_equal(map_gsi(CONSOLE, -1), 0);
    assert_int_equal(map_gsi(0, 0), 0);
    assert_int_equal(map_gsi(9, -5), 0);
    assert_int_equal(map_gsi(GSI_PIRQS - 1, GSI_PIRQS - 1), 0);
    assert_int_equal(vectors_used, 4);
    assert_int_equal(map_gsi(9, 9), 0); /* once more: the same one */
    assert_int_equal(vectors_used, 4);
    assert_int_equal(pirqs(), 4);
    unmap(9);
    assert_int_equal(pirqs(), 3);
    assert_int_equal(vectors_freed, 1);
}

static void a_gsi_that_cannot_be_connected(void **state)
{
    allocations_left = 0;
    assert_int_equal(map_gsi(9, -1), -ENOMEM);
    allocations_left = 10;
    vectors_left = 0;
    assert_int_equal(map_gsi(9, -1), -ENOSPC);
    vectors_left = 10;
    route_error = -ENXIO;
    assert_int_equal(map_gsi(9, -1), -ENXIO);
    assert_int_equal(vectors_freed, 1);
    assert_int_equal(pirqs(), 0);
    route_error = 0;
    assert_int_equal(map_gsi(9, -1), 0);
}

static long setup_gsi(int gsi, uint8_t triggering, uint8_t polarity)
{
    struct physdev_setup_gsi setup = { .gsi = gsi, .triggering = triggering, .polarity = polarity };

    return op(PHYSDEVOP_setup_gsi, &setup);
}

static uint32_t status(uint32_t pirq)
{
    struct physdev_irq_status_query query = { .irq = pirq, .flags = 77 };

    assert_int_equal(op(PHYSDEVOP_irq_status_query, &query), 0);
    return query.flags;
}

static void how_a_gsi_is_set_up(void **state)
{
    static const struct {
        int gsi;
        uint8_t triggering, polarity;
    } rows[] = {
        { 0, 0, 0 },
        { 17, 0, 1 },
        { 18, 1, 0 },
        { GSI_PIRQS - 1, 1, 1 },
    };

    assert_int_equal(setup_gsi(-1, 0, 0), -EINVAL);
    assert_int_equal(setup_gsi(GSI_PIRQS, 0, 0), -EINVAL);
    for (unsigned int i = 0; i < 4; i++) {
        assert_int_equal(setup_gsi(rows[i].gsi, 1, 1), 0);
        assert_int_equal(setup_gsi(rows[i].gsi, rows[i].triggering, rows[i].polarity), 0);
        assert_int_equal(status((uint32_t)rows[i].gsi), 0); /* nothing is mapped there */
        assert_int_equal(map_gsi(rows[i].gsi, -1), 0);
        assert_int_equal(routed_level, rows[i].triggering);
        assert_int_equal(routed_low, rows[i].polarity);
        assert_int_equal(status((uint32_t)rows[i].gsi),
                         rows[i].triggering ? XENIRQSTAT_needs_eoi : 0);
        assert_int_equal(setup_gsi(rows[i].gsi, 1, 1), -EEXIST);
    }
    assert_int_equal(map_gsi(16, -1), 0); /* nobody said anything: a level, active low */
    assert_true(routed_level && routed_low);
    assert_int_equal(map_gsi(15, -1), 0);
    assert_false(routed_level || routed_low);
}

/* --- messages -----------------------------------------------------------------------------------
 */

static struct physdev_map_pirq a_message(unsigned int bdf)
{
    return (struct physdev_map_pirq){ .domid = DOMID_SELF,
                                      .type = MAP_PIRQ_TYPE_MSI,
                                      .index = -1,
                                      .pirq = -1,
                                      .bus = (int)(bdf >> 8),
                                      .devfn = (int)(bdf & 0xff) };
}

static long map_message(unsigned int bdf, int pirq)
{
    struct physdev_map_pirq map = a_message(bdf);
    long error;

    map.pirq = pirq;
    error = op(PHYSDEVOP_map_pirq, &map);
    return error ? error : map.pirq;
}

static void which_message_of_which_device(void **state)
{
    static const struct {
        int bus, devfn, entry;
        uint64_t table;
        long error;
    } rows[] = {
        { -1, 0x10, 0, 0, -EINVAL },
        { 0x100, 0x10, 0, 0, -EINVAL },
        { 0x10003, 0x10, 0, 0, -EINVAL },
        { 3, -1, 0, 0, -EINVAL },
        { 3, 0x100, 0, 0, -EINVAL },
        { 3, 0x10, -1, 0, -EINVAL },
        { 3, 0x10, 2, 0, -EINVAL },
        { 3, 0x10, -1, 0x1000, -EINVAL },
        { 3, 0x10, 0x800, 0x1000, -EINVAL },
        { 3, 0x10, 0, 0, 0 },
        { 3, 0x10, 1, 0, 0 },
        { 0, 0, 0, 0, 0 },
        { 0xff, 0xff, 0, 0, 0 },
        { 3, 0x10, 0, 1, 0 },
        { 3, 0x10, 2, 0x1000, 0 },
        { 3, 0x10, 0x7ff, ~0ull, 0 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        struct physdev_map_pirq map = a_message(0);

        map.bus = rows[i].bus;
        map.devfn = rows[i].devfn;
        map.entry_nr = rows[i].entry;
        map.table_base = rows[i].table;
        assert_int_equal(op(PHYSDEVOP_map_pirq, &map), rows[i].error);
        if (rows[i].error) {
            assert_int_equal(pirqs(), 0);
            continue;
        }
        assert_int_equal(map.pirq, GSI_PIRQS);
        assert_int_equal(asked.bdf, rows[i].bus << 8 | rows[i].devfn);
        assert_int_equal(asked.msix, rows[i].table != 0);
        assert_int_equal(asked.entry, rows[i].entry);
        assert_memory_equal(&guest.pirqs->pirq[GSI_PIRQS]->msi, &asked, sizeof(asked));
        unmap(GSI_PIRQS);
    }
    setup_error = -ENODEV;
    assert_int_equal(map_message(DEVICE, -1), -ENODEV);
    assert_int_equal(pirqs(), 0);
}

/* The kinds of interrupts that are named by a device; several messages at once are none, but for
 * one. */
static void kinds_of_sources(void **state)
{
    static const struct {
        int type, entries;
        domid_t domain;
        long error;
    } rows[] = {
        { MAP_PIRQ_TYPE_MSI, 0, 7, 0 },
        { MAP_PIRQ_TYPE_MSI, 0, DOMID_SELF, 0 },
        { MAP_PIRQ_TYPE_MSI, 0, 8, -EOPNOTSUPP },
        { MAP_PIRQ_TYPE_MSI_SEG, 0, 7, 0 },
        { MAP_PIRQ_TYPE_MULTI_MSI, 1, 7, 0 },
        { MAP_PIRQ_TYPE_MULTI_MSI, 0, 7, -EOPNOTSUPP },
        { MAP_PIRQ_TYPE_MULTI_MSI, 2, 7, -EOPNOTSUPP },
        { MAP_PIRQ_TYPE_UNKNOWN, 0, 7, -EINVAL },
        { MAP_PIRQ_TYPE_MULTI_MSI + 1, 0, 7, -EINVAL },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        struct physdev_map_pirq map = a_message(DEVICE);

        map.type = rows[i].type;
        map.entry_nr = rows[i].entries;
        map.domid = rows[i].domain;
        assert_int_equal(op(PHYSDEVOP_map_pirq, &map), rows[i].error);
        assert_int_equal(pirqs(), !rows[i].error);
        if (!rows[i].error)
            unmap(map.pirq);
    }
}

static long map_entry(unsigned int bdf, int entry)
{
    struct physdev_map_pirq map = a_message(bdf);
    long error;

    map.entry_nr = entry;
    map.table_base = 0x1000;
    error = op(PHYSDEVOP_map_pirq, &map);
    return error ? error : map.pirq;
}

/* A device has one message, or each entry of its table once; a number that has no source yet is
 * nobody's. */
static void a_message_is_mapped_once(void **state)
{
    struct physdev_get_free_pirq fresh = { 0 };

    assert_int_equal(op(PHYSDEVOP_get_free_pirq, &fresh), 0);
    assert_int_equal(fresh.pirq, GSI_PIRQS);
    assert_int_equal(map_gsi(0, -1), 0);
    assert_int_equal(map_message(0, -1),
                     GSI_PIRQS + 1); /* the reserved one, and a GSI, are no message of device 0 */
    assert_int_equal(map_message(0, -1), -EEXIST);
    assert_int_equal(map_message(DEVICE, -1), GSI_PIRQS + 2);
    assert_int_equal(map_message(DEVICE, -1), -EEXIST);
    assert_int_equal(map_message(DEVICE, 200), -EEXIST);
    assert_int_equal(map_entry(LAST, 0), GSI_PIRQS + 3);
    assert_int_equal(map_entry(LAST, 1), GSI_PIRQS + 4);
    assert_int_equal(map_entry(LAST, 1), -EEXIST);
    assert_int_equal(map_entry(LAST, 0), -EEXIST);
    unmap(GSI_PIRQS + 3);
    assert_int_equal(map_message(LAST, -1), -EEXIST); /* nor both kinds of them */
    assert_int_equal(map_entry(LAST, 0), GSI_PIRQS + 3);
    assert_int_equal(map_entry(LAST - 1, 1), GSI_PIRQS + 5);
    assert_int_equal(map_message(LAST - 2, NR_PIRQS - 1), NR_PIRQS - 1);
    assert_int_equal(map_message(LAST - 2, 100), -EEXIST); /* the last number is looked at, too */
}

static void which_number_a_message_gets(void **state)
{
    struct physdev_get_free_pirq fresh = { 0 };
    struct physdev_map_pirq map = a_message(LAST);

    assert_int_equal(map_message(DEVICE, GSI_PIRQS - 1), -EINVAL);
    assert_int_equal(map_message(DEVICE, 0), -EINVAL);
    assert_int_equal(map_message(DEVICE, NR_PIRQS), -EINVAL);
    assert_int_equal(map_message(DEVICE, GSI_PIRQS), GSI_PIRQS);
    assert_int_equal(map_message(LAST, GSI_PIRQS), -EEXIST);
    assert_int_equal(map_message(LAST, NR_PIRQS - 1), NR_PIRQS - 1);
    unmap(NR_PIRQS - 1);
    for (unsigned int i = GSI_PIRQS + 1; i < NR_PIRQS; i++) {
        assert_int_equal(op(PHYSDEVOP_get_free_pirq, &fresh), 0);
        assert_int_equal(fresh.pirq, i);
    }
    assert_int_equal(op(PHYSDEVOP_get_free_pirq, &fresh), -ENOSPC);
    assert_int_equal(op(PHYSDEVOP_map_pirq, &map), -ENOSPC);
    assert_int_equal(map_message(LAST, 100), 100); /* a reserved number gets its source */
    assert_null(guest.pirqs->pirq[GSI_PIRQS - 1]);
    unmap(150);
    assert_int_equal(map_entry(LAST - 1, 5), 150);
}

static void a_message_that_cannot_be_connected(void **state)
{
    struct physdev_get_free_pirq fresh = { 0 };

    allocations_left = 0;
    assert_int_equal(map_message(DEVICE, -1), -ENOMEM);
    assert_int_equal(op(PHYSDEVOP_get_free_pirq, &fresh), -ENOMEM);
    allocations_left = 2;
    vectors_left = 0;
    assert_int_equal(map_message(DEVICE, -1), -ENOSPC);
    assert_int_equal(pirqs(), 0);
    assert_int_equal(op(PHYSDEVOP_get_free_pirq, &fresh), 0);
    assert_int_equal(map_message(DEVICE, (int)fresh.pirq), -ENOSPC);
    assert_int_equal(pirqs(), 1); /* it is reserved still, */
    vectors_left = 1;
    assert_int_equal(map_message(DEVICE, (int)fresh.pirq), fresh.pirq); /* and can be used */
}

/* --- and their ends -----------------------------------------------------------------------------
 */

static void what_can_be_unmapped(void **state)
{
    static const struct {
        domid_t domain;
        int pirq;
        long error;
    } rows[] = {
        { DOMID_SELF, -1, -EINVAL },
        { DOMID_SELF, NR_PIRQS, -EINVAL },
        { DOMID_SELF, 10, -EINVAL },
        { 8, 9, -EOPNOTSUPP },
        { 7, 0, -EBUSY },
        { 7, 9, 0 },
        { DOMID_SELF, 9, -EINVAL },
    };

    assert_int_equal(map_gsi(0, -1), 0);
    assert_int_equal(map_gsi(9, -1), 0);
    assert_int_equal(pirq_bind(&guest, 0, 5), 0);
    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        struct physdev_unmap_pirq unmap = { .domid = rows[i].domain, .pirq = rows[i].pirq };

        assert_int_equal(op(PHYSDEVOP_unmap_pirq, &unmap), rows[i].error);
        assert_int_equal(pirqs(), i < 5 ? 2 : 1);
    }
    pirq_unbind(&guest, 0);
    unmap(0);
}

static void an_eoi_and_a_status(void **state)
{
    struct physdev_eoi eoi = { .irq = 20 };
    struct physdev_irq_status_query query = { .irq = NR_PIRQS - 1, .flags = 77 };

    assert_int_equal(op(PHYSDEVOP_eoi, &eoi), -EINVAL);
    assert_int_equal(map_gsi(20, -1), 0);
    assert_int_equal(pirq_bind(&guest, 20, 5), 0);
    handlers[0](arguments[0]);
    assert_true(masked[20]);
    assert_int_equal(op(PHYSDEVOP_eoi, &eoi), 0);
    assert_false(masked[20]);
    eoi.irq = NR_PIRQS;
    assert_int_equal(op(PHYSDEVOP_eoi, &eoi), -EINVAL);

    assert_int_equal(op(PHYSDEVOP_irq_status_query, &query), 0);
    assert_int_equal(query.flags, 0);
    query.irq = NR_PIRQS;
    assert_int_equal(op(PHYSDEVOP_irq_status_query, &query), -EINVAL);
    assert_int_equal(map_message(DEVICE, -1), GSI_PIRQS); /* behind the table of levels */
    guest.pirqs->gsi_low[0] = true;
    assert_int_equal(status(GSI_PIRQS), 0);
}

/* --- privilege levels and ports, vectors, devices ------------------------------------------------
 */

static void levels_and_ports(void **state)
{
    struct physdev_set_iopl iopl = { .iopl = 3 };
    struct physdev_set_iobitmap ports = { .nr_ports = 65536,
                                          .bitmap.p = (uint8_t *)0x7fffffffe000 };

    assert_int_equal(op(PHYSDEVOP_set_iopl, &iopl), 0);
    assert_int_equal(vcpu.ports.iopl, 3);
    iopl.iopl = 4;
    assert_int_equal(op(PHYSDEVOP_set_iopl, &iopl), -EINVAL);
    assert_int_equal(vcpu.ports.iopl, 3);
    iopl.iopl = 1;
    assert_int_equal(op(PHYSDEVOP_set_iopl, &iopl), 0);
    assert_int_equal(vcpu.ports.iopl, 1);

    assert_int_equal(op(PHYSDEVOP_set_iobitmap, &ports),
                     0); /* 8 KiB up to the end of the guest's lower half */
    assert_int_equal(vcpu.ports.bitmap, 0x7fffffffe000);
    assert_int_equal(vcpu.ports.bitmap_ports, 65536);
    ports.bitmap.p++;
    assert_int_equal(op(PHYSDEVOP_set_iobitmap, &ports), -EINVAL);
    ports.nr_ports -= 8;
    assert_int_equal(op(PHYSDEVOP_set_iobitmap, &ports), 0);
    assert_int_equal(vcpu.ports.bitmap, 0x7fffffffe001);
    ports.nr_ports++; /* a byte for the one port more */
    assert_int_equal(op(PHYSDEVOP_set_iobitmap, &ports), -EINVAL);
    ports = (struct physdev_set_iobitmap){ .nr_ports = 65537 };
    assert_int_equal(op(PHYSDEVOP_set_iobitmap, &ports), -EINVAL);
    assert_int_equal(vcpu.ports.bitmap_ports, 65528);
}

static void devices_that_are_there(void **state)
{
    static const unsigned int calls[] = { PHYSDEVOP_pci_device_add, PHYSDEVOP_pci_device_remove,
                                          PHYSDEVOP_prepare_msix, PHYSDEVOP_release_msix };

    for (unsigned int i = 0; i < 4; i++) {
        struct physdev_pci_device device = { .bus = 3, .devfn = 0x10 };

        assert_int_equal(op(calls[i], &device), 0);
        device.seg = 1;
        assert_int_equal(op(calls[i], &device), -ENODEV);
        device = (struct physdev_pci_device){ .bus = 3, .devfn = 0x11 };
        assert_int_equal(op(calls[i], &device), -ENODEV);
        device = (struct physdev_pci_device){ .bus = 0xff, .devfn = 0xff };
        assert_int_equal(op(calls[i], &device), 0);
    }
}

uint32_t ioapic_read(unsigned int i, uint32_t reg)
{
    return 0x1000 + i * 0x100 + reg;
}

static void registers_of_io_apics(void **state)
{
    struct physdev_apic apic = { .apic_physbase = 0xfec00000, .reg = 0x12, .value = 7 };

    assert_int_equal(op(PHYSDEVOP_apic_read, &apic), -EINVAL);          /* there is none */
    acpi.ioapic_count = 2;
    acpi.ioapics[0].address = 0xfec00000;
    acpi.ioapics[1].address = 0xfec01000;
    acpi.ioapics[2].address = 0xfec02000;
    assert_int_equal(op(PHYSDEVOP_apic_read, &apic), 0);
    assert_int_equal(apic.value, 0x1012);
    apic.apic_physbase = 0xfec01000, apic.reg = 0xabcdef01;
    assert_int_equal(op(PHYSDEVOP_apic_read, &apic), 0);
    assert_int_equal(apic.value, 0x1101);
    apic.apic_physbase = 0xfec02000;
    assert_int_equal(op(PHYSDEVOP_apic_read, &apic), -EINVAL);
    apic.apic_physbase = 0x1fec00000;
    assert_int_equal(op(PHYSDEVOP_apic_read, &apic), -EINVAL);
}

static void small_answers(void **state)
{
    struct physdev_pci_mmcfg_reserved window = { .segment = 0 };
    struct physdev_irq irq = { .irq = 9 };

    assert_int_equal(op(PHYSDEVOP_pci_mmcfg_reserved, &window), 0);
    window.segment = 1;
    assert_int_equal(op(PHYSDEVOP_pci_mmcfg_reserved, &window), -EINVAL);
    assert_int_equal(op(PHYSDEVOP_alloc_irq_vector, &irq), 0);
    assert_int_equal(irq.vector, 9);
    assert_int_equal(op(1000, &irq), -ENOSYS);
}

/* Whatever is asked, an argument that is not there is -EFAULT, and an answer that nobody gets is
 * told to the caller. */
static void arguments_that_are_not_there(void **state)
{
    static const unsigned int calls[] = {
        PHYSDEVOP_set_iopl,           PHYSDEVOP_set_iobitmap,     PHYSDEVOP_eoi,
        PHYSDEVOP_setup_gsi,          PHYSDEVOP_unmap_pirq,       PHYSDEVOP_pci_device_add,
        PHYSDEVOP_pci_mmcfg_reserved, PHYSDEVOP_irq_status_query, PHYSDEVOP_map_pirq,
        PHYSDEVOP_get_free_pirq,      PHYSDEVOP_alloc_irq_vector,
    };
    uint64_t nothing[8] = { 0 };

    unreadable = (uint64_t)nothing;
    for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++)
        assert_int_equal(op(calls[i], nothing), -EFAULT);
    assert_int_equal(pirqs(), 0);
    unreadable = 0;
    unwritable = (uint64_t)nothing;
    for (unsigned int i = 7; i < ARRAY_SIZE(calls); i++) {
        struct physdev_map_pirq map = a_message(DEVICE);

        memcpy(nothing, &map, sizeof(map));
        nothing[0] &= calls[i] == PHYSDEVOP_map_pirq ? ~0ull : 0;
        assert_int_equal(op(calls[i], nothing), -EFAULT);
    }
}

#define CASE_OF(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(a_gsi_has_its_own_number),
        CASE_OF(a_gsi_that_cannot_be_connected),
        CASE_OF(how_a_gsi_is_set_up),
        CASE_OF(which_message_of_which_device),
        CASE_OF(kinds_of_sources),
        CASE_OF(a_message_is_mapped_once),
        CASE_OF(which_number_a_message_gets),
        CASE_OF(a_message_that_cannot_be_connected),
        CASE_OF(what_can_be_unmapped),
        CASE_OF(an_eoi_and_a_status),
        CASE_OF(levels_and_ports),
        CASE_OF(devices_that_are_there),
        CASE_OF(registers_of_io_apics), CASE_OF(small_answers),
        CASE_OF(arguments_that_are_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
