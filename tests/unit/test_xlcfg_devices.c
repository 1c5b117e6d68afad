/* SPDX-License-Identifier: MIT */
/*
 * Disks and network cards of configurations: what each specification means, and the sentence when
 * it cannot be had. (How Xen reads them: test_xlcfg_oracle.c.)
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/config/address.h"
#include "dom0/config/disk.h"
#include "dom0/config/vif.h"

static struct problem problem;

/* What block-attach and network-attach are given. */
static void single_devices(void **state)
{
    char disk_text[] = "phy:data,xvdc,r", bad_disk[] = "phy:data,sdq,r";
    char vif_text[] = "bridge=br0,mac=00:16:3e:00:00:09", bad_vif[] = "mac=01:16:3e:00:00:09",
         no_vif[] = "";
    char usual_vif[] = "type=vif,script=vif-bridge,model=e1000,bridge=br0",
         odd_vif[] = "speed=1Mb/s";
    static const char *const same_disk[] = {
        /* The forms of xl-disk-configuration(5). */
        "phy:data,xvdb,w",
        "data,raw,xvdb,rw",
        "data,,xvdb",
        "phy:data,xvdb",
        "vdev=xvdb,access=rw,target=data",
        "format=raw, vdev=xvdb, backendtype=phy, target=data,",
        "data,access=w,,xvdb",
        "data,raw,51728,w",
        "raw:data,xvdb:disk,w",
        "/dev/disk/by-partlabel/data,raw,xvdb",
        "file:data,d1p0",
        "data,raw,vdev=xvdb,direct-io-safe,no-discard,discard,trusted",
    };
    struct config_disk disk;
    struct config_vif vif;
    unsigned number;
    uint8_t mac[6];

    assert_int_equal(disk_parse(disk_text, &disk, &problem), 0);
    assert_string_equal(disk.partition, "data");
    assert_int_equal(disk.number, 51744);
    assert_false(disk.writable);
    assert_int_equal(disk_parse(bad_disk, &disk, &problem), -EINVAL);
    for (size_t i = 0; i < ARRAY_SIZE(same_disk); i++) {
        char text[80];

        snprintf(text, sizeof(text), "%s", same_disk[i]);
        memset(&disk, 0xff, sizeof(disk));
        assert_int_equal(disk_parse(text, &disk, &problem), 0);
        assert_string_equal(disk.partition, "data");
        assert_int_equal(disk.number, 51728);
        assert_true(disk.writable && !disk.cdrom && !disk.untrusted && !disk.no_discard);
    }
    assert_int_equal(disk_parse("phy:data,xvdb,w,no-discard", &disk, &problem), 0);
    assert_true(disk.no_discard);
    assert_int_equal(disk_parse("phy:data,hdc:cdrom,r", &disk, &problem), 0);
    assert_true(disk.number == 5632 && disk.cdrom && !disk.writable);
    assert_int_equal(disk_parse("devtype=cdrom,vdev=768,untrusted,target=data", &disk, &problem),
                     0);
    assert_true(disk.number == 768 && disk.cdrom && disk.untrusted && !disk.writable);
    assert_string_equal(disk.vdev, "768");
    assert_int_equal(disk_parse("phy:/dev/disk0,xvda,r", &disk, &problem), 0);
    assert_string_equal(disk.partition, "/dev/disk0");
    assert_int_equal(disk_parse("data,raw,sdq", &disk, &problem), -EINVAL);
    assert_non_null(strstr(problem.text, "sdq"));
    assert_int_equal(vif_parse(vif_text, &vif, &problem), 0);
    assert_int_equal(vif.mac[5], 9);
    assert_int_equal(vif_parse(usual_vif, &vif, &problem), 0);
    assert_string_equal(vif.bridge, "br0");
    assert_int_equal(vif_parse(odd_vif, &vif, &problem), -EINVAL);
    assert_int_equal(vif_parse(no_vif, &vif, &problem), 0);
    assert_int_equal(vif.mac[0] | vif.mac[2], 0);
    assert_int_equal(vif_parse(bad_vif, &vif, &problem), -EINVAL);
    assert_true(disk_number("xvdb", &number));
    assert_int_equal(number, 51728);
    assert_true(disk_number("51728", &number) && number == 51728);
    assert_true(vif_parse_mac("0:16:3e:0:0:F", mac) && mac[5] == 15 && mac[1] == 0x16);
}

static void names_of_disks(void **state)
{
    static const struct { const char *name; unsigned number;
    } good[] = {
        { "xvda", 51712 },
        { "xvdp", 51952 },
        { "xvda1", 51713 },
        { "xvdb15", 51743 },
        { "xvda12", 51724 },
        { "xvdq", 1u << 28 | 16 << 8 },
        { "xvda16", 1u << 28 | 16 },
        { "xvdaa255", 1u << 28 | 26 << 8 | 255 },
        { "sda", 2048 },
        { "sdp15", 2303 },
        { "hda", 768 },
        { "hdb63", 895 },
        { "hdd", 5696 },
        { "hdc1", 5633 },
        { "d0p0", 51712 },
        { "d1p2", 51730 },
        { "d16p0", 1u << 28 | 16 << 8 },
        { "768", 768 },
        { "0x300", 768 },
        { "0", 0 },
        { "2147483647", 2147483647 },
    };
    static const char *const bad[] = {
    "xvd", "xvd`", "xvdA", "xvda0", "xvda256", "xvda1a", "xvda:", "xvda/", "", "sdq", "sda16",
    "hde", "hda64", "vda", "d0", "d0p", "d0p256", "dp1", "d-1p0", "d 1p0", "d0p1x", "-1", "+5",
    " 5", "5 ", "08", "2147483648", "0x", "xvdzzzzzzz", "99999999999999999999999999",
};
    unsigned number;

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_true(disk_number(good[i].name, &number));
        assert_int_equal(number, good[i].number);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(disk_number(bad[i], &number));
}

static void parts_of_disks_and_vifs(void **state)
{
    static const struct { const char *text; const char *says;
    } disks[] = {
        { "vdev=xvda,target=0123456789012345678901234567890123456", "36 characters" },
        { "target=a,vdev=xvda", "target= takes all that follows" },
        { "phy:a,qcow2,xvda,w", "'xvda': a disk's access" },
        { "a,raw,xvda,r,w", "'w': it is one word too many" },
        { "vdev=xvda", "no target" },
        { "", "no device" },
        { "vdev=xvda0123456789,target=a", "device name" },
        { "vdev=xvda01234567890123456789,target=a", "device name" },
        { "a,xvda,w", "'xvda': there is no such value" },
        { "phy:a,xvda,script=x", "'x': no script" },
        { "nbd:a,xvda,w", "'block-nbd': no script" },
        { "phy:a,xvda,colo=x", "'colo': a disk has no such word" },
        { "vdev=xvda,access=W,target=a", "'r' or 'w'" },
        { "foo:/a,xvda,w", "no such prefix" },
        { "phy:a,xvda,w,vdev=xvdb", "'xvdb': it is given twice" },
        { "raw:a,xvda,format=vhd", "'vhd': it is given twice" },
        { "phy:a,xvda,devtype=tape", "disk or cdrom" },
        { "phy:a,xvda:tape", "disk or cdrom" },

        { "phy:a,xvda,specification=virtio", "only be xen" },
        { "phy:a,xvda,backend=driver", "'driver': a disk's backend" },
        { "phy:a,xvda,backendtype=tape", "no such value" },
        { ",,hdc:cdrom,r", "empty drive" },
        { "vdev=hdc,cdrom", "empty drive" },
        { "a\nb,raw,xvda", "control" },
        { "qcow2:a,xvda,w", "'qcow2': a disk's format" },
    };
    char text[300];
    struct config_disk disk;
    struct config_vif vif;
    uint8_t mac[6];

    for (size_t i = 0; i < ARRAY_SIZE(disks); i++) {
        strcpy(text, disks[i].text);
        assert_int_equal(disk_parse(text, &disk, &problem), -EINVAL);
        if (!strstr(problem.text, disks[i].says))
            fail_msg("%s: %s", disks[i].text, problem.text);
    }
    memset(text, ' ', sizeof(text));
    strcpy(text + DEVICE_MOST_BYTES - 1 - strlen("phy:a,xvda"), "phy:a,xvda");
    assert_int_equal(disk_parse(text, &disk, &problem), 0);
    assert_int_equal(disk_parse(strcat(text, " "), &disk, &problem), -EINVAL);
    assert_int_equal(vif_parse(text + 1, &vif, &problem), -EINVAL);
    assert_non_null(strstr(problem.text, "not 'phy:a"));
    assert_int_equal(vif_parse(text, &vif, &problem), -EINVAL);
    assert_non_null(strstr(problem.text, "at most 255 characters"));
    strcpy(text, "vdev=xvda15, access=ro, target=012345678901234567890123456789012345");
    assert_int_equal(disk_parse(text, &disk, &problem), 0);
    assert_int_equal(strlen(disk.partition), 36);
    strcpy(text, "  mac=00:16:3E:aF:00:09,  bridge=0123456789abcde");
    assert_int_equal(vif_parse(text, &vif, &problem), 0);
    assert_memory_equal(vif.mac, "\x00\x16\x3e\xaf\x00\x09", 6);
    assert_string_equal(vif.bridge, "0123456789abcde");
    strcpy(text, "bridge=0123456789abcdef");
    assert_int_equal(vif_parse(text, &vif, &problem), -EINVAL);
    assert_false(vif_parse_mac("00:16:3e:00:00:00:", mac));
    assert_false(vif_parse_mac("00:16:3e:00:00-00", mac));
    assert_false(vif_parse_mac("0g:16:3e:00:00:00", mac));
    assert_false(vif_parse_mac("000:16:3e:00:00:00", mac));
    assert_false(vif_parse_mac("/0:16:3e:00:00:00", mac));
    assert_false(vif_parse_mac("", mac));
}

/* Rates as Xen's libxlutil reads them, seen side by side. */
static void rates_are_xls(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
        uint32_t usecs;
        const char *why;
    } rates[] = {
        { "10Mb/s", 62500, 50000, NULL },
        { "1MB/s@20ms", 20000, 20000, NULL },
        { "250KB/s", 12500, 50000, NULL },
        { "1GB/s", 50000000, 50000, NULL },
        { "160b/s", 1, 50000, NULL },
        { "20B/s", 1, 50000, NULL },
        { "4294967295B/s", 214748364, 50000, NULL },
        { "1MB/s@10us", 10, 10, NULL },
        { "1MB/s@10u", 10, 10, NULL },
        { "1MB/s@10m", 10000, 10000, NULL },
        { "1MB/s@1s", 1000000, 1000000, NULL },
        { "1MB/s@10", 10000000, 10000000, NULL },
        { "1MB/s@4294967295us", 4294967295, 4294967295, NULL },
        { "", 0, 0, "invalid rate" },
        { "10", 0, 0, "invalid rate" },
        { "10Mb", 0, 0, "invalid rate" },
        { "010MB/s", 400000, 50000, NULL },
        { "08MB/s", 0, 0, "invalid rate" },
        { "1MB/s@010ms", 8000, 8000, NULL },
        { "10 Mb/s", 0, 0, "invalid rate" },
        { "-1B/s", 0, 0, "invalid rate" },
        { "1mb/s", 0, 0, "invalid rate" },
        { "1TB/s", 0, 0, "invalid rate" },
        { "1MB/s ", 0, 0, "invalid rate" },
        { "1MB/sec", 0, 0, "invalid rate" },
        { "0x10MB/s", 0, 0, "invalid rate" },
        { "0B/s", 0, 0, "rate overflow" },
        { "4294967296B/s", 0, 0, "rate overflow" },
        { "18446744073709551617B/s", 0, 0, "rate overflow" },
        { "10GB/s@4294s", 0, 0, "rate overflow" },
        { "1MB/s@", 0, 0, "invalid replenishment interval" },
        { "1MB/s@5ns", 0, 0, "invalid replenishment interval" },
        { "1MB/s@20ms@5ms", 0, 0, "invalid replenishment interval" },
        { "1MB/s@0ms", 0, 0, "replenishment interval overflow" },
        { "1MB/s@4295s", 0, 0, "replenishment interval overflow" },
        { "1MB/s@18446744073709551616", 0, 0, "replenishment interval overflow" },
        { "19B/s", 0, 0, "too small" }, /* There, nothing at all may be sent then. */
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

static void a_card_has_its_words(void **state)
{
    char text[] = " ip=192.168.1.255  10.0.2.30 ,mac=00:16:3E:AA:BB:CC , rate=1MB/s@20ms,spoof=1",
         plain[] = "spoof=0";
    struct problem problem;
    struct config_vif vif;

    assert_int_equal(vif_parse(text, &vif, &problem), 0);
    assert_int_equal(vif.addresses, 2);
    assert_int_equal(vif.address[0], 0xc0a801ff);
    assert_int_equal(vif.address[1], 0x0a00021e);
    assert_string_equal(vif.ip, "192.168.1.255  10.0.2.30");
    assert_int_equal(vif.mac[3], 0xaa);
    assert_int_equal(vif.rate_bytes, 20000);
    assert_int_equal(vif.rate_usecs, 20000);
    assert_true(vif.spoof);
    assert_int_equal(vif_parse(plain, &vif, &problem), 0);
    assert_false(vif.spoof || vif.addresses || vif.rate_bytes || vif.ip[0] || vif.untrusted ||
                 vif.model || vif.name[0]);
    assert_int_equal(vif.mtu, 1500);
    assert_int_equal(vif_parse("mtu=1400,untrusted,vifname=a-guest.0,backend=0,script=/etc/xen/"
                               "scripts/vif-bridge,model=e1000",
                               &vif, &problem),
                     0);
    assert_true(vif.mtu == 1400 && vif.untrusted && vif.model);
    assert_string_equal(vif.name, "a-guest.0");
}

static void addresses_are_read_and_written(void **state)
{
    static const char *const bad[] = { "", "10", "10.0.2", "10.0.2.", "10.0.2.256", "10..2.1",
                                       "10.0.2.1.", "10.0.2.1/", "10.0.2.1/33", "10.0.2.1/24x",
                                       "a.0.2.1", "-1.0.2.1", "10.0.2.4294967306", "10,0.2.1" };
    char text[ADDRESS_TEXT];
    uint32_t address;

    assert_true(address_parse("10.0.2.30", &address));
    assert_int_equal(address, 0x0a00021e);
    assert_true(address_parse("255.254.253.252/32", &address));
    assert_string_equal(address_text(address, text), "255.254.253.252");
    assert_true(address_parse("0.0.0.0/0", &address));
    assert_string_equal(address_text(address, text), "0.0.0.0");
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(address_parse(bad[i], &address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_devices),
        cmocka_unit_test(names_of_disks),
        cmocka_unit_test(parts_of_disks_and_vifs),
        cmocka_unit_test(rates_are_xls),
        cmocka_unit_test(addresses_are_read_and_written),
        cmocka_unit_test(a_card_has_its_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
