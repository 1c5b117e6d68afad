/* SPDX-License-Identifier: MIT */
/*
 * A plugin for QEMU's TCG: how many instructions the hypervisor executes between two moments in
 * which a guest runs (or it sleeps).
 *
 *     qemu-system-x86_64 ... \
 *         -plugin residence.so,out=FILE,from=START,to=END,begin=A,sleep=A,rest=A,except=A,limit=N
 *
 * Code in [START, END) is ring 0's; the blocks at `sleep` and `rest` are where it waits for
 * interrupts, or lets them in, which ends a stay as a guest does; the boot before `begin` does not
 * count, nor does a stay that comes through `except`, which stops the machine on purpose. When QEMU
 * ends, FILE has the longest stay ("longest N") and a line for each of the longest stays above the
 * limit: "stay N A1 A2 ...", with an address every 1024 instructions, so that a reader can name
 * what took so long. One CPU of the machine runs guests, so one counter is enough. Each iteration
 * of a repeated instruction counts as one.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { NO_REGISTERS };
enum { ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
                                           void (*translated)(plugin_id, struct qemu_plugin_tb *));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block,
                                          void (*executed)(unsigned int vcpu, void *data),
                                          int flags, void *data);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int operation,
                                                void *counter, uint64_t add);
void qemu_plugin_register_atexit_cb(plugin_id id, void (*ended)(plugin_id, void *data), void *data);
int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

#define SAMPLE 1024u
#define SAMPLES 64u
#define KEPT 32u

struct stay { uint64_t instructions; uint64_t at[SAMPLES]; };

static uint64_t from, to, begins_at, sleeps_at, rests_at, excepted_at, limit = ~0ul;
static const char *out;
static struct stay now, kept[KEPT];     /* kept: the longest ones above the limit, in no order */
static uint64_t longest;
static int counting;                    /* the boot is over */
static int excepted;                    /* this stay does not count */

static void left(void)
{
    struct stay *shortest = kept;

    int counts = counting && !excepted;

    if (counts && now.instructions > longest)
        longest = now.instructions;
    if (counts && now.instructions > limit) {
        for (unsigned int i = 1; i < KEPT; i++)
            if (kept[i].instructions < shortest->instructions)
                shortest = &kept[i];
        if (now.instructions > shortest->instructions)
            *shortest = now;
    }
    if (now.instructions >= SAMPLE)
        memset(now.at, 0, sizeof now.at);
    now.instructions = 0;
    excepted = 0;
}

static void ring0_left(unsigned int vcpu, void *data)
{
    if (now.instructions)
        left();
}

static void booted(unsigned int vcpu, void *data)
{
    counting = 1;
    now.instructions = 0;
}

static void except(unsigned int vcpu, void *data)
{
    excepted = 1;
}

static void sample(unsigned int vcpu, void *address)
{
    uint64_t i = now.instructions / SAMPLE;

    if (i < SAMPLES && !now.at[i])
        now.at[i] = (uint64_t)(uintptr_t)address;
}

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    uint64_t address = qemu_plugin_tb_vaddr(block);
    int ring0 = address >= from && address < to;

    if (address == begins_at)
        qemu_plugin_register_vcpu_tb_exec_cb(block, booted, NO_REGISTERS, NULL);
    if (address == sleeps_at || address == rests_at || !ring0)
        qemu_plugin_register_vcpu_tb_exec_cb(block, ring0_left, NO_REGISTERS, NULL);
    if (address == excepted_at)
        qemu_plugin_register_vcpu_tb_exec_cb(block, except, NO_REGISTERS, NULL);
    if (!ring0) return;
    qemu_plugin_register_vcpu_tb_exec_cb(block, sample, NO_REGISTERS, (void *)(uintptr_t)address);
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++)
        qemu_plugin_register_vcpu_insn_exec_inline(qemu_plugin_tb_get_insn(block, i), ADD_U64,
                                                   &now.instructions, 1);
}

static void ended(plugin_id id, void *data)
{
    FILE *file = fopen(out, "w");

    if (!file) {
        perror(out);
        return;
    }
    fprintf(file, "longest %" PRIu64 "\n", longest);
    for (struct stay *s = kept; s < kept + KEPT; s++) {
        if (!s->instructions)
            continue;
        fprintf(file, "stay %" PRIu64, s->instructions);
        for (unsigned int i = 1; i < SAMPLES && s->at[i]; i++)
            fprintf(file, " %" PRIx64, s->at[i]);
        fputc('\n', file);
    }
    fclose(file);
}

static const char *option(int argc, char **argv, const char *name)
{
    size_t size = strlen(name);

    for (int i = 0; i < argc; i++)
        if (!strncmp(argv[i], name, size) && argv[i][size] == '=') return argv[i] + size + 1;
    return NULL;
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const void *info,
                                                               int argc, char **argv)
{
    const char *start = option(argc, argv, "from"), *end = option(argc, argv, "to"),
               *sleep = option(argc, argv, "sleep"), *begin = option(argc, argv, "begin"),
               *rest = option(argc, argv, "rest"), *above = option(argc, argv, "limit"),
               *but = option(argc, argv, "except"),
               *file = option(argc, argv, "out");

    if (!start || !end || !begin || !sleep || !file) {
        fprintf(
            stderr,
            "residence.so: "
            "out=FILE,from=START,to=END,begin=ADDRESS,sleep=ADDRESS[,rest=ADDRESS]"
            "[,except=ADDRESS][,limit=N]\n");
        return 1;
    }
    from = strtoull(start, NULL, 0);
    to = strtoull(end, NULL, 0);
    begins_at = strtoull(begin, NULL, 0);
    sleeps_at = strtoull(sleep, NULL, 0);
    if (rest)
        rests_at = strtoull(rest, NULL, 0);
    if (but)
        excepted_at = strtoull(but, NULL, 0);
    if (above)
        limit = strtoull(above, NULL, 0);
    out = strdup(file);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
