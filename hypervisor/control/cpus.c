/* SPDX-License-Identifier: MIT */
/*
 * The CPUs as the control domain sees them: maps of them, and where they sit.
 *
 * An APIC id has three parts, from above: socket, core, thread (Intel SDM vol. 3, "Hierarchical
 * Mapping of Logical Processors"). How many bits the lower two have is told by CPUID leaf 0xb;
 * where there is none, by the counts of leaves 1 and 4, or of 0x80000008 (AMD APM vol. 3, "Extended
 * Feature Identification"). What lies between core and socket (dies, modules) is not told apart.
 * CPUs of different kinds in one machine are taken for what the asking one is.
 *
 * No locks: where CPUs sit does not change.
 */
#include "control/cpus.h"
#include "lib/fail.h"
#include "machine/budget.h"
#include "machine/io.h"
#include "memory/access.h"

/* ---- maps ---- */

#define COST_PLACE 150              /* instructions: a CPU's place found */
#define MAP_MOST 4096               /* Xen's own limit: NR_CPUS is at most 4095 */

static uint32_t bytes_of(uint32_t bits)
{
    return (bits + 7) / 8;
}

int cpu_map_read(const struct xenctl_bitmap *from, cpumask_t *map)
{
    cpumask_t bytes = 0;
    uint32_t bits = MIN(from->nr_bits, MAX_CPUS);
    if (from->nr_bits > MAP_MOST) return fail(-E2BIG, "a map of more than 4096 CPUs");
    if (bits && copy_from_guest(&bytes, VADDR(from->bitmap.p), bytes_of(bits)))
        return fail(-EFAULT, "the map cannot be read");
    *map = bits < MAX_CPUS ? bytes & (cpu_bit(bits) - 1) : bytes;
    return 0;
}

int cpu_map_write(const struct xenctl_bitmap *to, cpumask_t map)
{
    uint32_t bytes = bytes_of(to->nr_bits), ours = MIN(bytes, (uint32_t)sizeof(map));
    if (!bytes || !to->bitmap.p) return 0;
    if (to->nr_bits > MAP_MOST) return fail(-E2BIG, "a map for more than 4096 CPUs");
    if (to->nr_bits < MAX_CPUS)
        map &= cpu_bit(to->nr_bits) - 1;
    spend((int)bytes);                      /* its end is cleared byte by byte */
    if (copy_to_guest(VADDR(to->bitmap.p), &map, ours) ||
        clear_guest(VADDR(to->bitmap.p + ours), bytes - ours))
        return fail(-EFAULT, "the map cannot be written");
    return 0;
}

/* ---- where they sit ---- */

struct bits { uint32_t thread, core; };     /* core: above the thread's, and with them */

/* As many as numbers below n take. */
static uint32_t bits_for(uint32_t n)
{
    return n > 1 ? 32 - (uint32_t)__builtin_clz(n - 1) : 0;
}

/* False: leaf 0xb is not there, or says nothing. */
static bool read_levels(struct bits *bits)
{
    if (cpuid(0, 0).a < 0xb || cpuid(0xb, 0).b == 0) return false;
    bits->thread = cpuid(0xb, 0).a & 0x1f;
    bits->core = cpuid(0xb, 1).b ? cpuid(0xb, 1).a & 0x1f : bits->thread;
    return true;
}

/* Logical CPUs in a socket, if several (leaf 1, EDX bit 28), and its cores. */
static struct bits count_them(void)
{
    uint32_t all = cpuid(1, 0).d >> 28 & 1 ? cpuid(1, 0).b >> 16 & 0xff : 1;
    uint32_t cores = 1;

    if (cpuid(0x80000000, 0).a >= 0x80000008)
        cores = (cpuid(0x80000008, 0).c & 0xff) + 1;
    if (cores == 1 && cpuid(0, 0).a >= 4)
        cores = (cpuid(4, 0).a >> 26) + 1;
    all = MAX(all, cores);
    return (struct bits){ .thread = bits_for(all) - bits_for(cores), .core = bits_for(all) };
}

struct cpu_place cpu_place(uint32_t apic_id)
{
    struct bits bits;

    spend(COST_PLACE);
    if (!read_levels(&bits))
        bits = count_them();
    return (struct cpu_place){ .socket = apic_id >> bits.core,
                               .core = (apic_id & ((1u << bits.core) - 1)) >> bits.thread };
}
