/* SPDX-License-Identifier: MIT */
/*
 * A plugin for QEMU's TCG: which instructions a machine came to. Each address is written once, when
 * its block is translated, which QEMU does just before it runs it; so what is in the file stays
 * true when QEMU is killed, and the machine is as fast as without.
 *
 *     qemu-system-x86_64 -plugin reach.so,out=FOLDER ...        writes FOLDER/PID, 64-bit addresses
 *
 * Debian ships QEMU without its plugin header, so the few functions used are declared here, as
 * interface version 1 has them.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
                                           void (*translated)(plugin_id, struct qemu_plugin_tb *));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

#define PLACES (1u << 22)
#define ROOM   1024                     /* instructions of a block; QEMU makes none of over 512 */

static uint64_t *seen;                  /* a hash table, open addressing; 0 is an empty place */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int out;

static bool is_new(uint64_t address)
{
    uint32_t at = (uint32_t)(address * 0x9e3779b97f4a7c15ull >> 42);

    for (uint32_t i = 0; i < 64; i++) {
        uint64_t *place = &seen[(at + i) % PLACES];

        if (*place == address) return false;
        if (!*place) {
            *place = address;
            return true;
        }
    }
    return true;                        /* no room to remember it: it may stand in the file twice */
}

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    uint64_t fresh[ROOM];
    size_t count = 0;

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block) && count < ROOM; i++) {
        uint64_t address = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(block, i));

        if (is_new(address))
            fresh[count++] = address;
    }
    if (count && write(out, fresh, count * sizeof *fresh) < 0)
        perror("reach.so");
    pthread_mutex_unlock(&lock);
}

__attribute__((visibility("default")))
int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    char path[4096];

    if (argc != 1 || strncmp(argv[0], "out=", 4) || !(seen = calloc(PLACES, sizeof *seen))) {
        fprintf(stderr, "reach.so: say where the addresses go: -plugin reach.so,out=FOLDER\n");
        return 1;
    }
    snprintf(path, sizeof path, "%s/%d", argv[0] + 4, (int)getpid());
    out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (out < 0) {
        perror(path);
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
