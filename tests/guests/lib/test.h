/* SPDX-License-Identifier: MIT */
/*
 * What a micro-guest is made of. A guest is a folder with a main.c that defines test_main(); the
 * library boots it on the SDK, runs it, and says one line that the runner (test_guests.py) reads:
 *
 *     RESULT SUCCESS|SKIP|ERROR|FAILURE words
 *
 * SKIP: this machine or hypervisor does not offer what is tested. ERROR: the test could not be made
 * (it is broken). FAILURE: what was tested is. The fifth outcome, CRASH, a guest cannot say of
 * itself.
 *
 * On Domus, dom0 asks for an audit of all page types and references before it ends (invariants I1
 * to I4): a violation is a FAILURE of whatever guest ran. Guests run bare as dom0 on Domus and on
 * real Xen, and the attackers also as domUs.
 */
#ifndef TEST_H
#define TEST_H

#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/grant.h>
#include <pvguest/hypercalls.h>
#include <pvguest/mm.h>
#include <pvguest/sched.h>
#include <pvguest/start.h>
#include <pvguest/string.h>
#include <pvguest/time.h>
#include <pvguest/traps.h>

void test_main(void);

void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void test_error(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* Notes a failure and goes on; the first one names the outcome. */
void test_failure(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Counts a check that held, for the result line. */
void test_passed(void);

/* The condition is the property under test. */
#define CHECK(condition) \
    ((condition) ? test_passed() : test_failure(__FILE__, __LINE__, "not true: %s", #condition))
/* A value that must come out: a hypercall's result, a vector, a register. */
#define CHECK_IS(expression, wanted) \
    do { \
        long got_ = (long)(expression), wanted_ = (long)(wanted); \
        if (got_ == wanted_) \
            test_passed(); \
        else \
            test_failure(__FILE__, __LINE__, "%s is %ld (0x%lx), not %ld (0x%lx)", #expression, \
                         got_, got_, wanted_, wanted_); \
    } while (0)
/* Any negative errno will do: Xen's choice among them is not a promise. */
#define CHECK_REFUSED(expression) do { long got_ = (long)(expression); \
    if (got_ < 0) test_passed(); \
    else test_failure(__FILE__, __LINE__, "%s is %ld: not refused", #expression, got_); } while (0)
/* Something the test itself needs: without it there is nothing to judge. */
#define NEED(condition) \
    do { \
        if (!(condition)) \
            test_error("%s:%d: needs: %s", __FILE__, __LINE__, #condition); \
    } while (0)

/* Gives way until the condition holds; whether it does, within a minute. Somebody else makes it
 * hold, maybe on a CPU that its host has stopped: a number of tries says nothing. */
#define COMES(condition) \
    ({ \
        uint64_t end_ = now_ns() + 60 * NS_PER_S; \
        while (!(condition) && now_ns() < end_) \
            vcpu_yield(); \
        (condition); \
    })

/* Is this Domus (our own hypercall answers), or another implementation of the ABI? */
bool on_domus(void);

/* The exception fn(arg) raises, -1 for none; its error code and address are left here. */
int trap_in(void (*fn)(void *arg), void *arg);
extern uint64_t trap_error, trap_address;
/* A function of no arguments, for one-instruction experiments. */
#define TRAP_IN(statement) \
    ({ \
        void experiment_(void *unused_) \
        { \
            statement; \
        } \
        trap_in(experiment_, NULL); \
    })

/* The address alone, without const or volatile: for calls that take any pointer. */
#define ADDRESS(pointer) ((void *)(uintptr_t)(pointer))

/* A page of zeroes that is read-only at its only mapping: fit to become a page table. */
uint64_t *new_table(void);
/* The entry of the current page tables that maps va at a level, as a machine address (for
 * mmu_update). */
uint64_t entry_address(const void *va, unsigned int level);
/* One entry, one mmu_update call; its result. */
long write_entry(uint64_t machine_address, uint64_t value);
/* One mmuext operation with an MFN argument; its result. */
long mmuext_mfn(unsigned int command, unsigned long mfn);
/* Is this machine frame one of our own? */
bool is_ours(unsigned long mfn);
/* An MFN of this machine that does not belong to us: the hypervisor's, by all signs. INVALID_MFN
 * when none is found. */
unsigned long foreign_mfn(void);
/* Deterministic numbers, for fuzzers: the same on every machine. */
uint64_t next_random(uint64_t *state);
/* The number in `name=N` on the command line, or another where there is none. */
uint64_t number_option(const char *name, uint64_t otherwise);

#endif
