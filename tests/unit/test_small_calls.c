/* SPDX-License-Identifier: MIT */
/*
 * xen_version and console_io: every answer as a whole, to its last byte and not beyond; text that
 * goes out and comes in, in pieces, as long as there is room and budget.
 */
#include "ring0_host.h"
#include "boot/boot.h"
#include "machine/console.h"
#include "machine/symbols.h"
#include <abi/version.h>
#include <xen/features.h>
#include <xen/version.h>

struct boot_info boot_info;
const struct build_id_note build_id_note = { .owner = "GNU", .id = { 1, 2, 3, [19] = 20 } };
static struct domain control, guest;
static struct vcpu controls, guests;

size_t strlcpy(char *to, const char *from, size_t size)
{
    assert_true(strlen(from) < size);
    memcpy(to, from, strlen(from) + 1);
    return strlen(from);
}

/* --- the serial line --- */

static char out[1024];
static size_t out_count, room;
static const char *in;
static size_t in_at_once;

bool console_has_room(void)
{
    return out_count < room;
}
void console_write(const char *text, size_t n)
{
    memcpy(out + out_count, text, n);
    out_count += n;
}
size_t console_read(char *to, size_t n)
{
    n = MIN(n, MIN(in_at_once, strlen(in)));
    memcpy(to, in, n);
    in += n;
    return n;
}

static long version(struct vcpu *who, unsigned int op, const void *arg)
{
    cpu.running = who;
    return AS_CALLED(do_xen_version)(op, (unsigned long)arg, 0, 0, 0, 0);
}
static long console(unsigned int op, unsigned long count, const void *buffer)
{
    return AS_CALLED(do_console_io)(op, count, (unsigned long)buffer, 0, 0, 0);
}

static int set_up(void **state)
{
    control = (struct domain){ .privileged = true };
    guest = (struct domain){ .id = 1 };
    controls = (struct vcpu){ .domain = &control };
    guests = (struct vcpu){ .domain = &guest };
    memset(out, 0, sizeof(out));
    out_count = 0;
    room = sizeof(out);
    in = "";
    in_at_once = ~0ul;
    ring0_begin(&controls);
    return 0;
}

/* --- who we say we are --- */

static uint8_t buffer[2048];

/* The whole answer, and what is behind it as it was. */
static void answers(struct vcpu *who, unsigned int op, const void *want, size_t size)
{
    memset(buffer, 0x77, sizeof(buffer));
    assert_int_equal(version(who, op, buffer), 0);
    assert_memory_equal(buffer, want, size);
    for (size_t i = size; i < sizeof(buffer); i++)
        assert_int_equal(buffer[i], 0x77);
    assert_int_equal(version(who, op, (void *)(NOT_THERE - size + 1)), -EFAULT);
}

static void texts(void **state)
{
    char text[1024] = ".0-domus-" DOMUS_VERSION;
    struct xen_compile_info compile = { "gcc " __VERSION__, "domus", "domus", "" };
    struct xen_platform_parameters platform = { .virt_start = 0xffff800000000000 };

    assert_int_equal(version(&guests, XENVER_version, NULL), 4 << 16 | 17);
    answers(&guests, XENVER_extraversion, text, sizeof(xen_extraversion_t));
    memset(text, 0, sizeof(text));
    strcpy(text, "xen-3.0-x86_64 ");
    answers(&guests, XENVER_capabilities, text, sizeof(xen_capabilities_info_t));
    memset(text, 0, sizeof(text));
    strcpy(text, "domus-" DOMUS_VERSION);
    answers(&guests, XENVER_changeset, text, sizeof(xen_changeset_info_t));
    answers(&guests, XENVER_compile_info, &compile, sizeof(compile));
    answers(&guests, XENVER_platform_parameters, &platform, sizeof(platform));
    for (unsigned int i = 0; i < 16; i++)
        guest.handle[i] = (uint8_t)(i + 1);
    answers(&guests, XENVER_guest_handle, guest.handle, 16);
    assert_int_equal(version(&guests, XENVER_pagesize, NULL), 4096);
    assert_int_equal(version(&guests, XENVER_pagesize, buffer), -EINVAL);
    assert_int_equal(version(&guests, 99, NULL), -ENOSYS);
    /* How the machine was booted is the control domain's to know. */
    strcpy(boot_info.command_line, "com1=115200 secret");
    memset(text, 0, sizeof(text));
    answers(&guests, XENVER_commandline, text, sizeof(xen_commandline_t));
    strcpy(text, "com1=115200 secret");
    answers(&controls, XENVER_commandline, text, sizeof(xen_commandline_t));
}

static void features(void **state)
{
    struct xen_feature_info info = { 0 }, want = { 0 };
    uint32_t all = 1u << XENFEAT_mmu_pt_update_preserve_ad | 1u << XENFEAT_highmem_assist |
                   1u << XENFEAT_gnttab_map_avail_bits | 1u << XENFEAT_memory_op_vnode_supported |
                   1u << XENFEAT_direct_mapped;

    for (unsigned int i = 0; i < 4; i++) {
        struct vcpu *who = i & 1 ? &controls : &guests;

        who->domain->vm_assist = i & 2 ? 1u << VMASST_TYPE_pae_extended_cr3
                                       : ~(1u << VMASST_TYPE_pae_extended_cr3);
        assert_int_equal(version(who, XENVER_get_features, &info), 0);
        want.submap = all | (i & 1 ? 1u << XENFEAT_dom0 : 0) |
                      (i & 2 ? 1u << XENFEAT_pae_pgdir_above_4gb : 0);
        assert_memory_equal(&info, &want, sizeof(info));
    }
    info.submap_idx = 1;
    assert_int_equal(version(&guests, XENVER_get_features, &info), -EINVAL);
    assert_int_equal(version(&guests, XENVER_get_features, (void *)NOT_THERE), -EFAULT);
}

/* Only the identifier is written, whatever room there is. */
static void build_ids(void **state)
{
    struct { uint32_t len; uint8_t buf[24]; } id = { .len = 0 }, want;

    assert_int_equal(version(&guests, XENVER_build_id, NULL), -EPERM);
    assert_int_equal(version(&controls, XENVER_build_id, NULL), 20);
    assert_int_equal(version(&controls, XENVER_build_id, (void *)NOT_THERE), -EFAULT);
    assert_int_equal(version(&controls, XENVER_build_id, &id), -EINVAL);
    for (unsigned int length = 1; length <= sizeof(id.buf); length++) {
        memset(&id, 0x77, sizeof(id));
        id.len = length;
        want = id;
        if (length >= 20)
            memcpy(want.buf, build_id_note.id, 20);
        assert_int_equal(version(&controls, XENVER_build_id, &id), length < 20 ? -ENOBUFS : 20);
        assert_memory_equal(&id, &want, sizeof(id));
    }
    read_only = &id.buf[12];
    assert_int_equal(version(&controls, XENVER_build_id, &id), -EFAULT);
    read_only = NULL;
}

/* --- text --- */

static char text[700];

static void continued(unsigned long at)
{
    assert_true(said.op == __HYPERVISOR_console_io && said.count == 3);
    assert_true(said.arguments[0] == CONSOLEIO_write && said.arguments[1] == sizeof(text) - at &&
                said.arguments[2] == (uint64_t)text + at);
    assert_int_equal(out_count, at);
    assert_memory_equal(out, text, at);
}

static void text_goes_out(void **state)
{
    int budget = cpu.budget;

    for (unsigned int i = 0; i < sizeof(text); i++)
        text[i] = (char)i;
    assert_int_equal(console(CONSOLEIO_write, 0, (void *)NOT_THERE), 0);
    assert_int_equal(console(CONSOLEIO_write, 129, text), 0);
    assert_true(out_count == 129 && memcmp(out, text, 129) == 0);
    assert_int_equal(budget - cpu.budget, 129 * COST_ENTRY);
    out_count = 0;
    assert_int_equal(console(CONSOLEIO_write, sizeof(text), text), CONTINUED);
    continued(512);                                     /* the budget was spent */
    budget_refill();
    out_count = 0;
    room = 200;                                         /* what is sent is not lost */
    assert_int_equal(console(CONSOLEIO_write, sizeof(text), text), CONTINUED);
    continued(256);
    out_count = 0;
    cpu.budget = 1;                                     /* all is done: no need to go on */
    assert_int_equal(console(CONSOLEIO_write, 128, text), 0);
    budget_refill();
    assert_int_equal(console(CONSOLEIO_write, 5, (void *)(NOT_THERE - 4)), -EFAULT);
    assert_int_equal(console(CONSOLEIO_write, 1ul << 31, text), -E2BIG);
    assert_int_equal(console(CONSOLEIO_read, 1ul << 31, text), -E2BIG);
    assert_int_equal(console(CONSOLEIO_read, INT32_MAX, text), 0);
    assert_int_equal(console(2, 0, NULL), -ENOSYS);
}

static void text_comes_in(void **state)
{
    char typed[301], got[400];

    for (unsigned int i = 0; i < 300; i++)
        typed[i] = (char)('0' + i % 70);
    typed[300] = '\0';
    for (unsigned int at_once = 1; at_once < 400; at_once += 40)
        for (unsigned int count = 0; count < 400; count += 57) {
            unsigned int n = MIN(count, 300);

            in = typed;
            in_at_once = at_once;
            memset(got, 0, sizeof(got));
            assert_int_equal(console(CONSOLEIO_read, count, got), n);
            assert_memory_equal(got, typed, n);
            assert_int_equal(got[n], 0);
            assert_ptr_equal(in, typed + n);
        }
    in = typed;
    assert_int_equal(console(CONSOLEIO_read, 4, (void *)NOT_THERE), -EFAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(texts, set_up),
        cmocka_unit_test_setup(features, set_up),
        cmocka_unit_test_setup(build_ids, set_up),
        cmocka_unit_test_setup(text_goes_out, set_up),
        cmocka_unit_test_setup(text_comes_in, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
