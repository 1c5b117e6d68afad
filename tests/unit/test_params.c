/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's command line: each value is taken, or named in a warning and left out; dom0's
 * memory in Xen's forms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "lib/params.h"
#include "lib/printk.h"
#include "lib/string.h"

#define MIB 256ull                      /* In pages. */

int log_level;
static char said[400];
static unsigned warnings;

void printk_at(int level, const char *format, ...)
{
    va_list arguments;

    assert_int_equal(level, LOG_WARN);
    warnings++;
    va_start(arguments, format);
    vsnprintf(said, sizeof(said), format, arguments);
    va_end(arguments);
}

static void parse(const char *line)
{
    params = (struct params){ .baud = 115200 };
    log_level = LOG_INFO;
    warnings = 0;
    said[0] = '\0';
    params_parse(line);
}

static void the_memory_of_dom0(void **state)
{
    static const struct { const char *line; uint64_t pages, max; } cases[] = {
        { "", 256 * MIB, 256 * MIB },
        { "dom0_mem=512M", 512 * MIB, 512 * MIB },
        { "dom0_mem=1g", 1024 * MIB, 1024 * MIB },
        { "dom0_mem=524288", 512 * MIB, 512 * MIB },            /* KiB, as with Xen */
        { "dom0_mem=0x80000", 512 * MIB, 512 * MIB },
        { "dom0_mem=04000k", 2 * MIB, 2 * MIB },
        { "dom0_mem=536870912B", 512 * MIB, 512 * MIB },
        { "dom0_mem=-100M", 900 * MIB, 900 * MIB },
        { "dom0_mem=-2G", 0, 0 },
        { "dom0_mem=max:128M", 128 * MIB, 128 * MIB },
        { "dom0_mem=max:512M", 256 * MIB, 512 * MIB },
        { "dom0_mem=min:300M", 300 * MIB, 300 * MIB },
        { "dom0_mem=min:100M", 256 * MIB, 256 * MIB },
        { "dom0_mem=min:100M,max:-800M", 200 * MIB, 200 * MIB },
        { "dom0_mem=512M,max:1G", 512 * MIB, 1024 * MIB },
        { "dom0_mem=max:512M,512M", 512 * MIB, 512 * MIB },
        { "dom0_mem=max:400M,512M,min:450M", 400 * MIB, 400 * MIB },
        { "dom0_mem=512M dom0_mem=64M", 64 * MIB, 64 * MIB },
        { "  dom0_mem=max:128M   dom0_mem=64M ", 64 * MIB, 128 * MIB },
        /* More than there is: the builder says so. */
        { "dom0_mem=1T", 1048576 * MIB, 1048576 * MIB },
        { "dom0_mem=99999999999999999999G", UINT64_MAX / 4096, UINT64_MAX / 4096 },
        { "dom0_mem=17179869184G", UINT64_MAX / 4096, UINT64_MAX / 4096 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t pages;

        parse(cases[i].line);
        pages = params_dom0_pages(1000 * MIB, 256 * MIB);
        if (warnings || pages != cases[i].pages ||
            params_dom0_max_pages(1000 * MIB, pages) != cases[i].max)
            fail_msg("%s: %lu pages, %s", cases[i].line, (unsigned long)pages, said);
    }
}

static void what_is_wrong_is_named_and_left_out(void **state)
{
    static const char *const words[] = {
        "dom0_mem=",
        "dom0_mem=x",
        "dom0_mem=512X",
        "dom0_mem=512MB",
        "dom0_mem=512M,",
        "dom0_mem=,512M",
        "dom0_mem=max:",
        "dom0_mem=max",
        "dom0_mem=max:512M,min:",
        "dom0_mem=mid:5M",
        "dom0_mem=0",
        "dom0_mem=1",
        "dom0_mem=4095B",
        "dom0_mem=50%",
        "dom0_mem=--5M",
        "dom0_mem=0x",
        "dom0_mem=08M",
        "dom0_mem=5 12M",
        "loglevel=",
        "loglevel=4",
        "loglevel=10",
        "loglevel=alles",
        "loglevel=all/all",
        "console=",
        "console=com2",
        "console=vga",
        "console=com1,vga",
        "console=com1,0",
        "console=com1,115201",
        "console=com1,",
        "com1=115200,7e2",
        "com1=",
        "com1=230400",
        "noreboot",
        "dom0_mem",
        "guest_loglvl=all",
        "acpi=",
        "acpi=no",
        "svm=",
        "svm=no",
        "svm",
        "acpi=offer",
        "acpi",
        "dom0_mems=5",
        "dom0_vcpus_pin=",
        "dom0_vcpus_pin=2",
        "dom0_vcpus_pins",
        "dom0_vcpus_pin=once",
        "no-dom0_vcpus_pin",
        "x=dom0_mem=5M",
        "DOM0_MEM=512M",
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        parse(words[i]);
        if (!warnings || log_level != LOG_INFO || params.baud != 115200 || params.no_acpi ||
            params.no_svm || params.dom0_vcpus_pin || params.dom0_max.given ||
            params.dom0_min.given ||
            (params.dom0_size.given && !strchr(words[i], ' ')) || !strchr(said, '"'))
            fail_msg("%s: %s", words[i], said);
    }
    parse("dom0_mem=min:5M,max:x");
    assert_non_null(strchr(said, '"'));
    assert_int_equal(
        strncmp(said,
                "command line: \"dom0_mem=min:5M,max:x\" is ignored; it can be SIZE, min:SIZE", 72),
        0);
    parse("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
          "890123456789"
          "0123456789012345678901234567 loglevel=1");
    assert_true(warnings == 1 && log_level == LOG_WARN);
}

static void levels_and_speeds(void **state)
{
    static const struct { const char *line; int level; uint32_t baud;
    } cases[] = {
        { "loglevel=0", LOG_ERROR, 115200 },
        { "loglevel=3", LOG_DEBUG, 115200 },
        { "loglevel=all", LOG_DEBUG, 115200 },
        { "loglvl=warning", LOG_WARN, 115200 },
        { "loglevel=none loglvl=info", LOG_INFO, 115200 },
        { "loglevel=error", LOG_ERROR, 115200 },
        { "loglevel=debug", LOG_DEBUG, 115200 },
        { "console=com1", LOG_INFO, 115200 },
        { "console=com1,9600", LOG_INFO, 9600 },
        { "com1=57600,8n1 console=com1", LOG_INFO, 57600 },
        { "com1=38400", LOG_INFO, 38400 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        parse(cases[i].line);
        if (warnings || log_level != cases[i].level || params.baud != cases[i].baud)
            fail_msg("%s: %s", cases[i].line, said);
    }
    parse("acpi=off");
    assert_true(!warnings && params.no_acpi);
    parse("svm=off");
    assert_true(!warnings && params.no_svm && !params.no_acpi);
    parse("svm=off svm=on");
    assert_true(!warnings && !params.no_svm);
    parse("acpi=off acpi=on");
    assert_true(!warnings && !params.no_acpi);
}

static void pinning_dom0(void **state)
{
    static const struct { const char *line; bool pins;
    } cases[] = {
        { "dom0_vcpus_pin", true },
        { "dom0_vcpus_pin=on", true },
        { "dom0_vcpus_pin=off", false },
        { "dom0_vcpus_pin dom0_vcpus_pin=off", false },
        { "dom0_vcpus_pin=off dom0_vcpus_pin", true },
        { "dom0_vcpus_pin=on acpi=on", true },
        { "loglevel=1", false },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        parse(cases[i].line);
        if (warnings || params.dom0_vcpus_pin != cases[i].pins)
            fail_msg("%s: %s", cases[i].line, said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_memory_of_dom0),
        cmocka_unit_test(what_is_wrong_is_named_and_left_out),
        cmocka_unit_test(pinning_dom0),
        cmocka_unit_test(levels_and_speeds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
