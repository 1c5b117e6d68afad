/* SPDX-License-Identifier: MIT */
/*
 * Ring 0 around a file of the hypervisor on the host: refusals are counted, guest memory is the
 * test's own but for what begins at NOT_THERE, the heap is counted and can be made to end, and
 * locks are watched: in order, not twice, given back (cflags: $(RING0_CFLAGS)).
 */
#ifndef TESTS_UNIT_RING0_HOST_H
#define TESTS_UNIT_RING0_HOST_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <asm/prctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail                                     /* the hypervisor has one, too */
#include "entry/hypercall.h"
#include "lib/printk.h"
#include "memory/access.h"
#include "memory/heap.h"
#include "cpus_host.h"
#include "fail_host.h"

#define NOT_THERE 0x666000ul
#define CONTINUED (-1000)                       /* to be made again: what the test answers then */

/* A handler as a guest calls it: six words, whatever it takes of them. */
typedef long as_called(unsigned long, unsigned long, unsigned long, unsigned long, unsigned long,
                       unsigned long);
static __attribute__((noinline, unused)) as_called *as_called_by_a_guest(void *handler)
{
    return (as_called *)handler;
}
#define AS_CALLED(handler) as_called_by_a_guest((void *)(handler))

static struct cpu cpu;

static struct {
    unsigned int continued;
    unsigned int op, count;                     /* the hypercall that is to be made again */
    uint64_t arguments[6];
} said;

#ifndef HAS_HYPERCALLS                          /* the test is of entry/hypercall.c */
long hypercall_continue_with(unsigned int op, unsigned int count, const uint64_t *arguments)
{
    said.continued++;
    said.op = op;
    said.count = count;
    memcpy(said.arguments, arguments, count * sizeof(*arguments));
    return CONTINUED;
}
int answer_guest(uint64_t va, const void *object, size_t n)
{
    return copy_to_guest(VADDR(va), object, n);
}
#endif
int log_level;
static char logged[16384];                      /* a line each */
void printk_at(int level, const char *format, ...)
{
    size_t length = strlen(logged);
    va_list args;

    va_start(args, format);
    length += (size_t)vsnprintf(logged + length, sizeof(logged) - length, format, args);
    va_end(args);
    assert_true(length + 2 < sizeof(logged));
    strcpy(logged + length, "\n");
}

/* --- guest memory --- */

static const void *read_only;                   /* a word that cannot be written */

static bool is_there(uint64_t va, size_t n)
{
    return va + n <= NOT_THERE || va >= NOT_THERE + 4096;
}
int copy_from_guest(void *to, vaddr_t from, size_t n)
{
    if (!is_there(from.a, n)) return -EFAULT;
    memcpy(to, (void *)from.a, n);
    return 0;
}
int copy_to_guest(vaddr_t to, const void *from, size_t n)
{
    if (!is_there(to.a, n) || (to.a < (uint64_t)read_only + 8 && to.a + n > (uint64_t)read_only))
        return -EFAULT;
    memcpy((void *)to.a, from, n);
    return 0;
}
int read_guest_u64(uint64_t *to, uint64_t va)
{
    return copy_from_guest(to, VADDR(va), 8);
}
int write_guest_u64(uint64_t va, uint64_t value)
{
    return copy_to_guest(VADDR(va), &value, 8);
}
int write_guest_u32(uint64_t va, uint32_t value)
{
    return copy_to_guest(VADDR(va), &value, 4);
}

/* --- the heap --- */

static size_t held;                             /* bytes */
static unsigned int allocations_left = ~0u;     /* until there is no more memory */
static unsigned int failing_allocation;         /* the how-manieth next one fails, alone */

static bool no_memory_left(void)
{
    if (failing_allocation && --failing_allocation == 0) return true;
    return allocations_left == 0 || allocations_left-- == 0;
}
void *hv_alloc_pages(unsigned int order)
{
    if (no_memory_left()) return NULL;
    held += 4096ul << order;
    return memset(aligned_alloc(4096, 4096ul << order), 0, 4096ul << order);
}
void hv_free_pages(void *p, unsigned int order)
{
    held -= p ? 4096ul << order : 0;
    free(p);
}
void *hv_alloc(size_t size)
{
    if (no_memory_left()) return NULL;
    held += size;
    return calloc(1, size);
}
void hv_free(void *p, size_t size)
{
    held -= p ? size : 0;
    free(p);
}

/* --- locks --- */

static const spinlock_t *locks[8];
static unsigned int locks_count;

void lock_wanted(const spinlock_t *l)
{
    const spinlock_t *last = locks_count ? locks[locks_count - 1] : NULL;

    assert_true(l->rank != LOCK_NONE);
    assert_true(!last || last->rank < l->rank || (last->rank == l->rank && last < l));
}
void lock_taken(const spinlock_t *l)
{
    assert_true(locks_count < ARRAY_SIZE(locks));
    locks[locks_count++] = l;
}
void lock_dropped(const spinlock_t *l)
{
    unsigned int i = locks_count;

    while (i && locks[i - 1] != l)
        i--;
    assert_true(i > 0);
    memmove(&locks[i - 1], &locks[i], (locks_count - i) * sizeof(*locks));
    locks_count--;
}
void lock_needed(const spinlock_t *l)
{
    for (unsigned int i = 0; i < locks_count; i++)
        if (locks[i] == l) return;
    assert_true(!"the lock is not held");
}
void race_point(void)
{
}

static inline void ring0_begin(struct vcpu *running)
{
    memset(&said, 0, sizeof(said));
    *logged = '\0';
    memset(&cpu, 0, sizeof(cpu));
    allocations_left = ~0u;
    failing_allocation = 0;
    locks_count = 0;
    read_only = NULL;
    cpu.self = &cpu;
    cpu.running = running;
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
    cpus_begin(&cpu);
    budget_refill();
}

static inline void ring0_end(void)
{
    assert_int_equal(locks_count, 0);
    assert_int_equal(held, 0);
}

#endif
