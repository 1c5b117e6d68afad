/* SPDX-License-Identifier: MIT */
/*
 * Which ports a domain reaches: those around each range that is ours, byte for byte and in each
 * size, and the pair of configuration space, whose address is the domain's own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#undef fail                                     /* the hypervisor has one, too */
#include "machine/pci.h"
#include "emulate/privileged.h"

static struct vcpu vcpu;
static struct domain domain;
static struct { uint16_t port, bdf, offset; unsigned int size; uint32_t value; } seen;
static unsigned int reads, writes, pci_reads, pci_writes;

uint32_t host_in(uint16_t port, unsigned int size)
{
    seen.port = port;
    seen.size = size;
    reads++;
    return 0x87654321;
}

void host_out(uint16_t port, unsigned int size, uint32_t value)
{
    seen.port = port;
    seen.size = size;
    seen.value = value;
    writes++;
}

uint32_t pci_config_read(uint16_t bdf, unsigned int offset, unsigned int size)
{
    seen.bdf = bdf;
    seen.offset = offset;
    seen.size = size;
    pci_reads++;
    return 0x12345678;
}

void pci_config_write(uint16_t bdf, unsigned int offset, unsigned int size, uint32_t value)
{
    seen.bdf = bdf;
    seen.offset = offset;
    seen.size = size;
    seen.value = value;
    pci_writes++;
}

static int set_up(void **state)
{
    domain = (struct domain){ .privileged = true };
    vcpu = (struct vcpu){ .domain = &domain };
    memset(&seen, 0, sizeof(seen));
    reads = writes = pci_reads = pci_writes = 0;
    return 0;
}

static bool is_ours(unsigned int port)
{
    return (port >= 0x20 && port <= 0x21) || (port >= 0xa0 && port <= 0xa1) ||
           (port >= 0x4d0 && port <= 0x4d1) || (port >= 0x40 && port <= 0x43) ||
           (port >= 0x3f8 && port <= 0x3ff) || (port >= 0xcf8 && port <= 0xcff);
}

static void every_port(void **state)
{
    for (unsigned int port = 0; port <= 0xffff; port++) {
        bool ours = false, end = false;

        for (unsigned int size = 1; size <= 4; size++) {
            ours |= is_ours(port + size - 1);
            end |= port + size - 1 > 0xffff;
            if (size == 3)
                continue;
            domain.privileged = true;
            assert_int_equal(port_access_allowed(&vcpu, (uint16_t)port, size), !ours && !end);
            domain.privileged = false;
            assert_false(port_access_allowed(&vcpu, (uint16_t)port, size));
        }
    }
}

static const struct { unsigned int size; uint32_t ones; } sizes[] = {
    { 1, 0xff }, { 2, 0xffff }, { 4, 0xffffffff },
};

static void what_is_reached(void **state)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
        assert_int_equal(port_in(&vcpu, 0x64, sizes[i].size), 0x87654321 & sizes[i].ones);
        assert_int_equal(seen.port, 0x64);
        assert_int_equal(seen.size, sizes[i].size);
        port_out(&vcpu, 0x3f4, sizes[i].size, 0xabcdef12);
        assert_int_equal(seen.port, 0x3f4);
        assert_int_equal(seen.size, sizes[i].size);
        assert_int_equal(seen.value & sizes[i].ones, 0xabcdef12 & sizes[i].ones);
    }
    assert_int_equal(reads, 3);
    assert_int_equal(writes, 3);
}

static void what_is_not_reached(void **state)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
        domain.privileged = true;
        assert_int_equal(port_in(&vcpu, 0x40, sizes[i].size), sizes[i].ones);
        port_out(&vcpu, 0x40, sizes[i].size, 0);
        domain.privileged = false;
        assert_int_equal(port_in(&vcpu, 0x64, sizes[i].size), sizes[i].ones);
        port_out(&vcpu, 0x64, sizes[i].size, 0);
    }
    domain.privileged = true;
    assert_int_equal(port_in(&vcpu, 0xcf8, 2), 0xffff);     /* the address is all of it */
    port_out(&vcpu, 0xcf8, 2, 0x1234);
    port_out(&vcpu, 0xcf9, 1, 6);
    port_out(&vcpu, 0xcf9, 4, 6);
    assert_int_equal(port_in(&vcpu, 0xcf9, 4), 0xffffffff);
    assert_int_equal(domain.pci_address, 0);
    assert_int_equal(reads + writes + pci_reads + pci_writes, 0);
}

/* Every domain has an address register; what it selects is dom0's. */
static void the_address_is_kept(void **state)
{
    port_out(&vcpu, 0xcf8, 4, 0xdeadbeef);
    assert_int_equal(domain.pci_address, 0xdeadbeef);
    assert_int_equal(port_in(&vcpu, 0xcf8, 4), 0xdeadbeef);
    assert_int_equal(reads + writes, 0);
}

static void configuration_space(void **state)
{
    port_out(&vcpu, 0xcf8, 4, 0x80123553);
    for (uint16_t at = 0; at < 4; at++) {
        for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
            bool within = at + sizes[i].size <= 4;

            pci_reads = pci_writes = 0;
            memset(&seen, 0, sizeof(seen));
            assert_int_equal(port_in(&vcpu, (uint16_t)(0xcfc + at), sizes[i].size),
                             within ? 0x12345678 : sizes[i].ones);
            assert_int_equal(seen.bdf, within ? 0x1235 : 0);
            assert_int_equal(seen.offset, within ? 0x50 + at : 0);
            assert_int_equal(seen.size, within ? sizes[i].size : 0);
            memset(&seen, 0, sizeof(seen));
            port_out(&vcpu, (uint16_t)(0xcfc + at), sizes[i].size, 0x99);
            assert_int_equal(seen.bdf, within ? 0x1235 : 0);
            assert_int_equal(seen.offset, within ? 0x50 + at : 0);
            assert_int_equal(seen.size, within ? sizes[i].size : 0);
            assert_int_equal(seen.value, within ? 0x99 : 0);
            assert_int_equal(pci_reads, within);
            assert_int_equal(pci_writes, within);
        }
    }
    assert_int_equal(reads + writes, 0);
    (void)port_in(&vcpu, 0xd00, 4);
    port_out(&vcpu, 0xd00, 1, 0);
    assert_int_equal(reads + writes, 2);
}

static void no_configuration_space(void **state)
{
    domain.pci_address = 0x00123456;                        /* none is selected */
    assert_int_equal(port_in(&vcpu, 0xcfc, 4), 0xffffffff);
    port_out(&vcpu, 0xcfc, 4, 0);
    domain.pci_address = 0x80123456;
    domain.privileged = false;
    assert_int_equal(port_in(&vcpu, 0xcfc, 4), 0xffffffff);
    port_out(&vcpu, 0xcfc, 4, 0);
    assert_int_equal(reads + writes + pci_reads + pci_writes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_port, set_up),
        cmocka_unit_test_setup(what_is_reached, set_up),
        cmocka_unit_test_setup(what_is_not_reached, set_up),
        cmocka_unit_test_setup(the_address_is_kept, set_up),
        cmocka_unit_test_setup(configuration_space, set_up),
        cmocka_unit_test_setup(no_configuration_space, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
