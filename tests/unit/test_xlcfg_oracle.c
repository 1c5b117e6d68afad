/* SPDX-License-Identifier: MIT */
/*
 * Configurations as Xen's own library reads them: each of xlcfg.txt is read by libxlutil and by
 * ours, and compared (xlu_host.h, which also has the list of what is meant to differ); disks,
 * rates, names of devices and uuids likewise (xlu_devices_host.h).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include "dom0/config/config.h"
#include "xlu_devices_host.h"

#define CORPUS "tests/unit/xlcfg.txt"
#define LEAST 150u                      /* So many there are to be. */

static char corpus[128 * 1024];

/* Texts that a file of text cannot hold. */
static const struct { const char *name, *text; } odd[] = {
    { "lines end with CRLF", "name = 'a'\r\nmemory = 5\r\n# x\r\ndisk = [ 'a',\r\n 'b' ]\r\n" },
    { "a carriage return elsewhere", "name = 'a'\rmemory = 5" },
    { "CRLF, and a mistake in line 2", "a = 1\r\nb = %\r\n" },
    { "a tab in a string", "extra = 'a\tb'\tmemory=5" },
    { "bytes above 127 in a string", "name = 'M\xc3\xbcnchen \xff'" },
    { "a byte above 127 outside", "name = \xc3\xbc" },
    { "a form feed outside", "a = 1\fb = 2" },
    { "no text", "" },
    { "no end of the last line", "a = 1\nb = 'x'" },
    { "a comment without its end", "a = 1\n# b" },
    { "a string without its end", "a = 'x" },
    { "a backslash without its end", "a = 'x\\" },
    { "a key without its end", "a = 1\nb" },
    { "an assignment without its end", "a = 1\nb =" },
    { "a list without its end", "a = [ 1,\n[ 2" },
};

static void alike(const char *name, const char *text, size_t size)
{
    if (!read_alike(text, size, devices_alike))
        fail_msg("'%s' is not read alike", name);
}

/* The configurations of a file: each begins with a line "%% name". */
static void all_of_the_corpus(void **state)
{
    FILE *file = fopen(CORPUS, "r");
    unsigned count = 0;
    char *at, *next;

    assert_non_null(file);
    corpus[fread(corpus, 1, sizeof(corpus) - 1, file)] = '\0';
    fclose(file);
    for (at = strstr(corpus, "\n%% "); at; at = next, count++) {
        char *text = strchr(at + 1, '\n');

        assert_non_null(text);
        next = strstr(text, "\n%% ");
        *text++ = '\0';
        alike(at + 4, text, next ? (size_t)(next + 1 - text) : strlen(text));
    }
    print_message("%u configurations, of which both refuse %lu; numbered characters in %lu\n",
                  count, refused_by_both, numbered);
    assert_true(count >= LEAST);
}

static void odd_bytes(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
        alike(odd[i].name, odd[i].text, strlen(odd[i].text));
}

static bool refused_for(const char *text, size_t size, const char *why)
{
    memset(&ours, 0, sizeof(ours));
    return settings_read(&ours, text, size, false, &our_problem) == -EINVAL &&
           strstr(our_problem.text, why);
}

/* What is too large is refused by a sentence; just below it both read alike. */
static void sizes(void **state)
{
    static char text[SETTINGS_MOST_TEXT + 1];
    const size_t longest = SETTINGS_MOST_BYTES - sizeof("a") - 1;
    size_t size = 0;

    memset(text, 'x', sizeof(text));
    memcpy(text, "a='", 3);
    text[longest + 3] = '\'';
    alike("a string as long as can be", text, longest + 4);
    text[longest + 3] = 'x';
    text[longest + 4] = '\'';
    assert_true(refused_for(text, longest + 5, "too large"));
    for (unsigned i = 0; i <= SETTINGS_MOST; i++)
        size += (size_t)sprintf(text + size, "k%u=%u\n", i, i);
    assert_true(refused_for(text, size, "keys"));
    assert_int_equal(our_problem.at.line, SETTINGS_MOST + 1);
    alike("as many keys as can be", text, (size_t)(strstr(text, "\nk256=") - text));
    memset(text, '\n', sizeof(text));
    alike("as many lines as can be", text, SETTINGS_MOST_TEXT);
    assert_true(refused_for(text, SETTINGS_MOST_TEXT + 1, "bytes"));
    size = (size_t)sprintf(text, "a=[");
    for (unsigned i = 1; i < SETTINGS_MOST_VALUES; i++)
        size += (size_t)sprintf(text + size, "1,");
    text[size] = ']';
    alike("as many values as can be", text, size + 1);
    memcpy(text + size, "1]", 2);
    assert_true(refused_for(text, size + 2, "values"));
    alike("lists in lists", "a=[[[[[[[[]]]]]]]]", 18);
    assert_true(refused_for("a=[[[[[[[[[]]]]]]]]]", 20, "lists in each other"));
    assert_true(refused_for("a='x\0y'", 7, "NUL"));
}

/* --- devices ---------------------------------------------------------------------------------- */

static const char *const disks[] = {
    "phy:insula1,xvda,w", "insula1,raw,xvda,rw", "insula1,,xvda", "insula1,raw,xvda",
    "insula1,xvda,w", "insula1", "", "/dev/vg/guest-volume,raw,xvda,rw",
    "format=raw, vdev=xvda, access=rw, target=/dev/vg/guest-volume",
    "raw:/dev/vg/guest-volume,xvda,w", "/root/image.iso,,hdc,cdrom", "/root/image.iso,,hdc,,cdrom",
    "hdc,cdrom", ",,hdc,cdrom",
    "format=raw, vdev=hdc, access=ro, devtype=cdrom, target=/root/image.iso",
    "raw:/root/image.iso,hdc:cdrom,ro", ",hdc:cdrom,r", ",hdc:disk,w", ",,hdc:cdrom,r",
    ",raw,hdc:cdrom", "phy:,hdc:cdrom,r", "vdev=hdc,cdrom", "vdev=hdc,devtype=cdrom,target=",
    "format=empty,vdev=hdc,devtype=cdrom", "target=a,b,c", "vdev=xvda,target=a,b,c",
    "vdev=xvda,target=a,", "vdev=xvda,target=a,,", "vdev=xvda,target==", "vdev=xvda, target= a",
    "vdev=xvda,target", "vdev=xvda,,target=a", "access=r,vdev=xvda,format=qcow2,target=x",
    "vdev=xvda,access=", "vdev=xvda,access=w,target=a", "a,raw,xvda,", "a,raw,xvda,,",
    "a,raw,xvda,w,w", "a,raw,xvda,x", "a,raw,xvda,W", "a,raw,xvda,w,access=r",
    "access=r,a,raw,xvda,w", "vdev=xvda,a,raw,w", "vdev=xvda,a,raw,xvdb",
    "vdev=xvda,vdev=xvda,target=a", "vdev=,vdev=xvda,target=a", "vdev=xvda,vdev=,target=a",
    "a,raw,vdev=xvda", "a,format=raw,xvda,w", "format=raw,a,xvda,w", "format=,a,xvda",
    "format=raw,format=raw,a,xvda", "format=raw,format=qcow,a,xvda", "format=RAW,a,xvda",
    "a,RAW,xvda", "a,xvda,raw", "qcow:a,xvda,w", "qcow2:a,xvda,w", "vhd:a,xvda,w", "qed:a,xvda,w",
    "raw:a,format=raw,xvda", "raw:a,format=vhd,xvda", "raw:raw:a,xvda", "raw:vhd:a,xvda",
    "file:/a,xvda,w", "tap:aio:/a,xvda,w", "tap:tapdisk:aio:/a,xvda", "tap2:a,xvda,w",
    "tap3:a,xvda,w", "tap3:/a,xvda,w", "aio:a,xvda", "ioemu:a,xvda", "iscsi:iqn.x,xvda",
    "nbd:host:5,xvda", "enbd:x,xvda", "drbd:r0,xvda,w", "drbd:r0,script=x,xvda", "e:a,xvda",
    "e:/a,xvda", "e1:/a,xvda", "1e:/a,raw,xvda", "E:/a,raw,xvda", "phy:/dev/a:b,xvda,w",
    "phy:/dev/a,xvda:b,w", "a:b,raw,xvda", "a:b:c,raw,xvda", "a:,raw,xvda", "a:", "phy:", "phy",
    "phy:phy:a,xvda", "a,phy:b,xvda", "a,raw:,xvda", "phy: a,xvda", " phy:a, xvda, w",
    "a ,raw,xvda", "a,raw ,xvda", "a,raw,xvda ,w", "a,raw,xvda,w ", "a, raw,\txvda,\tw", "  ",
    " ,", ",", ",,", ",,,", ",,,,", ",,,,,", "a,raw,xvda,w,", "a,raw,xvda,w, ",
    "a,raw,xvda,w,cdrom", "cdrom,a,raw,hdc", "cdromx,raw,hdc", "a,raw,hdc,cdrom ",
    "devtype=disk,a,raw,xvda", "devtype=cdrom,devtype=disk,a,raw,xvda",
    "devtype=cdromx,a,raw,xvda", "devtype=,a,raw,xvda", "devtype,raw,xvda",
    "direct-io-safe,a,raw,xvda", "a,raw,xvda,discard", "a,raw,xvda,no-discard",
    "a,raw,xvda,discard,no-discard", "discardx,raw,xvda", "a,raw,xvda,trusted",
    "a,raw,xvda,untrusted", "a,raw,xvda,untrusted,trusted", "a,raw,xvda,colo",
    "a,raw,xvda,no-colo", "a,raw,xvda,colo-host=x", "a,raw,xvda,colo-port=5",
    "a,raw,xvda,active-disk=x", "a,raw,xvda,hidden-disk=x", "a,raw,xvda,grant_usage=1",
    "backend=0,a,raw,xvda", "backend=drv,a,raw,xvda", "backend=a,backend=b,c,raw,xvda",
    "backendtype=phy,a,raw,xvda", "backendtype=tap,a,raw,xvda", "backendtype=qdisk,a,raw,xvda",
    "backendtype=standalone,a,raw,xvda", "backendtype=,a,raw,xvda",
    "backendtype=phy,backendtype=tap,a,raw,xvda", "script=x,a,raw,xvda", "script=x=y,a,raw,xvda",
    "script=x,script=x,a,raw,xvda", "specification=xen,a,raw,xvda",
    "specification=virtio,a,raw,xvda", "specification=x,a,raw,xvda", "unknown=x,a,raw,xvda",
    "unknown=,a,raw,xvda", "unknown=xyz,a,raw,xvda", "=a,raw,xvda", "a=b", "a,b=", "=", "==",
    "Vdev=xvda,target=a", "a,raw,vdev =xvda", "a,raw,xvda,vdev=xvdb", "target=a,target=b",
    "a,vdev=xvda,target=b", ",vdev=xvda,target=b", "a,raw,xvda,target=b", "\xc3\xa4,raw,xvda",
    "a;b,raw,xvda", "'a',raw,xvda", "a\\,raw,xvda", "768,raw,768,w", "a,raw,0x300",
};

static const char *const rates[] = {
    "10Mb/s", "10MB/s", "250KB/s", "1GB/s@20ms", "20B/s", "8b/s", "19B/s", "1MB/s@10us",
    "1MB/s@10u", "1MB/s@10m", "1MB/s@10", "1MB/s@1s", "1MB/s@", "@20ms", "", "@", "10", "10M",
    "10Mb", "10Mb/", "10Mb/m", "10mb/s", "10kb/s", "10TB/s", "-1MB/s", "+1MB/s", " 1MB/s",
    "1 MB/s", "1MB/s ", "1.5MB/s", "0MB/s", "00MB/s", "010MB/s", "0x10MB/s", "08MB/s", "0178MB/s",
    "4294967295B/s", "4294967296B/s", "4294967295GB/s", "18446744073709551616B/s",
    "99999999999999999999999B/s", "1MB/s@0", "1MB/s@0ms", "1MB/s@4294967295us",
    "1MB/s@4294967296us", "1MB/s@4294s", "1MB/s@4295s", "1MB/s@4294967ms", "1MB/s@4294968ms",
    "1MB/s@5ns", "1MB/s@ms", "1MB/s@20ms@5ms", "1MB/s@-1", "1MB/s@ 5", "10GB/s@4294s",
    "1MB/s@010ms", "1MB/s@09ms", "1MB/s@20msx", "1MB/s@20 ms", "MB/s", "b/s", "1B/s@1s", "1b/s@8s",
    "1b/s@7s",
};

static const char *const devices[] = {
    "xvda", "xvdp", "xvdq", "xvdz", "xvdaa", "xvdzz", "xvda1", "xvda15", "xvda16", "xvda255",
    "xvda256", "xvda0", "xvda01", "xvdp15", "xvdq1", "xvd", "xvd1", "xvda-1", "xvda1x", "xvdA",
    "xvdaaaa", "xvdbgqxh", "xvdbgqxg", "xvdzzzzzz", "hda", "hdb", "hdc", "hdd", "hde", "hda1",
    "hda63", "hda64", "hdd63", "sda", "sdp", "sdq", "sda15", "sda16", "sdaa", "vda", "d0p0",
    "d0p1", "d15p15", "d16p0", "d0p16", "d1048575p255", "d1048576p0", "d0p256", "d0x10p0",
    "d010p1", "d08p1", "d0", "d0p", "dp0", "d0p1x", "dxp1", "d-1p0", "d 1p0", "d0p 1",
    "d99999999999p1", "0", "1", "768", "51712", "0x300", "0X300", "0300", "08", "0x", "x", "5x",
    "-1", "+5", " 5", "5 ", "2147483647", "2147483648", "4294967295", "18446744073709551616", "",
    " ", "disk", "/dev/xvda", "xvda,", "nvme0n1",
};

static const char *const uuids[] = {
    "01234567-89ab-cdef-0123-456789abcdef", "01234567-89AB-CDEF-0123-456789ABCDEF",
    "00000000-0000-0000-0000-000000000000", "", "01234567-89ab-cdef-0123-456789abcde",
    "01234567-89ab-cdef-0123-456789abcdef0", "0123456789abcdef0123456789abcdef",
    "01234567-89ab-cdef-0123-456789abcdeg", "01234567-89ab-cdef-01234-56789abcdef",
    "01234567 89ab cdef 0123 456789abcdef", " 1234567-89ab-cdef-0123-456789abcdef",
    "0x234567-89ab-cdef-0123-456789abcdef", "+1234567-89ab-cdef-0123-456789abcdef",
};

static void all_devices(void **state)
{
    struct xen_reading xen;
    bool same = true;

    xen_open(&xen);
    for (size_t i = 0; i < ARRAY_SIZE(disks); i++)
        same &= disk_alike(&xen, disks[i]);
    for (size_t i = 0; i < ARRAY_SIZE(rates); i++)
        same &= rate_alike(&xen, rates[i]);
    for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
        same &= device_alike(devices[i]);
    xen_close(&xen);
    print_message("taken: %lu of %zu disks, %lu of %zu rates, %lu of %zu names of devices\n",
                  disks_taken, ARRAY_SIZE(disks), rates_taken, ARRAY_SIZE(rates), devices_taken,
                  ARRAY_SIZE(devices));
    assert_true(same);
}

static void all_uuids(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(uuids); i++) {
        static struct config config;
        static struct config_warnings warnings;
        libxl_uuid xen;
        char text[100];
        int error;

        snprintf(text, sizeof(text), "name='a';kernel='k';uuid='%s'", uuids[i]);
        error = config_parse(text, strlen(text), "", &config, &our_problem, &warnings);
        if (!error != !libxl_uuid_from_string(&xen, uuids[i]) ||
            (!error && memcmp(config.uuid, xen.uuid, 16)))
            fail_msg("uuid '%s'", uuids[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_the_corpus),
        cmocka_unit_test(odd_bytes),
        cmocka_unit_test(sizes),
        cmocka_unit_test(all_devices),
        cmocka_unit_test(all_uuids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
