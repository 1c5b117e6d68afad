/* SPDX-License-Identifier: MIT */
/*
 * domus-scan reads files that are not what they say: a small kernel with symbols and DWARF, damaged
 * at random, is scanned and reported or refused, within its memory and in bounded time. Two seconds
 * here; DOMUS_FUZZ_SECONDS=60 and DOMUS_FUZZ_SEED=N change that. What fails names its seed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "pvguest-sdk/tools/scan/report.h"
#include "cpu_alarm.h"

#define SLOWEST 20              /* seconds for one file */

static const char source[] =
    "static const char words[] __attribute__((section(\".text,\\\"ax\\\",@progbits#\"))) = \"x\";"
    "void set_pte(unsigned long *p, unsigned long v) { *p = v | 1; }"
    "int _start(void) { __asm__(\"pushf; 771: popf; .pushsection .debug_pvguest_kept; .quad 771b;"
    " .asciz \\\"why\\\"; .popsection\"); set_pte((unsigned long *)words, 8); return words[0]; }\n";

static uint8_t *kernel;
static size_t kernel_size;
static unsigned long seed, state;

static uint32_t next(uint32_t below)
{
    state = state * 6364136223846793005ul + 1442695040888963407ul;
    return (uint32_t)((state >> 33) % below);
}

static int make_kernel(void **unused)
{
    char elf[] = "/tmp/scan-fuzz-XXXXXX", command[200];
    int fd = mkstemp(elf);
    FILE *compiler;

    snprintf(command, sizeof(command),
             "gcc -x c -g -O1 -w -static -nostdlib -fno-pie -no-pie -o %s - 2>/dev/null", elf);
    compiler = popen(command, "w");
    if (fd < 0 || !compiler) return -1;
    fputs(source, compiler);
    if (pclose(compiler)) return -1;
    FILE *file = fopen(elf, "rb");
    kernel = malloc(1 << 20);
    kernel_size = fread(kernel, 1, 1 << 20, file);
    fclose(file);
    close(fd);
    unlink(elf);
    return kernel_size ? 0 : -1;
}

static int drop_kernel(void **unused)
{
    free(kernel);
    return 0;
}

static void scan_bytes(uint8_t *bytes, size_t size)
{
    struct choice none = { 0 };
    struct image image;
    struct scan scan = { .image = &image };

    if (!image_from(&image, "kernel", bytes, size, &none)) {
        sweep(&scan, &image, lines_open(&image));
        print_text(&scan, false);
        print_json(&scan);
    }
    lines_close(scan.lines);
    sweep_free(&scan);
    image_close(&image);
}

/* The kernel with a few bytes changed: anywhere, in the header, or in the section table. */
static uint8_t *damaged(size_t *size)
{
    static const uint64_t values[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 1ul << 62,
        -1ul, -16ul, 0x1000, 0xff00 };
    uint64_t table;
    uint8_t *bytes;

    *size = next(4) ? kernel_size : next((uint32_t)kernel_size);
    bytes = malloc(*size + 1);
    memcpy(bytes, kernel, *size);
    memcpy(&table, kernel + 40, 8);
    for (uint32_t n = 1 + next(6); n && *size > 80; n--) {
        size_t from = next(3) == 0 ? 0 : next(2) ? table : 64;
        size_t span = from == 0 ? 64 : *size > from ? *size - from : 0;
        size_t at = span > 8 ? from + next((uint32_t)span - 8) : 0;
        if (next(2))
            bytes[at] = (uint8_t)next(256);
        else
            memcpy(bytes + at, &values[next(10)], 1ul << next(4));
    }
    return bytes;
}

static void too_slow(int signal)
{
    static const char words[] = "one file takes longer than it may\n";
    ssize_t written = write(2, words, sizeof(words) - 1);

    _exit(written ? 1 : 2);
}

static void damaged_kernels(void **unused)
{
    const char *wanted = getenv("DOMUS_FUZZ_SECONDS"), *first = getenv("DOMUS_FUZZ_SEED");
    time_t end = time(NULL) + (wanted ? atoi(wanted) : 2);
    unsigned long begin = first ? strtoul(first, NULL, 0) : 1;
    int out = dup(1);
    size_t size;

    assert_non_null(freopen("/dev/null", "w", stdout));
    signal(SIGPROF, too_slow);
    for (seed = begin; seed == begin || time(NULL) < end; seed++) {
        state = seed;
        uint8_t *bytes = damaged(&size);
        cpu_alarm(SLOWEST);
        scan_bytes(bytes, size);
    }
    cpu_alarm(0);
    fflush(stdout);
    dup2(out, 1);
    close(out);
    fprintf(stderr, "%lu damaged kernels, seeds %lu to %lu\n", seed - begin, begin, seed - 1);
}

/* Called by the sanitizers before they end the program. */
void __asan_on_error(void);
void __asan_on_error(void)
{
    fprintf(stderr, "DOMUS_FUZZ_SEED=%lu\n", seed);
}

static void the_kernel_itself(void **unused)
{
    struct choice none = { 0 };
    struct image image;
    struct scan scan;
    struct totals totals;
    uint8_t *bytes = malloc(kernel_size);

    memcpy(bytes, kernel, kernel_size);
    assert_null(image_from(&image, "kernel", bytes, kernel_size, &none));
    sweep(&scan, &image, lines_open(&image));
    totals_of(&totals, &scan);
    assert_int_equal(totals.sure[SILENT], 1);
    assert_int_equal(totals.kept[SILENT], 1);
    assert_int_equal(totals.sure[GUESS], 1);
    assert_non_null(scan.findings[0].file);
    assert_int_equal(verdict(&totals), SOME_SILENT);
    lines_close(scan.lines);
    sweep_free(&scan);
    image_close(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_itself),
        cmocka_unit_test(damaged_kernels),
    };
    return cmocka_run_group_tests(tests, make_kernel, drop_kernel);
}
