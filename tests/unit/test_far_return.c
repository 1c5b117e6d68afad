/* SPDX-License-Identifier: MIT */
/*
 * IRET and far RET that are finished in ring 0: which instructions, by which code segments, and
 * what becomes of every register. Rights of selectors are the host's own: 0x33 is its 64-bit code
 * segment, 0x23 its 32-bit one, 0x2b its data, 0x10 its kernel's.
 */
#include "ring0_host.h"
#include "entry/far_return.h"
#include "entry/trap.h"

#define HIGH 0xffff900000000000ul
#define NOT_CANONICAL 0x0000800000000000ul

static struct domain domain;
static struct vcpu v, was;
static uint8_t code[2];
static uint64_t frame[5];
static struct { unsigned int count, vector; int error; } injected;

void inject_trap(struct vcpu *w, unsigned int vector, int error)
{
    injected.count++;
    injected.vector = vector;
    injected.error = error;
}

/* One of the instructions, before a frame that is good. */
static void begin(uint8_t first, uint8_t second)
{
    ring0_begin(&v);
    memset(&v.regs, 0x11, sizeof(v.regs));
    memset(&injected, 0, sizeof(injected));
    v.domain = &domain;
    code[0] = first;
    code[1] = second;
    v.regs.rip = (uint64_t)code;
    v.regs.cs = 0xe033;
    v.regs.rsp = (uint64_t)frame;
    v.regs.rflags = 0x202;
    memcpy(frame, (uint64_t[]){ HIGH + 5, 0xe033, 0xffff0d5, 0x7788, 0x12028 }, sizeof(frame));
    was = v;
}

static void narrow(void)
{
    uint32_t words[5];

    frame[0] = 0x1234567;
    for (unsigned int i = 0; i < 5; i++)
        words[i] = (uint32_t)frame[i];
    memcpy(frame, words, sizeof(words));
}

static void returns(bool is_iret, uint64_t rip, uint16_t cs, unsigned int size)
{
    assert_true(far_return(&v));
    assert_int_equal(injected.count, 0);
    was.regs.rip = rip;
    was.regs.cs = cs;
    was.regs.rsp = is_iret ? 0x7788 : was.regs.rsp + 2 * size;
    if (is_iret) {
        was.regs.rflags = (was.regs.rflags & 0x200) | (0xffff0d5 & ~0x200ul);
        was.regs.ss = 0x202b;
    }
    assert_memory_equal(&v.regs, &was.regs, sizeof(v.regs));
}

static void what_is_finished(void **state)
{
    for (unsigned int i = 0; i < 8; i++) {
        bool is_iret = i & 1, wide = i & 2, enabled = i & 4;

        begin(wide ? 0x48 : is_iret ? 0xcf : 0xcb, wide ? is_iret ? 0xcf : 0xcb : 0);
        v.regs.rflags = was.regs.rflags = enabled ? 0x602 : 0x402;
        if (!wide)
            narrow();
        returns(is_iret, wide ? HIGH + 5 : 0x1234567, 0xe033, wide ? 8 : 4);
    }
    begin(0x48, 0xcf);                                  /* from another 64-bit segment */
    v.regs.cs = was.regs.cs = 0x33;
    frame[1] = 0xabcd0023;                              /* to a 32-bit one: 16 bits of it count */
    returns(true, HIGH + 5, 0x23, 8);
    begin(0x48, 0xcb);
    frame[1] = 0x33;
    returns(false, HIGH + 5, 0x33, 8);
}

static void what_is_none(void **state)
{
    static const struct { uint8_t first, second; uint16_t cs; } rows[] = {
        { 0xc3, 0xcf, 0xe033 }, { 0x48, 0x90, 0xe033 }, { 0x66, 0xcf, 0xe033 },
        { 0xce, 0, 0xe033 },    { 0xca, 0, 0xe033 },    { 0xcf, 0, 0x23 },
        { 0xcf, 0, 0x2b },      { 0xcf, 0, 0x10 },      { 0xcf, 0, 0 },
        { 0x49, 0xcf, 0xe033 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows) + 4; i++) {
        begin(0x48, 0xcf);
        if (i < ARRAY_SIZE(rows)) {
            v.regs.rsp = NOT_THERE;                     /* its code was read before */
            assert_false(far_return(&v));
            begin(rows[i].first, rows[i].second);
            v.regs.cs = rows[i].cs;
        } else if (i == ARRAY_SIZE(rows)) {
            v.regs.rip = NOT_THERE;
        } else if (i == ARRAY_SIZE(rows) + 1) {
            v.regs.rsp = NOT_THERE - 39;                /* the fifth word is not there */
        } else {
            begin(i & 1 ? 0xcf : 0xcb, 0);
            v.regs.rsp = NOT_THERE - (i & 1 ? 19 : 7);
        }
        was = v;
        assert_false(far_return(&v));
        assert_memory_equal(&v, &was, sizeof(v));
        assert_int_equal(injected.count, 0);
    }
}

/* The frame's mistakes are the guest's: #GP, with the selector. */
static void bad_frames(void **state)
{
    static const struct { uint64_t rip; uint16_t cs; int error; } rows[] = {
        { NOT_CANONICAL, 0xe033, 0xe030 }, { HIGH, 0x2b, 0x28 }, { HIGH, 0x10, 0x10 },
        { HIGH, 0x30, 0x30 }, { HIGH, 0x31, 0x30 }, { HIGH, 0x32, 0x30 }, { HIGH, 0, 0 },
        { HIGH, 0x1f3, 0x1f0 }, { HIGH, 0x7, 4 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        begin(0x48, 0xcf);
        frame[0] = rows[i].rip;
        frame[1] = rows[i].cs | 0xfff0000ul;
        assert_true(far_return(&v));
        assert_true(injected.count == 1 && injected.vector == 13);
        assert_int_equal(injected.error, rows[i].error);
        assert_memory_equal(&v, &was, sizeof(v));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_finished), cmocka_unit_test(what_is_none),
        cmocka_unit_test(bad_frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
