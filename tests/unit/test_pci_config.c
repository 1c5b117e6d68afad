/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space by its two ports: for every function, register and size the address that
 * is written first, and the datum that is moved then; the lock is given back.
 */
#include "ring0_host.h"
#include "machine/pci.h"

static struct { uint16_t port; unsigned int size; uint32_t value; bool out; } moved[2];
static unsigned int moves;

static void move(uint16_t port, unsigned int size, uint32_t value, bool out)
{
    assert_int_equal(locks_count, 1);
    assert_true(moves < 2);
    moved[moves].port = port;
    moved[moves].size = size;
    moved[moves].value = value;
    moved[moves++].out = out;
}
void host_out(uint16_t port, unsigned int size, uint32_t value)
{
    move(port, size, value, true);
}
uint32_t host_in(uint16_t port, unsigned int size)
{
    move(port, size, 0, false);
    return size == 1 ? 0x81 : size == 2 ? 0x8182 : 0x81828384;
}

static void each_register(void **state)
{
    static const uint16_t functions[] = { 0, 1, 8, 0x80, 0x100, 0x8000, 0xffff };
    static const uint32_t masks[] = { 0, 0xff, 0xffff, 0, 0xffffffff };

    ring0_begin(NULL);
    for (unsigned int i = 0; i < ARRAY_SIZE(functions); i++)
        for (unsigned int offset = 0; offset < 0x200; offset++)
            for (unsigned int size = 1; size < 5; size += size)
                for (unsigned int out = 0; out < 2; out++) {
                    moves = 0;
                    if (out)
                        pci_config_write(functions[i], (uint16_t)offset, size, 0x91929394);
                    else
                        assert_int_equal(pci_config_read(functions[i], (uint16_t)offset, size),
                                         0x81828384u >> (size == 4 ? 0 : size == 2 ? 16 : 24));
                    assert_int_equal(moves, 2);
                    assert_true(moved[0].port == 0xcf8 && moved[0].size == 4 && moved[0].out);
                    assert_int_equal(moved[0].value, 0x80000000u | (uint32_t)functions[i] << 8 |
                                                         (offset & 0xfc));
                    assert_int_equal(moved[1].port, 0xcfc + (offset & 3));
                    assert_true(moved[1].size == size && moved[1].out == out);
                    assert_int_equal(moved[1].value, out ? 0x91929394 & masks[size] : 0);
                    assert_int_equal(locks_count, 0);
                }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_register) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
