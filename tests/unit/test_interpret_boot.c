/* SPDX-License-Identifier: MIT */
/* The teaching kernel's native image boots in the interpreter, from multiboot2's entry on, with a
 * serial port, the 8259s and a timer that counts instructions; its disk is a module in memory. Its
 * shell runs the kernel's own tests.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <elf.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>
#include "interpret_host.h"

enum { MEMORY = 64 << 20, INFORMATION = 0x8000, MODULE = 32 << 20 };
/* instructions from one tick of the timer to the next */
enum { TICK = 200000 };

static struct host_machine machine;
static struct {
    char output[1 << 16];
    unsigned int length;
    uint8_t base, mask;                 /* of the first 8259 */
    bool in_service, off;
} board;

static uint32_t board_in(struct vcpu *vcpu, uint16_t port, unsigned int size)
{
    if (port == 0x3f8 + 5) return 0x60;             /* ready to send */
    if (port == 0x21) return board.mask;
    return size == 1 ? 0xff : size == 2 ? 0xffff : 0xffffffff;
}

static void board_out(struct vcpu *vcpu, uint16_t port, unsigned int size, uint32_t value)
{
    static unsigned int word;           /* of the 8259's initialisation: 1 to 3 */
    if (port == 0x3f8 && board.length + 1 < sizeof board.output) {
        board.output[board.length++] = (char)value;
    } else if (port == 0x20) {
        if (value & 0x10)
            word = 1;
        else
            board.in_service = false;
    } else if (port == 0x21) {
        if (word == 1)
            board.base = (uint8_t)value;
        if (!word)
            board.mask = (uint8_t)value;
        word = word && word < 3 ? word + 1 : 0;
    } else if (port == 0x604) {
        board.off = true;
    }
}

static uint64_t board_tsc(struct vcpu *vcpu)
{
    return vcpu->instructions;
}

static void *read_file(const char *name, size_t *size)
{
    /* the test is build/unit/NAME/test, what it wants is in build/native */
    char path[PATH_MAX] = "", file[PATH_MAX + 64];
    assert_true(readlink("/proc/self/exe", path, sizeof path - 1) > 0);
    const char *build = dirname(dirname(dirname(path)));
    snprintf(file, sizeof file, "%s/native/%s", build, name);
    FILE *stream = fopen(file, "rb");
    if (!stream)
        fail_msg("%s is not there: make %s", file, file);
    fseek(stream, 0, SEEK_END);
    *size = (size_t)ftell(stream);
    rewind(stream);
    void *content = malloc(*size);
    assert_int_equal(fread(content, 1, *size, stream), *size);
    fclose(stream);
    return content;
}

/* The kernel's segments at their physical addresses; the entry. */
static uint32_t load_kernel(void)
{
    size_t size;
    uint8_t *file = read_file("insula.elf", &size);
    const Elf64_Ehdr *header = (const void *)file;
    const Elf64_Phdr *segment = (const void *)(file + header->e_phoff);
    for (unsigned int i = 0; i < header->e_phnum; i++, segment++)
        if (segment->p_type == PT_LOAD) {
            assert_true(segment->p_paddr + segment->p_memsz < MODULE);
            memcpy(machine.memory + segment->p_paddr, file + segment->p_offset,
                   segment->p_filesz);
        }
    uint32_t entry = (uint32_t)header->e_entry;
    free(file);
    return entry;
}

static uint32_t *add_tag(uint32_t *at, uint32_t type, const void *content, uint32_t size)
{
    at[0] = type;
    at[1] = 8 + size;
    if (size)
        memcpy(at + 2, content, size);
    return at + (8 + size + 7) / 8 * 2;
}

static void load_information(const char *arguments)
{
    size_t size;
    void *disk = read_file("insula-fs.img", &size);
    assert_true(size < MEMORY - MODULE);
    memcpy(machine.memory + MODULE, disk, size);
    free(disk);
    const uint32_t module[] = { MODULE, MODULE + (uint32_t)size, 0 };
    const uint32_t map[] = { 24, 0, 0, 0, MEMORY, 0, 1, 0 };
    uint32_t *start = (void *)(machine.memory + INFORMATION), *at = start + 2;
    at = add_tag(at, 1, arguments, (uint32_t)strlen(arguments) + 1);
    at = add_tag(at, 3, module, sizeof module);
    at = add_tag(at, 6, map, sizeof map);
    at = add_tag(at, 0, NULL, 0);
    start[0] = (uint32_t)((uint8_t *)at - (uint8_t *)start);
}

static void explain(const struct vcpu *vcpu, enum step step)
{
    print_error("step %d at %#lx: %s; bytes", step, vcpu->rip,
                vcpu->reason ? vcpu->reason : "?");
    for (unsigned int i = 0; i < vcpu->byte_count; i++)
        print_error(" %02x", vcpu->bytes[i]);
    print_error("; vector %u error %#x address %#lx\n%s\n", vcpu->fault.vector,
                vcpu->fault.error, vcpu->fault.address, board.output);
}

/* Until the guest powers off, at most `most` instructions. */
static void run(struct vcpu *vcpu, uint64_t most)
{
    uint64_t tick = TICK;
    while (!board.off && vcpu->instructions < most) {
        bool due = vcpu->instructions >= tick;
        vcpu->interrupt_pending = due && !board.in_service && !(board.mask & 1);
        enum step step = interpret(vcpu, due ? 1000 : tick - vcpu->instructions);
        if (step == STEP_HALTED) {
            vcpu->instructions = tick;
            continue;
        }
        if (step == STEP_INTERRUPT) {
            board.in_service = true;
            tick = vcpu->instructions + TICK;
            step = deliver_interrupt(vcpu, board.base);
        }
        if (step != STEP_DONE && step != STEP_EXCEPTION) {
            explain(vcpu, step);
            fail();
        }
    }
    assert_true(board.off);
}

static void boots_and_passes_its_own_tests(void **state)
{
    static struct machine_ops ops;
    ops = host_ops;
    ops.port_in = board_in;
    ops.port_out = board_out;
    ops.tsc = board_tsc;
    struct vcpu *vcpu = machine_start(&machine, &ops, MEMORY);
    load_information("run=tests;poweroff");
    vcpu->rip = load_kernel();
    vcpu->general[RAX] = 0x36d76289;
    vcpu->general[RBX] = INFORMATION;
    run(vcpu, 3000000000);
    board.output[board.length] = 0;
    if (getenv("INSULA_OUTPUT") || !strstr(board.output, "ALL TESTS PASSED"))
        printf("%s\n%lu instructions\n", board.output, vcpu->instructions);
    assert_non_null(strstr(board.output, "Insula: 64 MiB of memory"));
    assert_non_null(strstr(board.output, "ALL TESTS PASSED"));
    assert_null(strstr(board.output, "FAILED"));
    machine_end(vcpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(boots_and_passes_its_own_tests) };
    return cmocka_run_group_tests_name("interpret_boot", tests, NULL, NULL);
}
