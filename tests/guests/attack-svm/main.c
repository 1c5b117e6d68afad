/* SPDX-License-Identifier: MIT */
/*
 * An attacker has processors run whose state and code are chance: any bits in any word of it, any
 * frame as its nested tables, its own memory full of random instructions. Each is refused, invalid,
 * or runs and hurts what the attacker owns; the attacker's own page tables stay as they are. Where
 * there is no such hardware it is all refused. With the word `spin` one runs for ever. Idea:
 * XSA-156, and whoever writes states at random until one was not thought of.
 */
#include "../lib/virtual.h"

#define LONGEST (2 * NS_PER_S)
enum { MOST = 1500, RUNS = 3 };

static uint64_t seed;

static uint64_t chance(uint64_t below)
{
    return (next_random(&seed) >> 16) % below;
}

static uint64_t any_word(void)
{
    static const uint64_t likely[] = {
        0, ~0ul, 1, 0x80000000, 0x80000001, 0x8000000000000000, 0x7fffffffffff, 0x800000000000,
        0xffff830000000000, 0xffff828000200000, 0xffff800000000000, 0xfee00000, 0x80000b0e,
        0x80000030, 0x8000000200000030,
    };

    switch (chance(4)) {
    case 0: return 1ul << chance(64);
    case 1: return likely[chance(sizeof(likely) / sizeof(likely[0]))];
    case 2: return chance(VM_PAGES * PAGE_SIZE);
    default: return next_random(&seed);
    }
}

/* Real instructions behind one another more often than bytes that are none. */
static void any_code(uint8_t *at, size_t size)
{
    static const char *const pieces[] = {
        "\x0f\x22\xd8", "\x0f\x20\xd8", "\x0f\x01\x38", "\xcd\x30", "\xcc", "\xcf", "\x48\xcf",
        "\x0f\x05", "\x48\x0f\x07", "\x0f\x01\xf8", "\x9c", "\x9d", "\xfb", "\xfa", "\xf4",
        "\x0f\x01\xd9", "\x0f\x01\xdd", "\x0f\x01\xdc", "\x0f\x01\xd8", "\x0f\x01\x10",
        "\x0f\x01\x18", "\x0f\x00\xd8", "\x0f\x00\xd0", "\xeb\xfe", "\xf3\xab", "\x0f\xae\xe0",
        "\x8e\xd0", "\x48\x89\x04\x24", "\x50", "\x58", "\xff\x30", "\x0f\x0b", "\xf1",
    };

    for (size_t i = 0; i + 4 < size;) {
        const char *piece = pieces[chance(sizeof(pieces) / sizeof(pieces[0]))];
        size_t length = strlen(piece);

        if (chance(3) == 0) {
            at[i++] = (uint8_t)chance(256);
            continue;
        }
        memcpy(at + i, piece, length);
        i += length;
    }
}

static void any_state(void)
{
    uint64_t *words = (uint64_t *)&run;
    uint8_t *code = vm_at(CODE);
    static void (*const begin[])(const void *, size_t) = { vm_real, vm_protected, vm_long };
    uint8_t bytes[256];

    any_code(bytes, sizeof(bytes));
    begin[chance(3)](bytes, sizeof(bytes));
    run.rflags |= chance(2) << 9 | chance(8) / 7 << 8;
    run.wishes = (uint32_t)chance(2);
    code[chance(PAGE_SIZE)] = (uint8_t)chance(256);
    for (uint64_t i = chance(4); i > 0; i--) {
        uint64_t at = chance(sizeof(run) / sizeof(uint64_t));
        words[at] = chance(2) ? any_word() : words[at] ^ any_word();
    }
}

/* For ever, with events masked: it is for others to end. */
static void spin(void)
{
    events_mask_all();
    vm_long(SAME("\xeb\xfe"));
    printk("attack-svm: spins\n");
    for (;;)
        NEED(vm_run_once() == 0);
}

void test_main(void)
{
    char word[2];
    uint64_t before[VM_PAGES], start, results[3] = { 0, 0, 0 };

    vm_create();
    if (command_option("spin", word, sizeof(word)))
        spin();
    memcpy(before, vm.l1, sizeof(before));
    seed = number_option("seed", 1234567);
    start = now_ns();
    for (int i = 0; i < MOST && now_ns() - start < LONGEST; i++) {
        any_state();
        for (int n = 0; n < RUNS; n++) {
            (void)HYPERVISOR_set_timer_op((long)(now_ns() + NS_PER_MS));
            long result = vm_run_once();
            if (result != 0 && result != -EINVAL && result != -EOPNOTSUPP && result != -ENOSYS)
                test_failure(__FILE__, __LINE__, "the answer is %ld", result);
            results[result ? 0 : run.exit == DOMUS_EXIT_INVALID ? 1 : 2]++;
            if (result)
                break;
        }
    }
    printk("attack-svm: %lu refused, %lu invalid, %lu ran\n", results[0], results[1], results[2]);
    for (int i = 0; i < VM_PAGES; i++)
        CHECK_IS(vm.l1[i] & ~0x60ul, before[i] & ~0x60ul);      /* but for accessed and dirty */
    CHECK(HYPERVISOR_xen_version(XENVER_version, NULL) > 0);
}
