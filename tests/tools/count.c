/* SPDX-License-Identifier: MIT */
/*
 * A plugin for QEMU's TCG (docs/devel/tcg-plugins): counts the instructions that are executed, by
 * the address of their block.
 *
 *     qemu-system-x86_64 -plugin count.so,out=FILE ...
 *
 * SIGUSR2 to QEMU writes FILE, a line "ADDRESS INSTRUCTIONS" for each block that ran, and begins
 * again at nothing. shares.py reads it. Debian ships QEMU without its plugin header, so the few
 * functions used are declared here, as interface version 1 has them.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
enum { ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
                                           void (*translated)(plugin_id, struct qemu_plugin_tb *));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, int operation,
                                              void *counter, uint64_t add);
int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

#define PLACES (1u << 21)               /* a boot of Linux has some 70,000 blocks */

struct count { uint64_t address, instructions; };

/* a hash table, open addressing; places are never given back, translated code points at them */
static struct count *counts;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *out;

/* NULL: full. What runs there is not counted. */
static struct count *place_of(uint64_t address)
{
    uint32_t at = (uint32_t)(address * 0x9e3779b97f4a7c15ull >> 43);

    for (uint32_t i = 0; i < 64; i++) {
        struct count *place = &counts[(at + i) % PLACES];

        if (!place->address)
            place->address = address;
        if (place->address == address) return place;
    }
    return NULL;
}

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    struct count *place;

    pthread_mutex_lock(&lock);
    place = place_of(qemu_plugin_tb_vaddr(block));
    pthread_mutex_unlock(&lock);
    if (place)
        qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &place->instructions,
                                                 qemu_plugin_tb_n_insns(block));
}

static void write_counts(int signal_number)
{
    FILE *file = fopen(out, "w");

    for (uint32_t i = 0; file && i < PLACES; i++)
        if (counts[i].instructions) {
            fprintf(file, "%lx %lu\n", counts[i].address, counts[i].instructions);
            counts[i].instructions = 0;
        }
    if (file)
        fputs("end\n", file), fclose(file);
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const void *info,
                                                               int argc, char **argv)
{
    if (argc != 1 || strncmp(argv[0], "out=", 4) || !(counts = calloc(PLACES, sizeof *counts))) {
        fprintf(stderr, "count.so: say where the counts go: -plugin count.so,out=FILE\n");
        return 1;
    }
    out = strdup(argv[0] + 4);
    signal(SIGUSR2, write_counts);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
