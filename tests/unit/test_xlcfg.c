/* SPDX-License-Identifier: MIT */
/* dom0's parser of guest configurations: what xl.cfg allows, and for each mistake the line and a sentence.
 * sources: dom0/toolstack/config.c dom0/toolstack/vif.c
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/toolstack/config.h"

static struct config config;
static struct config_problem problem;

static int parse(const char *text) {
    size_t size = strlen(text);
    char *exact = malloc(size ? size : 1);      /* Without the NUL: the parser may not count on one. */
    int error;

    memcpy(exact, text, size);
    error = config_parse(exact, size, &config, &problem);
    free(exact);
    return error;
}

static void a_whole_file(void **state) {
    assert_int_equal(parse("# a guest\n"
                           "name = \"insula-1\"\n"
                           "kernel='insula.elf'; ramdisk = \"initrd\"\r\n"
                           "extra = \"root=/dev/xvda # no comment\"   # comment\n"
                           "memory = 64\nvcpus=2\ncpu_weight = 512\nmax_grant_frames=5\nmax_maptrack_frames=7\ntype = 'pv'\n"
                           "disk = [ 'phy:insula1,xvda,w',\n  \"data,raw,xvdb,r\", # last\n ]\n"
                           "vif = [ 'mac=00:16:3e:01:02:0a,bridge=br1', '' ]\n"
                           "on_crash = 'preserve'\non_poweroff = \"destroy\"\non_reboot='restart'"), 0);
    assert_int_equal(problem.line, 0);
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
    assert_int_equal(config.disk_count, 2);
    assert_string_equal(config.disk[0].partition, "insula1");
    assert_int_equal(config.disk[0].number, 51712);
    assert_true(config.disk[0].writable);
    assert_string_equal(config.disk[1].partition, "data");
    assert_int_equal(config.disk[1].number, 51728);
    assert_false(config.disk[1].writable);
    assert_int_equal(config.vif_count, 2);
    assert_int_equal(config.vif[0].mac[5], 10);
    assert_string_equal(config.vif[0].bridge, "br1");
    assert_string_equal(config.vif[1].bridge, "br0");
    assert_int_equal(config.on_crash, ACTION_PRESERVE);
}

static void unknown_keys_warn(void **state) {
    assert_int_equal(parse("name='a'\nkernel='k'\n\ncolour = 'blue'\n"), 0);
    assert_int_equal(problem.line, 4);
    assert_non_null(strstr(problem.text, "colour"));
}

static void mistakes_name_their_line(void **state) {
    static const struct { const char *text; unsigned line; const char *says; } cases[] = {
        { "", 1, "no name" },
        { "name='a'\n", 2, "no kernel" },
        { "kernel='k'\n\nname = 'a\n", 3, "closing" },
        { "name='a'\nkernel = 5\n", 2, "the value must be a quoted string" },
        { "name = a\n", 1, "quoted" },
        { "name 'a'\n", 1, "expected =" },
        { "= 'a'\n", 1, "expected a key" },
        { "name='a' 'b'\n", 1, "behind" },
        { "name='a b'\n", 1, "letters" },
        { "name=''\n", 1, "empty" },
        { "name='0123456789012345678901234567890123456789'\n", 1, "too long" },
        { "memory = 'x'\n", 1, "number" },
        { "memory = 0\n", 1, "1 to" },
        { "memory = 99999999999999999999\n", 1, "too large" },
        { "memory = 12M\n", 1, "letters" },
        { "vcpus = 99\n", 1, "1 to 32" },
        { "cpu_weight = 0\n", 1, "1 to 65535" },
        { "cpu_weight = 65536\n", 1, "1 to 65535" },
        { "max_grant_frames = 0\n", 1, "1 to 1024" },
        { "max_maptrack_frames = 1025\n", 1, "1 to 1024" },
        { "type='hvm'\n", 1, "pv" },
        { "on_crash='explode'\n", 1, "action" },
        { "disk = 'phy:a,xvda,w'\n", 1, "list" },
        { "disk = [ 'phy:a' ]\n", 1, "phy:PARTITION" },
        { "disk = [ 'phy:a,xvda,w,more' ]\n", 1, "too much" },
        { "disk = [ 'format=qcow2,vdev=xvda,target=a' ]\n", 1, "raw" },
        { "disk = [ 'vdev=xvda,backendtype=qdisk,target=a' ]\n", 1, "'backendtype=qdisk'" },
        { "vcpus = 3\nmaxvcpus = 2\n", 3, "less than vcpus" },
        { "disk = [ 'phy:a,hda,w' ]\n", 1, "device name" },
        { "disk = [ 'phy:a,xvda,x' ]\n", 1, "'r' or 'w'" },
        { "disk = [ 'phy:,xvda,w' ]\n", 1, "partition" },
        { "disk = [ 'phy:a,xvda,w',\n 'phy:b,xvda,w' ]\n", 2, "both" },
        { "disk = [ 'phy:a,xvda,w'\n 'phy:b,xvdb,w' ]\n", 2, "expected" },
        { "disk = [ 'phy:a,xvda,w',\n", 2, "closing" },
        { "disk = [ 5 ]\n", 1, "quoted" },
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
        { "vif = [ 'bridge=a-very-long-name-of-a-bridge' ]\n", 1, "too long" },
    };

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_int_equal(parse(cases[i].text), -EINVAL);
        if (problem.line != cases[i].line || !strstr(problem.text, cases[i].says))
            fail_msg("%s -> line %u: %s", cases[i].text, problem.line, problem.text);
    }
}

static void memory_may_grow_to_maxmem(void **state) {
    assert_int_equal(parse("name='a'\nkernel='k'\nmemory=64"), 0);
    assert_int_equal(config.maxmem_mib, 64);
    assert_int_equal(parse("name='a'\nkernel='k'\nmemory=64\nmaxmem=128"), 0);
    assert_int_equal(config.maxmem_mib, 128);
    assert_int_equal(parse("name='a'\nkernel='k'\nmemory=64\nmaxmem=63"), -EINVAL);
}

static void sizes_have_units(void **state) {
    static const struct { const char *text; unsigned long kib; } good[] = {
        { "256", 262144 }, { "256m", 262144 }, { "256M", 262144 }, { "1g", 1048576 }, { "300k", 300 }, { "4096b", 4 },
    };
    static const char *const bad[] = { "", "m", "0", "12x", "1mm", "-1", "1023b", "99999999999999999999", "1 m" };
    unsigned long kib;

    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        assert_true(config_parse_size(good[i].text, &kib));
        assert_int_equal(kib, good[i].kib);
    }
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        assert_false(config_parse_size(bad[i], &kib));
}

/* What block-attach and network-attach are given. */
static void single_devices(void **state) {
    char disk_text[] = "phy:data,xvdc,r", bad_disk[] = "phy:data,sda,r";
    char vif_text[] = "bridge=br0,mac=00:16:3e:00:00:09", bad_vif[] = "mac=01:16:3e:00:00:09", no_vif[] = "";
    char usual_vif[] = "type=vif,script=vif-bridge,model=e1000,bridge=br0", odd_vif[] = "speed=1Mb/s";
    static const char *const same_disk[] = {                  /* The forms of xl-disk-configuration(5). */
        "phy:data,xvdb,w", "data,raw,xvdb,rw", "data,,xvdb", "phy:data,xvdb", "vdev=xvdb,access=rw,target=data",
        "format=raw,vdev=xvdb,backendtype=phy,target=phy:data", "data,xvdb,access=w",
    };
    struct config_disk disk;
    struct config_vif vif;
    unsigned number;
    uint8_t mac[6];

    assert_int_equal(config_parse_disk(disk_text, &disk, &problem), 0);
    assert_string_equal(disk.partition, "data");
    assert_int_equal(disk.number, 51744);
    assert_false(disk.writable);
    assert_int_equal(config_parse_disk(bad_disk, &disk, &problem), -EINVAL);
    for (size_t i = 0; i < ARRAY_COUNT(same_disk); i++) {
        char text[80];

        snprintf(text, sizeof(text), "%s", same_disk[i]);
        memset(&disk, 0xff, sizeof(disk));
        assert_int_equal(config_parse_disk(text, &disk, &problem), 0);
        assert_string_equal(disk.partition, "data");
        assert_int_equal(disk.number, 51728);
        assert_true(disk.writable);
    }
    assert_non_null(strstr(problem.text, "sda"));
    assert_int_equal(config_parse_vif(vif_text, &vif, &problem), 0);
    assert_int_equal(vif.mac[5], 9);
    assert_int_equal(config_parse_vif(usual_vif, &vif, &problem), 0);
    assert_string_equal(vif.bridge, "br0");
    assert_int_equal(config_parse_vif(odd_vif, &vif, &problem), -EINVAL);
    assert_int_equal(config_parse_vif(no_vif, &vif, &problem), 0);
    assert_int_equal(vif.mac[0] | vif.mac[2], 0);
    assert_int_equal(config_parse_vif(bad_vif, &vif, &problem), -EINVAL);
    assert_true(config_device_number("xvdb", &number));
    assert_int_equal(number, 51728);
    assert_false(config_device_number("51728", &number));
    assert_false(config_parse_mac("00:16:3e:00:00:0", mac));
    assert_true(config_name_valid("a-guest.1"));
    assert_false(config_name_valid("") || config_name_valid("a b") || config_name_valid("0123456789012345678901234567890123"));
}

static void noise_is_survived(void **state) {
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
static bool takes_string(const char *key, size_t length) {
    char text[2000];
    int size = snprintf(text, sizeof(text), "name='a'\nkernel='k'\n%s = '", key);

    memset(text + size, 'x', length);
    strcpy(text + size + length, "'");
    return parse(text) == 0;
}

static void strings_at_their_limits(void **state) {
    assert_true(takes_string("name", 31));
    assert_false(takes_string("name", 32));
    assert_true(takes_string("kernel", 99));
    assert_false(takes_string("kernel", 100));
    assert_true(takes_string("extra", CONFIG_MAX_EXTRA));
    assert_int_equal(strlen(config.extra), CONFIG_MAX_EXTRA);
    assert_false(takes_string("extra", CONFIG_MAX_EXTRA + 1));
    assert_non_null(strstr(problem.text, "1000 characters"));
    assert_true(takes_string("unknown", 1099));
    assert_false(takes_string("unknown", 1100));
    assert_int_equal(problem.line, 3);
    assert_false(takes_string("disk", 5));
    assert_int_equal(parse("name='a'\nkernel='k'\nextra='a\tb'"), -EINVAL);
    assert_non_null(strstr(problem.text, "control"));
    assert_int_equal(parse("name='a'\nkernel='k'\nextra='a\x80 \"'"), 0);
    assert_string_equal(config.extra, "a\x80 \"");
    assert_int_equal(parse("name='a'\nkernel='k'\nextra='a"), -EINVAL);
    assert_int_equal(parse("name='a'\nkernel='k'\ncmdline='b'"), 0);
    assert_string_equal(config.extra, "b");
}

static void numbers_at_their_limits(void **state) {
    static const struct { const char *line; bool good; } cases[] = {
        { "memory=1", true },     { "memory=1048576\nmaxmem=1048576", true }, { "memory=1048577", false },
        { "maxmem=1048577", false }, { "maxmem=0", false }, { "vcpus=32", true }, { "vcpus=33", false }, { "vcpus=0", false },
        { "maxvcpus=32", true },  { "maxvcpus=33", false }, { "maxvcpus=0", false }, { "memory=1000000000", false },
        { "maxmem='1'", false },  { "unknown=1000000000", true }, { "unknown=1000000001", false },
        { "vcpus=2\nmaxvcpus=2", true }, { "type=1", false }, { "type='pvh'", false },
    };

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
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

static void every_action_of_every_end(void **state) {
    static const char *const keys[] = { "on_poweroff", "on_reboot", "on_crash", "on_watchdog" };
    static const char *const names[] = { "destroy", "restart", "preserve" };

    assert_int_equal(parse("name='a'\nkernel='k'"), 0);
    assert_int_equal(config.on_poweroff, ACTION_DESTROY);
    assert_int_equal(config.on_reboot, ACTION_RESTART);
    assert_int_equal(config.on_crash, ACTION_DESTROY);
    assert_int_equal(config.on_watchdog, ACTION_DESTROY);
    for (size_t key = 0; key < ARRAY_COUNT(keys); key++)
        for (size_t action = 0; action < ARRAY_COUNT(names); action++) {
            static const enum config_action expected[] = { ACTION_DESTROY, ACTION_RESTART, ACTION_PRESERVE };
            const enum config_action *const got[] = { &config.on_poweroff, &config.on_reboot, &config.on_crash,
                                                      &config.on_watchdog };
            char text[100];

            snprintf(text, sizeof(text), "name='a'\nkernel='k'\n%s='%s'", keys[key], names[action]);
            assert_int_equal(parse(text), 0);
            assert_int_equal(*got[key], expected[action]);
        }
    assert_int_equal(parse("name='a'\nkernel='k'\non_crash=1"), -EINVAL);
}

static void names_of_disks(void **state) {
    static const struct { const char *name; unsigned number; } good[] = {
        { "xvda", 51712 }, { "xvdp", 51952 }, { "xvda1", 51713 }, { "xvdb15", 51743 }, { "xvda12", 51724 },
    };
    static const char *const bad[] = { "xvd", "xvdq", "xvd`", "xvdA", "xvda0", "xvda16", "xvda1a", "xvda:", "xvda/", "sda", "" };
    unsigned number;

    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        assert_true(config_device_number(good[i].name, &number));
        assert_int_equal(number, good[i].number);
    }
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        assert_false(config_device_number(bad[i], &number));
}

static void lists_at_their_limits(void **state) {
    char text[700] = "name='a'\nkernel='k'\ndisk = [ ", vifs[200] = "name='a'\nkernel='k'\nvif = [ ";

    for (int i = 0; i < 8; i++) {
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "'phy:p%d,xvd%c,%s', ", i, 'a' + i, i % 2 ? "rw" : "ro");
        strcat(vifs, "'',");
    }
    strcat(text, "]");
    strcat(vifs, "]");
    assert_int_equal(parse(text), 0);
    assert_int_equal(config.disk_count, 8);
    assert_string_equal(config.disk[7].partition, "p7");
    assert_string_equal(config.disk[7].vdev, "xvdh");
    assert_true(config.disk[7].writable && !config.disk[6].writable);
    strcpy(strrchr(text, ']'), "'phy:p8,xvdi,w' ]");
    assert_int_equal(parse(text), -EINVAL);
    assert_string_equal(problem.text, "at most 8 disks");
    strcpy(strrchr(text, ']'), ", 'phy:p9,xvdj,w' ]");
    assert_int_equal(parse(text), -EINVAL);
    assert_string_equal(problem.text, "the list is too long");
    assert_int_equal(parse(vifs), 0);
    assert_int_equal(config.vif_count, 8);
    strcpy(strrchr(vifs, ']'), "'' ]");
    assert_int_equal(parse(vifs), -EINVAL);
    assert_string_equal(problem.text, "at most 8 network cards");
    assert_int_equal(parse("name='a'\nkernel='k'\nvif = []\ndisk = [ ]"), 0);
    assert_int_equal(config.vif_count + config.disk_count, 0);
    assert_int_equal(parse("name='a'\nkernel='k'\nvif = 'mac=00:16:3e:00:00:01'"), -EINVAL);
    assert_non_null(strstr(problem.text, "vif is a list"));
    assert_int_equal(parse("name='a'\nkernel='k'\nvif = [ 'speed=1', '' ]"), -EINVAL);
    assert_int_equal(parse("name='a'\nkernel='k'\nvif = [ '' "), -EINVAL);
    assert_int_equal(parse("name='a'\nkernel='k'\nvif = [ '' ''"), -EINVAL);
}

static void parts_of_disks_and_vifs(void **state) {
    static const struct { const char *text; const char *says; } disks[] = {
        { "target=0123456789012345678901234567890123456,vdev=xvda", "36 characters" },
        { "phy:a,qcow2,xvda,w", "too much" }, { "a,raw,xvda,r,", "too much" }, { "vdev=xvda", "phy:PARTITION" },
        { "target=a,vdev=xvda0123456789", "device name" }, { "a,xvda,", "'r' or 'w'" }, { "a,xvda,script=x", "script=x" },
        { "target=a,vdev=xvda,access=W", "'r' or 'w'" },
    };
    char text[100];
    struct config_disk disk;
    struct config_vif vif;
    uint8_t mac[6];

    for (size_t i = 0; i < ARRAY_COUNT(disks); i++) {
        strcpy(text, disks[i].text);
        assert_int_equal(config_parse_disk(text, &disk, &problem), -EINVAL);
        if (!strstr(problem.text, disks[i].says))
            fail_msg("%s: %s", disks[i].text, problem.text);
    }
    strcpy(text, "target=012345678901234567890123456789012345,vdev=xvda15, access=ro");
    assert_int_equal(config_parse_disk(text, &disk, &problem), 0);
    assert_int_equal(strlen(disk.partition), 36);
    strcpy(text, "  mac=00:16:3E:aF:00:09,  bridge=0123456789abcde");
    assert_int_equal(config_parse_vif(text, &vif, &problem), 0);
    assert_memory_equal(vif.mac, "\x00\x16\x3e\xaf\x00\x09", 6);
    assert_string_equal(vif.bridge, "0123456789abcde");
    strcpy(text, "bridge=0123456789abcdef");
    assert_int_equal(config_parse_vif(text, &vif, &problem), -EINVAL);
    assert_false(config_parse_mac("00:16:3e:00:00:00:", mac));
    assert_false(config_parse_mac("00:16:3e:00:00-00", mac));
    assert_false(config_parse_mac("0g:16:3e:00:00:00", mac));
    assert_false(config_parse_mac("0:16:3e:00:00:00", mac));
    assert_false(config_parse_mac("/0:16:3e:00:00:00", mac));
    assert_false(config_parse_mac("", mac));
    assert_true(config_name_valid("0123456789012345678901234567890"));
    assert_false(config_name_valid("01234567890123456789012345678901"));
    assert_false(config_name_valid("a/b") || config_name_valid("a:b") || config_name_valid("a[") || config_name_valid("a`"));
    assert_true(config_name_valid("azAZ09_-."));
}

static void keys_are_whole_words(void **state) {
    assert_int_equal(parse("name='a'; kernel='k'\nnam='b'\nnames='c'\n"), 0);
    assert_string_equal(config.name, "a");
    assert_int_equal(problem.line, 2);                          /* The first of the two. */
    assert_non_null(strstr(problem.text, "'nam'"));
    assert_int_equal(parse(";;name='a'\r\n\t;kernel='k' ; # and so on\n#\n"), 0);
    assert_int_equal(parse("0123456789012345678901234567890123456789='x'\nname='a'\nkernel='k'"), 0);
    assert_non_null(strstr(problem.text, "'012345678901234567890123456789'"));
    assert_int_equal(parse("0123456789012345678901234567890123456789 'x'"), -EINVAL);
    assert_non_null(strstr(problem.text, "'012345678901234567890123456789'"));
}

/* Rates as Xen's libxlutil reads them, seen side by side. */
static void rates_are_xls(void **state) {
    static const struct { const char *text; uint64_t bytes; uint32_t usecs; const char *why; } rates[] = {
        { "10Mb/s", 62500, 50000, NULL },           { "1MB/s@20ms", 20000, 20000, NULL },
        { "250KB/s", 12500, 50000, NULL },          { "1GB/s", 50000000, 50000, NULL },
        { "160b/s", 1, 50000, NULL },               { "20B/s", 1, 50000, NULL },
        { "4294967295B/s", 214748364, 50000, NULL },  { "1MB/s@10us", 10, 10, NULL },
        { "1MB/s@10u", 10, 10, NULL },              { "1MB/s@10m", 10000, 10000, NULL },
        { "1MB/s@1s", 1000000, 1000000, NULL },     { "1MB/s@10", 10000000, 10000000, NULL },
        { "1MB/s@4294967295us", 4294967295, 4294967295, NULL },
        { "", 0, 0, "invalid rate" },               { "10", 0, 0, "invalid rate" },
        { "10Mb", 0, 0, "invalid rate" },           { "10 Mb/s", 0, 0, "invalid rate" },
        { "-1B/s", 0, 0, "invalid rate" },          { "1mb/s", 0, 0, "invalid rate" },
        { "1TB/s", 0, 0, "invalid rate" },          { "1MB/s ", 0, 0, "invalid rate" },
        { "1MB/sec", 0, 0, "invalid rate" },        { "0x10MB/s", 0, 0, "invalid rate" },
        { "0B/s", 0, 0, "rate overflow" },          { "4294967296B/s", 0, 0, "rate overflow" },
        { "18446744073709551617B/s", 0, 0, "rate overflow" },
        { "10GB/s@4294s", 0, 0, "rate overflow" },
        { "1MB/s@", 0, 0, "invalid replenishment interval" },
        { "1MB/s@5ns", 0, 0, "invalid replenishment interval" },
        { "1MB/s@20ms@5ms", 0, 0, "invalid replenishment interval" },
        { "1MB/s@0ms", 0, 0, "replenishment interval overflow" },
        { "1MB/s@4295s", 0, 0, "replenishment interval overflow" },
        { "1MB/s@18446744073709551616", 0, 0, "replenishment interval overflow" },
        { "19B/s", 0, 0, "too small" },             /* There, nothing at all may be sent then. */
    };

    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        uint64_t bytes = 0;
        uint32_t usecs = 0;
        const char *why = vif_parse_rate(rates[i].text, &bytes, &usecs);

        if (rates[i].why) {
            assert_non_null(why);
            assert_non_null(strstr(why, rates[i].why));
        } else {
            assert_null(why);
            assert_int_equal(bytes, rates[i].bytes);
            assert_int_equal(usecs, rates[i].usecs);
        }
    }
}

static void a_card_has_its_words(void **state) {
    char text[] = " ip=192.168.1.5  10.0.2.30 ,mac=00:16:3E:AA:BB:CC , rate=1MB/s@20ms,spoof=1", plain[] = "spoof=0";
    struct config_problem problem;
    struct config_vif vif;

    assert_int_equal(config_parse_vif(text, &vif, &problem), 0);
    assert_int_equal(vif.addresses, 2);
    assert_int_equal(vif.address[0], 0xc0a80105);
    assert_int_equal(vif.address[1], 0x0a00021e);
    assert_string_equal(vif.ip, "192.168.1.5  10.0.2.30");
    assert_int_equal(vif.mac[3], 0xaa);
    assert_int_equal(vif.rate_bytes, 20000);
    assert_int_equal(vif.rate_usecs, 20000);
    assert_true(vif.spoof);
    assert_int_equal(config_parse_vif(plain, &vif, &problem), 0);
    assert_false(vif.spoof || vif.addresses || vif.rate_bytes || vif.ip[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_xls),
        cmocka_unit_test(a_card_has_its_words),
        cmocka_unit_test(a_whole_file),
        cmocka_unit_test(unknown_keys_warn),
        cmocka_unit_test(mistakes_name_their_line),
        cmocka_unit_test(memory_may_grow_to_maxmem),
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(single_devices),
        cmocka_unit_test(noise_is_survived),
        cmocka_unit_test(strings_at_their_limits),
        cmocka_unit_test(numbers_at_their_limits),
        cmocka_unit_test(every_action_of_every_end),
        cmocka_unit_test(names_of_disks),
        cmocka_unit_test(lists_at_their_limits),
        cmocka_unit_test(parts_of_disks_and_vifs),
        cmocka_unit_test(keys_are_whole_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
