/* SPDX-License-Identifier: MIT */
/* Whatever the bytes are that a guest executes: what is made of them is a row of whole instructions
 * with a site each, none of them one that user mode must not execute, and no branch goes anywhere
 * but to a site. Nothing of it is run. TRANSLATE_SEED and TRANSLATE_CASES choose others, and more.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "pvguest-sdk/monitor/translator.h"
#include "tests/unit/random.h"

static struct translator translator;
/* Often the beginning of something that is not harmless. */
static uint8_t random_byte(void)
{
    static const uint8_t some[] = {
        0x0f, 0x66, 0x67, 0xf0, 0xf3, 0x48, 0x4c, 0x42, 0x64, 0xff, 0x9c, 0x9d, 0xfa, 0xfb, 0xe8,
        0xe9, 0x75, 0xc3, 0x05, 0x0d, 0x15, 0x25, 0x8b, 0x89, 0x8e, 0x01, 0x00, 0x20, 0x22, 0xc7,
    };
    uint64_t word = random_word();
    return word & 1 ? some[(word >> 8) % sizeof some] : (uint8_t)(word >> 16);
}

static bool is_kept_out(const struct instruction *i)
{
    unsigned int opcode = i->opcode, member = i->reg & 7;
    if (i->map == 1)
        return opcode < 0x0d || (opcode >= 0x20 && opcode < 0x38) || opcode == 0xa2 ||
               opcode == 0xa0 || opcode == 0xa1 || opcode == 0xa8 || opcode == 0xa9 ||
               opcode == 0xb2 || opcode == 0xb4 || opcode == 0xb5 ||
               (opcode == 0xae && (i->rep || i->repne)) || (opcode == 0xc7 && member != 1);
    if (opcode == 0xff) return member == 2 || member == 3 || member == 5;
    if (opcode == 0xc6 || opcode == 0xc7 || opcode == 0x8f) return member;
    return (opcode & 0xfc) == 0x6c || opcode == 0x8c || opcode == 0x8e || opcode == 0xc2 ||
           opcode == 0xc3 || (opcode >= 0xca && opcode <= 0xcf) || (opcode & 0xf8) == 0xe0 ||
           opcode == 0xe8 || (opcode & 0xfc) == 0xec || opcode == 0xf4 || opcode == 0xfa ||
           opcode == 0xfb || opcode == 0xf1;
}

static bool is_branch(const struct instruction *i)
{
    if (i->map == 1) return (i->opcode & 0xf0) == 0x80;
    return (i->opcode & 0xf0) == 0x70 || i->opcode == 0xe9 || i->opcode == 0xeb;
}

/* The one site whose instruction is checked by nobody else: JRCXZ of the table's. */
static bool is_lookup(const struct site *site)
{
    return site < translator.sites + 24 && translator.cache[site->at] == 0xe3;
}

static void check_site(const struct site *site, uint32_t next)
{
    const uint8_t *bytes = translator.cache + site->at;
    struct instruction insn;
    if (site->kind != SITE_RUN) {
        assert_true(*bytes == 0xcc && next == site->at + 1);
        return;
    }
    assert_int_equal(decode(&insn, bytes, 15, CODE_64), DECODED);
    assert_int_equal(insn.length, next - site->at);
    if (is_lookup(site)) return;
    if (is_kept_out(&insn))
        fail_msg("%02x %02x %02x in the cache", bytes[0], bytes[1], bytes[2]);
    if (is_branch(&insn))
        assert_non_null(translation_site(&translator, next + insn.immediate));
    else if (insn.memory && insn.base == BASE_RIP) {
        uint64_t place = next + (uint64_t)insn.displacement;
        assert_true(place < CACHE_CODE || place == CACHE_TABLE);
    }
}

static void any_bytes(void **state)
{
    const char *seed = getenv("TRANSLATE_SEED"), *cases = getenv("TRANSLATE_CASES");
    uint64_t left = cases ? strtoull(cases, NULL, 0) : 60000;
    random_state = seed ? strtoull(seed, NULL, 0) : 20061021;
    translator.cache = calloc(1, CACHE_SIZE);
    translator.sites = calloc(SITES, sizeof *translator.sites);
    translator.blocks = calloc(BLOCKS, sizeof *translator.blocks);
    translation_reset(&translator);
    for (uint64_t source = 0xffffffff80000000; left; left--) {
        uint8_t bytes[64];
        unsigned int used, count = (unsigned int)(random_word() % sizeof bytes) + 1;
        for (unsigned int i = 0; i < count; i++)
            bytes[i] = random_byte();
        unsigned int first = translator.site_count, within = (unsigned)random_word() % count + 1;
        source += random_word() % 40;                   /* so that some go to others */
        if (!translation_make(&translator, source, bytes, count, within, &used)) {
            translation_reset(&translator);
            continue;
        }
        assert_true(used <= count);
        for (unsigned int i = first; i < translator.site_count; i++)
            check_site(&translator.sites[i], i + 1 < translator.site_count
                                                 ? translator.sites[i + 1].at : translator.end);
    }
    /* and what all of them end with */
    translation_reset(&translator);
    for (unsigned int i = 0; i + 1 < translator.site_count; i++)
        check_site(&translator.sites[i], translator.sites[i + 1].at);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(any_bytes) };
    return cmocka_run_group_tests_name("translator_bytes", tests, NULL, NULL);
}
