/* SPDX-License-Identifier: MIT */
/*
 * A plugin for QEMU's TCG: the machine's clock stands still while its devices work.
 *
 *     qemu-system-x86_64 -icount shift=0,sleep=off -plugin still.so,from=START,to=END ...
 *
 * A disk that QEMU makes of a file works in this host's time, and a machine that counts
 * instructions does not know how long that is. So whoever rings a device's bell by a store in
 * [START, END) waits here for PAUSE_NS of the host's, in which the device can do what it was asked
 * for; in the machine it took no time, and the interrupt comes with the next instruction.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
enum { NO_REGISTERS };
enum { STORES = 2 };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
                                           void (*translated)(plugin_id, struct qemu_plugin_tb *));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
                                      void (*accessed)(unsigned int vcpu, uint32_t info,
                                                       uint64_t vaddr, void *data),
                                      int flags, int kind, void *data);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(uint32_t info, uint64_t vaddr);
_Bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *address);
int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

#define PAUSE_NS 400000

static uint64_t from, to;

static void stored(unsigned int vcpu, uint32_t info, uint64_t vaddr, void *data)
{
    struct qemu_plugin_hwaddr *address = qemu_plugin_get_hwaddr(info, vaddr);

    if (address && qemu_plugin_hwaddr_is_io(address))
        nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
}

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(block, i);
        uint64_t address = qemu_plugin_insn_vaddr(insn);

        if (address >= from && address < to)
            qemu_plugin_register_vcpu_mem_cb(insn, stored, NO_REGISTERS, STORES, NULL);
    }
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const void *info,
                                                               int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "from=", 5))
            from = strtoull(argv[i] + 5, NULL, 0);
        if (!strncmp(argv[i], "to=", 3))
            to = strtoull(argv[i] + 3, NULL, 0);
    }
    if (from >= to) {
        fprintf(stderr, "still.so: from=START,to=END\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
