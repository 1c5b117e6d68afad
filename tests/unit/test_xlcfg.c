/* SPDX-License-Identifier: MIT */
/*
 * What dom0 makes of a guest's configuration: each key, and for each mistake the line and a
 * sentence. (How the text is read: test_xlcfg_oracle.c.)
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/config/config.h"
#include "dom0/config/disk.h"
#include "dom0/config/vif.h"

static struct config config;
static struct problem problem;
static struct config_warnings warnings;

#define DISKS config.devices[DEVICE_DISK]
#define VIFS config.devices[DEVICE_VIF]

static const struct config_disk *disk(unsigned i)
{
    return config_of(struct config_disk, &DISKS.device[i]);
}

static const struct config_vif *vif(unsigned i)
{
    return config_of(struct config_vif, &VIFS.device[i]);
}

static int parse_with(const char *text, const char *behind)
{
    size_t size = strlen(text);
    char *exact = malloc(size ? size : 1); /* Without the NUL: the parser may not count on one. */
    int error;

    memcpy(exact, text, size);
    error = config_parse(exact, size, behind, &config, &problem, &warnings);
    free(exact);
    return error;
}

static int parse(const char *text)
{
    return parse_with(text, "");
}

/* Lines to be had in a configuration that is complete otherwise; the first of them is line 2. */
static int parse_lines(const char *lines)
{
    char text[2000];

    snprintf(text, sizeof(text), "name='a';kernel='k'\n%s", lines);
    return parse(text);
}

static void a_whole_file(void **state)
{
    assert_int_equal(parse("# a guest\n"
                           "name = \"insula-1\"\n"
                           "kernel='insula.elf'; ramdisk = \"initrd\"\r\n"
                           "extra = \"root=/dev/xvda # no comment\"   # comment\n"
                           "memory = 64\nvcpus=2\ncpu_weight = "
                           "512\nmax_grant_frames=5\nmax_maptrack_frames=7\ntype = 'pv'\n"
                           "disk = [ 'phy:insula1,xvda,w',\n  \"data,raw,xvdb,r\", # last\n ]\n"
                           "vif = [ 'mac=00:16:3e:01:02:0a,bridge=br1', '' ]\n"
                           "on_crash = 'preserve'\non_poweroff = \"destroy\"\non_reboot='restart'"),
                     0);
    assert_string_equal(warnings.text, "");
    assert_string_equal(config.name, "insula-1");
    assert_string_equal(config.kernel, "insula.elf");
    assert_string_equal(config.ramdisk, "initrd");
    assert_string_equal(config.extra, "root=/dev/xvda # no comment");
    assert_int_equal(config.memory_mib, 64);
    assert_int_equal(config.vcpus, 2);
    assert_int_equal(config.cpu_weight, 512);
    assert_int_equal(config.grant_frames, 5);
    assert_int_equal(config.maptrack_frames, 7);
    assert_int_equal(config.vcpus_at_start, 2);
    assert_int_equal(DISKS.count, 2);
    assert_string_equal(disk(0)->partition, "insula1");
    assert_int_equal(disk(0)->number, 51712);
    assert_true(disk(0)->writable);
    assert_string_equal(disk(1)->partition, "data");
    assert_int_equal(disk(1)->number, 51728);
    assert_false(disk(1)->writable);
    assert_int_equal(VIFS.count, 2);
    assert_int_equal(vif(0)->mac[5], 10);
    assert_string_equal(vif(0)->bridge, "br1");
    assert_string_equal(vif(1)->bridge, "br0");
    assert_int_equal(config.on_crash, ACTION_PRESERVE);
}

static void unknown_keys_warn(void **state)
{
    assert_int_equal(
        parse("name='a'\nkernel='k'\n\ncolour = 'blue'\nnames = 1 ; extra='x'\nvnc = 1\n"
              "vnc=0; on_crash='coredump-restart'"),
        0);
    assert_string_equal(
        warnings.text,
        "on_crash = \"coredump-restart\": no core is written, for there is no place to keep one\n"
        "not known here, so it does nothing: colour (line 4), names (line 5), vnc (line 7)\n");
    assert_int_equal(parse_with("name='a'\nkernel='k'", "size=5\nvcpus=2"), 0);
    assert_string_equal(warnings.text, "not known here, so it does nothing: size\n");
    assert_int_equal(config.vcpus, 2);
    assert_int_equal(parse_lines("vif = [ 'model=e1000' ]"), 0);
    assert_string_equal(warnings.text,
                        "a vif's model= does nothing: PV guests have no emulated card\n");
}

/* A misspelt key is named beside the mistake that it makes. */
static void mistakes_warn_too(void **state)
{
    assert_int_equal(parse("name='a'\nkernal='k'\n"), -EINVAL);
    assert_string_equal(problem.text, "there is no kernel");
    assert_string_equal(warnings.text, "not known here, so it does nothing: kernal (line 2)\n");
}

/* However many: those for which there is no room are counted. */
static void many_unknown_keys(void **state)
{
    char text[8192] = "name='a'\nkernel='k'\n";
    unsigned named = 0, more = 0;

    for (unsigned i = 0; i < 200; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "a_key_that_nobody_knows_%u=1\n",
                 i);
    assert_int_equal(parse(text), 0);
    for (const char *at = warnings.text; (at = strstr(at, "a_key")); at++)
        named++;
    assert_int_equal(sscanf(strrchr(warnings.text, ','), ", and %u more\n", &more), 1);
    assert_int_equal(named + more, 200);
    assert_true(named > 40 && strlen(warnings.text) < sizeof(warnings.text));
}

/* What is given behind the file's name has the last word; mistakes keep the line, or the word, they
 * stand in. */
static void words_behind_the_file(void **state)
{
    static const char file[] =
        "name='a'\nkernel='k'\nmemory=64\nextra='x'\ndisk=['phy:p,xvda,w']\n";

    assert_int_equal(parse_with(file, "memory=32\nextra+=' y'\ndisk+=['phy:q,xvdb,r']"), 0);
    assert_int_equal(config.memory_mib, 32);
    assert_string_equal(config.extra, "x y");
    assert_int_equal(DISKS.count, 2);
    assert_int_equal(parse_with(file, "memory=32\nvcpus=x"), -EINVAL);
    assert_true(problem.at.behind && problem.at.line == 2);
    assert_int_equal(parse_with(file, "memory='much'"), -EINVAL);
    assert_true(problem.at.behind && problem.at.line == 1);
    assert_int_equal(parse_with(file, "disk+=['phy:q,xvda,r']"), -EINVAL);
    assert_true(problem.at.behind && problem.at.line == 1);
    assert_int_equal(parse_with("name='a'\nkernel='k'\nmemory='x'\n", "vcpus=2"), -EINVAL);
    assert_true(!problem.at.behind && problem.at.line == 3);
    assert_int_equal(
        parse_with("name='a'\nkernel='k'\ndisk=['phy:p,xvda,w',\n\n'no']\n", "vcpus=2"), -EINVAL);
    assert_true(!problem.at.behind && problem.at.line == 5);
    assert_int_equal(parse_with("name='a'\nkernel='k'\nmemory='x'\n", "memory=5"),
                     0); /* The last counts. */
    assert_int_equal(parse_with("name='a'\nkernel='k'\nmemory=", "memory=5"), -EINVAL);
    assert_true(!problem.at.behind && problem.at.line == 3);
    assert_int_equal(parse_with("name='a'", "memory=5"), -EINVAL);
    assert_true(!problem.at.line);
}

/* For what is refused later, when there is no such file, partition, bridge or memory. */
static void values_keep_their_place(void **state)
{
    static const char file[] = "name='a'\n\nkernel='k'\ndisk=['phy:p,xvda,w',\n'phy:q,xvdb,w']\n"
                               "maxmem=64\nvif=['',\n\n'bridge=br1']\n";

    assert_int_equal(parse_with(file, "uuid='01234567-89ab-cdef-0123-456789abcdef'\nramdisk='r'\n"
                                      "disk+=['phy:r,xvdc,w']"), 0);
    assert_true(config.at.name.line == 1 && !config.at.name.behind);
    assert_true(config.at.kernel.line == 3 && !config.at.kernel.behind);
    assert_true(config.at.memory.line == 6);                    /* It follows from maxmem. */
    assert_true(config.at.uuid.line == 1 && config.at.uuid.behind);
    assert_true(config.at.ramdisk.line == 2 && config.at.ramdisk.behind);
    assert_true(DISKS.device[0].at.line == 4 && DISKS.device[1].at.line == 5);
    assert_true(DISKS.device[2].at.line == 3 && DISKS.device[2].at.behind);
    assert_true(VIFS.device[0].at.line == 7 && VIFS.device[1].at.line == 9);
    assert_int_equal(parse_with(file, "memory=32\nkernel='l'"), 0);
    assert_true(config.at.memory.line == 1 && config.at.memory.behind);
    assert_true(config.at.kernel.line == 2 && config.at.kernel.behind);
    assert_true(!config.at.ramdisk.line && !config.at.uuid.line);
}

static void mistakes_name_their_line(void **state)
{
    static const struct { const char *text; unsigned line; const char *says;
    } cases[] = {
        { "", 0, "no name" },
        { "name='a'\n", 0, "no kernel" },
        { "kernel='k'\n\nname = 'a\n", 3, "closing" },
        { "name='a'\nkernel = ''\n", 0, "no kernel" },
        { "name = a\n", 1, "quoted" },
        { "name 'a'\n", 1, "'=' or '+=' is expected, not 'a'" },
        { "= 'a'\n", 1, "a key is expected, not =" },
        { "name='a' 'b'\n", 1, "the end of the line or ';' is expected, not 'b'" },
        { "name=['a']\n", 1, "not a list" },
        { "name=''\n", 1, "empty" },
        { "name='a\tb'\n", 1, "control" },
        { "memory = 'x'\n", 1, "number" },
        { "memory = 0\n", 1, "1 to 1048576" },
        { "memory = '-5'\n", 1, "1 to" },
        { "memory += 5\n", 1, "+=" },
        { "memory = [ 5 ]\n", 1, "not a list" },
        { "memory = 99999999999999999999\n", 1, "1 to 1048576" },
        { "memory = 12M\n", 1, "'M' has no meaning here" },
        { "memory = 12ab\n", 1, "a number, like" },
        { "vcpus = 99\n", 1, "1 to 32" },
        { "cpu_weight = 0\n", 1, "1 to 65535" },
        { "cpu_weight = 65536\n", 1, "1 to 65535" },
        { "max_grant_frames = 0\n", 1, "1 to 1024" },
        { "max_maptrack_frames = 1025\n", 1, "1 to 1024" },
        { "type='hvm'\n", 1, "pv" },
        { "on_crash='explode'\n", 1, "on_crash must be" },
        { "on_crash='rename-restart'\n", 1, "cannot be had" },
        { "on_reboot='soft-reset'\n", 1, "cannot be had" },
        { "builder='hvm'\n", 1, "hvm" },
        { "uuid='5'\n", 1, "uuid" },
        { "disk = 'phy:a,xvda,w'\n", 1, "list" },
        { "disk = [ 'phy:a' ]\n", 1, "no device" },
        { "disk = [ 'phy:a,xvda,w,more' ]\n", 1, "'more': it is one word too many" },
        { "disk = [ 'format=qcow2,vdev=xvda,target=a' ]\n", 1,
          "'qcow2': a disk's format can only be raw" },
        { "disk = [ 'vdev=xvda,backendtype=qdisk,target=a' ]\n", 1,
          "'qdisk': a disk's backendtype can only be phy" },
        { "vcpus = 3\nmaxvcpus = 2\n", 2, "less than vcpus" },
        { "disk = [ 'phy:a,hde,w' ]\n", 1, "device name" },
        { "disk = [ 'phy:a,xvda,x' ]\n", 1, "'r' or 'w'" },
        { "disk = [ 'phy:,xvda,w' ]\n", 1, "empty drive" },
        { "disk = [ 'phy:a,xvda,w',\n 'phy:b,xvda,w' ]\n", 2, "both" },
        { "disk = [ 'phy:a,xvda,w'\n 'phy:b,xvdb,w' ]\n", 2, "',' or ']' in the list is expected" },
        { "disk = [ 'phy:a,xvda,w',\n", 1, "the text ends" },
        { "disk = [ 5 ]\n", 1, "no device" },
        { "disk = [ 'phy:a,xvda,w', [ 'x' ] ]\n", 1, "another list" },
        { "vif = [ 'mac=00:16:3e:01:02' ]\n", 1, "address" },
        { "vif = [ 'mac=01:16:3e:01:02:03' ]\n", 1, "address" },
        { "vif = [ 'speed=10' ]\n", 1, "speed" },
        { "vif = [ 'macs=1' ]\n", 1, "macs" },
        { "vif = [ 'rate=10Mb' ]\n", 1, "invalid rate in '10Mb'" },
        { "vif = [ 'rate=Mb/s' ]\n", 1, "invalid rate in 'Mb/s'" },
        { "vif = [ 'ip=10.0.2.256' ]\n", 1, "'10.0.2.256' are not one to 4 addresses" },
        { "vif = [ 'ip=' ]\n", 1, "addresses" },
        { "vif = [ 'ip=0.0.0.0' ]\n", 1, "addresses" },
        { "vif = [ 'ip=10.0.2.5/24' ]\n", 1, "addresses" },
        { "vif = [ 'ip=1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5' ]\n", 1, "addresses" },
        { "vif = [ 'spoof=2' ]\n", 1, "spoof is 0 or 1, not '2'" },
        { "vif = [ 'bridge=a-very-long-name-of-a-bridge' ]\n", 1, "has 1 to 15 characters" },
        { "vif = [ 'vifname=' ]\n", 1, "has 1 to 15 characters" },
        { "vif = [ 'type=ioemu' ]\n", 1, "type=ioemu" },
        { "vif = [ 'script=vif-route' ]\n", 1, "script=vif-route" },
        { "vif = [ 'mtu=1501' ]\n", 1, "mtu=1501" },
        { "vif = [ 'mtu=67' ]\n", 1, "68 to 1500" },
        { "vif = [ 'mtu=68x' ]\n", 1, "mtu=68x" },
        { "vif = [ '',\n 'backend=driver' ]\n", 2, "backend=driver" },
        { "vif = [ 'gatewaydev=eth0' ]\n", 1, "a vif has no 'gatewaydev'" },
        { "vif = [ [ 'x' ] ]\n", 1, "another list" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(parse(cases[i].text), -EINVAL);
        if (problem.at.line != cases[i].line || !strstr(problem.text, cases[i].says))
            fail_msg("%s -> line %u: %s, not %s", cases[i].text, problem.at.line, problem.text,
                     cases[i].says);
    }
}

/* Each of them follows from the other, as with Xen's libxl. */
static void memory_may_grow_to_maxmem(void **state)
{
    assert_int_equal(parse_lines(""), 0);
    assert_true(config.memory_mib == 32 && config.maxmem_mib == 32);
    assert_int_equal(parse_lines("maxmem=0x80"), 0);
    assert_true(config.memory_mib == 128 && config.maxmem_mib == 128);
    assert_int_equal(parse_lines("maxmem=8"), 0);
    assert_true(config.memory_mib == 8 && config.maxmem_mib == 8);
    assert_int_equal(parse_lines("maxvcpus=4"), 0);
    assert_true(config.vcpus == 4 && config.vcpus_at_start == 1);
    assert_int_equal(parse("name='a'\nkernel='k'\nmemory=64"), 0);
    assert_int_equal(config.maxmem_mib, 64);
    assert_int_equal(parse("name='a'\nkernel='k'\nmemory=64\nmaxmem=128"), 0);
    assert_int_equal(config.maxmem_mib, 128);
    assert_int_equal(parse("name='a'\nkernel='k'\nmemory=64\nmaxmem=63"), -EINVAL);
}

static void sizes_have_units(void **state)
{
    static const struct { const char *text; unsigned long kib;
    } good[] = {
        { "256", 262144 }, { "256m", 262144 }, { "256M", 262144 },   { "1g", 1048576 },
        { "300k", 300 },   { "4096b", 4 },     { "1T", 1073741824 },
        { "10737418239k", 10737418239 },        /* ten TiB: no larger number is read */
    };
    static const char *const bad[] = { "",    "m",  "0",     "12x",
                                       "1mm", "-1", "1023b", "99999999999999999999",
                                       "1 m", "10737418240k" };
    unsigned long kib;

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_true(config_parse_size(good[i].text, &kib));
        assert_int_equal(kib, good[i].kib);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(config_parse_size(bad[i], &kib));
}

static void noise_is_survived(void **state)
{
    static const char alphabet[] = "name='k'\n[],# disk=vif\"1;\tphy:mac";
    uint32_t random = 99;

    for (unsigned round = 0; round < 20000; round++) {
        char text[60];
        size_t size = round % sizeof(text);

        for (size_t i = 0; i < size; i++) {
            random = random * 1664525 + 1013904223;
            text[i] = alphabet[(random >> 16) % (sizeof(alphabet) - 1)];
        }
        text[size ? size - 1 : 0] = '\0';
        parse(text);
    }
}

/* A file with one string of that many characters as the value of `key`; whether it is taken. */
static bool takes_string(const char *key, size_t length)
{
    char text[2000];
    int size = snprintf(text, sizeof(text), "name='a'\nkernel='k'\n%s = '", key);

    memset(text + size, 'x', length);
    strcpy(text + size + length, "'");
    return parse(text) == 0;
}

static void strings_at_their_limits(void **state)
{
    assert_true(takes_string("name", CONFIG_MAX_NAME));
    assert_false(takes_string("name", CONFIG_MAX_NAME + 1));
    assert_true(takes_string("kernel", CONFIG_MAX_FILE));
    assert_false(takes_string("kernel", CONFIG_MAX_FILE + 1));
    assert_true(takes_string("extra", CONFIG_MAX_EXTRA));
    assert_int_equal(strlen(config.extra), CONFIG_MAX_EXTRA);
    assert_false(takes_string("extra", CONFIG_MAX_EXTRA + 1));
    assert_string_equal(problem.text,
                        "the command line is too long: 1024 characters, and 1023 at most");
    assert_int_equal(problem.at.line, 3);
    assert_true(takes_string("root", CONFIG_MAX_EXTRA - 5));
    assert_false(takes_string("root", CONFIG_MAX_EXTRA - 4));
    assert_true(takes_string("unknown", 1900));
    assert_int_equal(parse_lines("extra='a\tb'"), 0);
    assert_string_equal(config.extra, "a\tb");
    assert_int_equal(parse_lines("extra='a\x80 \"'"), 0);
    assert_string_equal(config.extra, "a\x80 \"");
    assert_int_equal(parse_lines("extra='a"), -EINVAL);
}

/* root=, extra= and cmdline= in each other's company. */
static void command_lines(void **state)
{
    static const struct { const char *lines, *command_line, *warning;
    } cases[] = {
        { "", "", "" },
        { "extra='e'", "e", "" },
        { "root='/dev/xvda1'", "root=/dev/xvda1", "" },
        { "extra='e'\nroot='/dev/xvda1 ro'", "root=/dev/xvda1 ro e", "" },
        { "extra=''\nroot='r'", "root=r ", "" },
        { "cmdline='c'", "c", "" },
        { "extra='e'\ncmdline='c'", "c",
          "cmdline is the whole command line: extra does nothing\n" },
        { "root='r'\ncmdline='c'", "c", "cmdline is the whole command line: root does nothing\n" },
        { "cmdline=''\nroot='r'\nextra='e'", "",
          "cmdline is the whole command line: root and extra do nothing\n" },
        { "extra=5", "5", "" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(parse_lines(cases[i].lines), 0);
        assert_string_equal(config.extra, cases[i].command_line);
        assert_string_equal(warnings.text, cases[i].warning);
    }
    assert_int_equal(parse_lines("root=['x']"), -EINVAL);
}

static void uuids(void **state)
{
    assert_int_equal(parse_lines(""), 0);
    assert_false(config.has_uuid);
    assert_int_equal(parse_lines("uuid='01234567-89ab-CDEF-0123-456789abcdef'"), 0);
    assert_true(config.has_uuid);
    assert_memory_equal(config.uuid,
                        "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef", 16);
    assert_int_equal(parse_lines("uuid='01234567-89ab-cdef-0123-456789abcdeg'"), -EINVAL);
    assert_int_equal(parse_lines("uuid='01234567-89ab-cdef-0123-456789abcde'"), -EINVAL);
    assert_int_equal(parse_lines("uuid='01234567-89ab-cdef-0123-456789abcdef0'"), -EINVAL);
    assert_int_equal(parse_lines("uuid='0123456789abcdef0123456789abcdef'"), -EINVAL);
    assert_int_equal(parse_lines("uuid=['x']"), -EINVAL);
}

static void numbers_at_their_limits(void **state)
{
    static const struct { const char *line; bool good;
    } cases[] = {
        { "memory=1", true },
        { "memory=1048576\nmaxmem=1048576", true },
        { "memory=1048577", false },
        { "maxmem=1048577", false },
        { "maxmem=0", false },
        { "vcpus=32", true },
        { "vcpus=33", false },
        { "vcpus=0", false },
        { "maxvcpus=32", true },
        { "maxvcpus=33", false },
        { "maxvcpus=0", false },
        { "memory=1000000000", false },
        { "memory='0x40'", true },
        { "memory=010\nmaxmem=8", true },
        { "memory=1\nmaxmem='1'", true },
        { "unknown=1000000001", true },
        { "vcpus=' 2'", true },
        { "vcpus='2 '", false },
        { "vcpus=2\nmaxvcpus=2", true },
        { "type=1", false },
        { "type='pvh'", false },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[100];

        snprintf(text, sizeof(text), "name='a'\nkernel='k'\n%s", cases[i].line);
        if (parse(text) != (cases[i].good ? 0 : -EINVAL))
            fail_msg("%s: %s", cases[i].line, problem.text);
    }
    assert_int_equal(parse("name='a'\nkernel='k'"), 0);
    assert_int_equal(config.memory_mib, 32);
    assert_int_equal(config.vcpus, 1);
    assert_int_equal(parse("name='a'\nkernel='k'\nvcpus=2\nmaxvcpus=4"), 0);
    assert_int_equal(config.vcpus, 4);
    assert_int_equal(config.vcpus_at_start, 2);
}

static void every_action_of_every_end(void **state)
{
    static const char *const keys[] = { "on_poweroff", "on_reboot", "on_crash", "on_watchdog",
                                        "on_soft_reset" };
    static const char *const names[] = { "destroy", "restart", "preserve", "coredump-destroy",
                                         "coredump-restart" };

    assert_int_equal(parse("name='a'\nkernel='k'"), 0);
    assert_int_equal(config.on_poweroff, ACTION_DESTROY);
    assert_int_equal(config.on_reboot, ACTION_RESTART);
    assert_int_equal(config.on_crash, ACTION_DESTROY);
    assert_int_equal(config.on_watchdog, ACTION_DESTROY);
    for (size_t key = 0; key < ARRAY_SIZE(keys); key++)
        for (size_t action = 0; action < ARRAY_SIZE(names); action++) {
            static const enum config_action expected[] = { ACTION_DESTROY, ACTION_RESTART,
                                                           ACTION_PRESERVE, ACTION_DESTROY,
                                                           ACTION_RESTART };
            const enum config_action *const got[] = { &config.on_poweroff, &config.on_reboot,
                                                      &config.on_crash, &config.on_watchdog,
                                                      &config.on_soft_reset };
            char text[100];

            snprintf(text, sizeof(text), "name='a'\nkernel='k'\n%s='%s'", keys[key], names[action]);
            assert_int_equal(parse(text), 0);
            assert_int_equal(*got[key], expected[action]);
        }
    assert_int_equal(parse("name='a'\nkernel='k'\non_crash=1"), -EINVAL);
}

static void lists_at_their_limits(void **state)
{
    char text[700] = "name='a'\nkernel='k'\ndisk = [ ",
         vifs[200] = "name='a'\nkernel='k'\nvif = [ ";

    for (int i = 0; i < 8; i++) {
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "'phy:p%d,xvd%c,%s', ", i,
                 'a' + i, i % 2 ? "rw" : "ro");
        strcat(vifs, "'',");
    }
    strcat(text, "]");
    strcat(vifs, "]");
    assert_int_equal(parse(text), 0);
    assert_int_equal(DISKS.count, 8);
    assert_string_equal(disk(7)->partition, "p7");
    assert_string_equal(disk(7)->vdev, "xvdh");
    assert_true(disk(7)->writable && !disk(6)->writable);
    strcpy(strrchr(text, ']'), "'phy:p8,xvdi,w' ]");
    assert_int_equal(parse(text), -EINVAL);
    assert_string_equal(problem.text, "at most 8 of disk");
    assert_int_equal(parse(vifs), 0);
    assert_int_equal(VIFS.count, 8);
    strcpy(strrchr(vifs, ']'), "'' ]");
    assert_int_equal(parse(vifs), -EINVAL);
    assert_string_equal(problem.text, "at most 8 of vif");
    assert_int_equal(parse("name='a'\nkernel='k'\nvif = []\ndisk = [ ]"), 0);
    assert_int_equal(VIFS.count + DISKS.count, 0);
    assert_int_equal(parse("name='a'\nkernel='k'\nvif = 'mac=00:16:3e:00:00:01'"), -EINVAL);
    assert_non_null(strstr(problem.text, "vif is a list"));
    assert_int_equal(parse("name='a'\nkernel='k'\nvif = [ 'speed=1', '' ]"), -EINVAL);
    assert_int_equal(parse("name='a'\nkernel='k'\nvif = [ '' "), -EINVAL);
    assert_int_equal(parse("name='a'\nkernel='k'\nvif = [ '' ''"), -EINVAL);
}

static void keys_are_whole_words(void **state)
{
    assert_true(config_name_valid("a-guest.1") && config_name_valid("a b/c:d \303\274'\""));
    assert_false(config_name_valid("") || config_name_valid("a\tb") || config_name_valid("a\177"));
    assert_int_equal(parse("name='a'; kernel='k'\nnam='b'\nnames='c'\n"), 0);
    assert_string_equal(config.name, "a");
    assert_non_null(strstr(warnings.text, ": nam (line 2), names (line 3)\n"));
    assert_int_equal(parse(";;name='a'\r\n\t;kernel='k' ; # and so on\n#\n"), 0);
    assert_int_equal(parse("a123456789012345678901234567890123456789='x'\nname='a'\nkernel='k'"),
                     0);
    assert_non_null(strstr(warnings.text, ": a123456789012345678901234567890123456789 (line 1)\n"));
    assert_int_equal(parse("'0123456789012345678901234567890123456789' = 5"), -EINVAL);
    assert_non_null(strstr(problem.text, "not '012345678901234567890123456789012345678..."));
}

/* dom0's README has a row for each key, and for no other. */
static void the_readme_has_these_keys(void **state)
{
    static char readme[64 * 1024];
    FILE *file = fopen("dom0/README.md", "r");
    unsigned keys = 0, named = 0;
    char *section, *row;

    assert_non_null(file);
    readme[fread(readme, 1, sizeof(readme) - 1, file)] = '\0';
    fclose(file);
    section = strstr(readme, "\n| key | |\n");
    assert_non_null(section);
    *strstr(section, "\n\n") = '\0';
    for (unsigned i = 0; config_key(i); i++, keys++) {
        char word[40];

        snprintf(word, sizeof(word), "`%s`", config_key(i));
        if (!strstr(section, word))
            fail_msg("%s has no row", config_key(i));
    }
    for (row = strstr(section, "\n| `"); row; row = strstr(row + 1, "\n| `"))
        for (char *c = row; *c && strncmp(c, " | ", 3); c++)
            named += *c == '`';
    assert_int_equal(named, 2 * keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file),
        cmocka_unit_test(unknown_keys_warn),
        cmocka_unit_test(many_unknown_keys),
        cmocka_unit_test(mistakes_warn_too),
        cmocka_unit_test(words_behind_the_file),
        cmocka_unit_test(command_lines),
        cmocka_unit_test(uuids),
        cmocka_unit_test(values_keep_their_place),
        cmocka_unit_test(mistakes_name_their_line),
        cmocka_unit_test(memory_may_grow_to_maxmem),
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(noise_is_survived),
        cmocka_unit_test(strings_at_their_limits),
        cmocka_unit_test(numbers_at_their_limits),
        cmocka_unit_test(every_action_of_every_end),
        cmocka_unit_test(lists_at_their_limits),
        cmocka_unit_test(keys_are_whole_words),
        cmocka_unit_test(the_readme_has_these_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
