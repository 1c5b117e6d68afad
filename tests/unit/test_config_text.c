/* SPDX-License-Identifier: MIT */
/* A configuration that is written as a text, and read again, is the same. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/config/disk.h"
#include "dom0/config/text.h"
#include "dom0/config/vif.h"

static struct config first, second;

static void read_into(struct config *config, const char *text)
{
    static struct config_warnings warnings;
    struct problem problem = { .text = "" };

    memset(config, 0, sizeof(*config));
    if (config_parse(text, strlen(text), "", config, &problem, &warnings))
        fail_msg("%s\n%s", problem.text, text);
    assert_string_equal(warnings.text, "");
}

/* But for the lines where things stood. */
static void forget_places(struct config *config)
{
    memset(&config->at, 0, sizeof(config->at));
    for (unsigned kind = 0; kind < DEVICE_KINDS; kind++)
        for (unsigned i = 0; i < CONFIG_MAX_DEVICES; i++)
            memset(&config->devices[kind].device[i].at, 0, sizeof(struct config_place));
}

static void same(const char *text)
{
    char written[CONFIG_TEXT_BYTES];

    size_t size;

    read_into(&first, text);
    size = config_write(&first, written);
    assert_int_equal(size, strlen(written));
    read_into(&second, written);
    forget_places(&first);
    forget_places(&second);
    assert_memory_equal(&first, &second, sizeof(first));
}

static void configurations(void **state)
{
    same("name = 'a'\nkernel = 'k.elf'\n");
    same("name = \"a \\\"b\\\" \\\\ c'd\"\nkernel = 'k'\nextra = \"one=\\\"1 2\\\"\ttwo\"\n");
    same("name = 'full'\nkernel = 'vmlinux'\nramdisk = 'initrd'\nroot = '/dev/xvda1'\n"
         "extra = 'ro quiet'\nmemory = 100\nmaxmem = 200\nvcpus = 2\nmaxvcpus = 4\n"
         "uuid = '01234567-89ab-cdef-0123-456789abcdef'\n"
         "cpu_weight = 512\ncap = 150\ncpus = [ '0-2,5', '1', 'all' ]\n"
         "cpus_soft = [ 'all', '0' ]\n"
         "max_grant_frames = 32\nmax_maptrack_frames = 16\n"
         "on_poweroff = 'preserve'\non_reboot = 'destroy'\non_crash = 'restart'\n"
         "on_watchdog = 'restart'\non_soft_reset = 'preserve'\n"
         "disk = [ 'phy:data,xvda,w', 'phy:/dev/disk0,hdc:cdrom,r', "
         "'vdev=xvdb,access=ro,untrusted,no-discard,target=a, strange name' ]\n"
         "vif = [ '', 'mac=00:16:3e:00:00:09,bridge=br0,vifname=v1,mtu=1400,untrusted', "
         "'ip=10.0.2.30 10.0.2.31,rate=10Mb/s@20ms,spoof=1' ]\n");
    same("name = 'r'\nkernel = 'k'\nvif = [ 'rate=333B/s@7ms', 'rate=1GB/s', 'rate=77Kb/s' ]\n");
}

/* What would end a string, or a word of a device, or begins an escape. */
static void strange_names(void **state)
{
    same("name = 'a'\nkernel = 'k'\nvif = [ \"vifname=it's\", 'bridge=\"b\\\\n\"' ]\n");
    same("name = 'a'\nkernel = 'k'\ndisk = [ \"phy:bob's,xvda,w\", 'phy:a\\\\tb,xvdb,w', "
         "'vdev=xvdc,target=x,,', 'vdev=xvdd,target=y,z,,', 'vdev=xvde,target= \"' ]\n");
}

static uint64_t random_state;

static unsigned below(unsigned limit)
{
    random_state = random_state * 6364136223846793005ul + 1442695040888963407ul;
    return (unsigned)(random_state >> 33) % limit;
}

/* Up to that many characters, as they stand in a string. */
static const char *characters(unsigned most)
{
    static const char *const all[] = { "a", "Z", "9", " ", ",", "=", "'", "\\\"", "\\\\", "\\t",
                                       "\\n", "#", ";", "[", "]", "/", ":", "\xc3\xa4", "\t", "n" };
    static char texts[8][128];
    static unsigned next;
    char *text = texts[next++ % ARRAY_SIZE(texts)];

    *text = '\0';
    for (unsigned i = below(most + 1); i > 0; i--)
        strcat(text, all[below(ARRAY_SIZE(all))]);
    return text;
}

/* Whatever is taken. */
static void any_names(void **state)
{
    static struct config_warnings warnings;
    unsigned taken = 0;
    char text[2048];

    for (random_state = 1; random_state && taken < 2000; ) {
        snprintf(text, sizeof(text), "name = \"n%s\"\nkernel = \"k%s\"\nextra = \"%s\"\n"
                 "disk = [ \"vdev=xvda,target=p%s\", \"phy:%s,xvdb,w\" ]\n"
                 "vif = [ \"vifname=v%s,bridge=%s\" ]\n", characters(30), characters(30),
                 characters(30), characters(12), characters(6), characters(6), characters(6));
        if (config_parse(text, strlen(text), "", &first, &(struct problem){ .text = "" },
                         &warnings))
            continue;
        same(text);
        taken++;
    }
}

/* No configuration is longer than the place for it. */
static void the_longest(void **state)
{
    char written[CONFIG_TEXT_BYTES];
    struct config_disk *disk;
    struct config_vif *vif;

    read_into(&first, "name = 'a'\nkernel = 'k'\nmaxvcpus = 32\n"
                      "disk = [ 'phy:data,xvda,w' ]\nvif = [ 'mac=00:16:3e:00:00:09' ]\n");
    memset(first.extra, '"', CONFIG_MAX_EXTRA);
    memset(first.kernel, '\\', CONFIG_MAX_FILE);
    memset(first.ramdisk, '\\', CONFIG_MAX_FILE);
    for (unsigned i = 0; i < CONFIG_MAX_VCPUS; i++)
        first.cpus[i] = first.cpus_soft[i] = 0x5555555555555555ul;
    disk = config_of(struct config_disk, &first.devices[DEVICE_DISK].device[0]);
    vif = config_of(struct config_vif, &first.devices[DEVICE_VIF].device[0]);
    memset(disk->partition, '"', sizeof(disk->partition) - 1);
    memset(vif->name, '"', sizeof(vif->name) - 1);
    memset(vif->bridge, '"', sizeof(vif->bridge) - 1);
    for (unsigned kind = 0; kind < DEVICE_KINDS; kind++) {
        for (unsigned i = 1; i < CONFIG_MAX_DEVICES; i++)
            first.devices[kind].device[i] = first.devices[kind].device[0];
        first.devices[kind].count = CONFIG_MAX_DEVICES;
    }
    assert_true(config_write(&first, written) < CONFIG_TEXT_BYTES - 1);
    assert_non_null(strstr(written, "on_soft_reset"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configurations), cmocka_unit_test(strange_names),
        cmocka_unit_test(any_names),      cmocka_unit_test(the_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
