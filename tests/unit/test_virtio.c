/* SPDX-License-Identifier: MIT */
/*
 * The way up of a virtio device against one whose registers answer: the driver's page of them is
 * protected, each access it makes is taken by a signal handler and made again as one step, and then
 * the device reacts. Windows that are missing, features that are not there or not accepted, a reset
 * that never ends, a vector that is refused, a field that changes while it is read.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <cmocka.h>
#include <pvguest/console.h>
#include <pvguest/errno.h>
#include <pvguest/time.h>
#include "drivers/hw/virtio.h"

void printk(const char *format, ...)
{
}

static uint64_t now;
static struct timer *set;               /* the timer that is */

uint64_t now_ns(void)
{
    return now;
}

void timer_set(struct timer *timer, uint64_t when, void (*handler)(void *data), void *data)
{
    set = timer;
    *timer = (struct timer){ .when = when, .handler = handler, .data = data };
}

static unsigned int looks_at[2];

static void look_at(void *which)
{
    looks_at[which != NULL]++;
}

void *alloc_zeroed_page(void)
{
    return memset(aligned_alloc(4096, 4096), 0, 4096);
}

/* --- the device ------------------------------------------------------------------------------- */

#define CONFIG 0x100u                   /* its windows, in its one BAR */
#define NOTIFY 0x200u
#define STATUS 0x14u
#define GENERATION 0x15u
#define TRAP_FLAG 0x100

static uint8_t *registers;              /* as the device has them */
static uint8_t *window;                 /* the same, as the driver does: no access goes unseen */
static int protection;                  /* PROT_READ: only what is written matters */
static size_t touched;
static uint64_t offered, accepted;
static bool keeps_its_state, refuses_features, has_no_vector, changes_while_read;

static uint32_t get32(size_t at)
{
    uint32_t value;

    memcpy(&value, registers + at, 4);
    return value;
}

static void put(size_t at, uint64_t value, size_t bytes)
{
    memcpy(registers + at, &value, bytes);
}

static void react(void)
{
    switch (touched) {
    case 0x00:                          /* which half of the features is to be read */
        put(0x04, get32(0x00) ? offered >> 32 : offered, 4);
        break;
    case 0x0c:
        accepted |= (uint64_t)get32(0x0c) << 32 * get32(0x08);
        break;
    case STATUS:
        if (keeps_its_state)
            put(STATUS, 15, 1);
        if (refuses_features)
            registers[STATUS] &= (uint8_t)~8u;
        break;
    case 0x1a:
        if (has_no_vector)
            put(0x1a, 0xffff, 2);
        break;
    case CONFIG:                        /* a byte of the old value has been read, the rest is new */
        if (changes_while_read) {
            memset(registers + CONFIG, 0x22, 8);
            registers[GENERATION]++;
        }
        changes_while_read = false;
        break;
    }
}

static void on_access(int number, siginfo_t *info, void *context)
{
    touched = (size_t)((uint8_t *)info->si_addr - window);
    if (touched >= 4096)
        abort();
    mprotect(window, 4096, PROT_READ | PROT_WRITE);
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on_step(int number, siginfo_t *info, void *context)
{
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    react();
    mprotect(window, 4096, protection);
}

static void protect(int how)
{
    protection = how;
    mprotect(window, 4096, how);
}

/* --- its capabilities ------------------------------------------------------------------------- */

static struct { uint8_t kind, bar; uint32_t offset, length, multiplier; } capability[8];
static unsigned int capabilities;
static bool enabled;

uint8_t pci_find_capability(struct pci_device *pci, uint8_t id, uint8_t after)
{
    unsigned int next = after ? (after - 0x40u) / 0x14 + 1 : 0;

    assert_int_equal(id, 9);
    return next < capabilities ? (uint8_t)(0x40 + next * 0x14) : 0;
}

uint32_t pci_read(uint8_t bus, uint8_t devfn, unsigned int offset, unsigned int bytes)
{
    unsigned int which = (offset - 0x40) / 0x14, field = (offset - 0x40) % 0x14;

    assert_true(which < capabilities && bytes == (field < 8 ? 1 : 4));
    return field == 3 ? capability[which].kind : field == 4 ? capability[which].bar
           : field == 8 ? capability[which].offset : field == 12 ? capability[which].length
           : capability[which].multiplier;
}

volatile void *pci_map(struct pci_device *pci, unsigned int bar, uint64_t offset, uint64_t length)
{
    return bar == 4 && length && offset + length <= 4096 ? window + offset : NULL;
}

void pci_enable(struct pci_device *pci)
{
    enabled = true;
}

static void has(uint8_t kind, uint32_t offset, uint32_t length)
{
    capability[capabilities].kind = kind;
    capability[capabilities].bar = 4;
    capability[capabilities].offset = offset;
    capability[capabilities].length = length;
    capability[capabilities++].multiplier = 4;
}

static struct pci_device pci;
static struct virtio_device device;

static int set_up(void **state)
{
    protect(PROT_READ);
    memset(registers, 0, 4096);
    registers[STATUS] = 15;             /* somebody used it before */
    keeps_its_state = refuses_features = has_no_vector = changes_while_read = enabled = false;
    offered = VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_INDEX | 0x60;
    accepted = 0;
    capabilities = 0;
    has(1, 0, 0x38);
    has(2, NOTIFY, 16);
    has(4, CONFIG, 8);
    has(1, 0x300, 0x38);                /* the first of each kind is the one to use */
    has(2, 0x300, 16);
    has(4, 0x300, 8);
    return 0;
}

/* --- tests ------------------------------------------------------------------------------------ */

/* The handlers last until the test ends: cmocka has its own. */
static int start(void)
{
    const struct sigaction access = { .sa_sigaction = on_access, .sa_flags = SA_SIGINFO };
    const struct sigaction step = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &access, NULL);
    sigaction(SIGTRAP, &step, NULL);
    return virtio_start(&device, &pci, VIRTIO_F_EVENT_INDEX | 0x22);
}

static void a_device_comes_up(void **state)
{
    static struct virtio_device second;

    assert_int_equal(start(), 0);
    assert_true(enabled);
    assert_ptr_equal(device.common, window);
    assert_ptr_equal(device.notify, window + NOTIFY);
    assert_ptr_equal(device.config, window + CONFIG);
    assert_true(device.notify_multiplier == 4 && device.notify_length == 16 &&
                device.config_length == 8);
    assert_int_equal(device.features, VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_INDEX | 0x20);
    assert_int_equal(accepted, device.features);
    assert_int_equal(registers[STATUS], 1 | 2 | 8);
    assert_int_equal(get32(0x10) & 0xffff, 0xffff);     /* no vector for what it configures */
    set = NULL;
    virtio_ready(&device, look_at, NULL);
    assert_int_equal(registers[STATUS], 1 | 2 | 4 | 8);
    /* each is looked at again and again */
    second = device;
    virtio_ready(&second, look_at, &second);
    for (unsigned int i = 1; i <= 3; i++) {
        assert_non_null(set);
        assert_int_equal(set->when, now + 500 * NS_PER_MS);
        now = set->when;
        struct timer *timer = set;
        set = NULL;
        timer->handler(timer->data);
        assert_true(looks_at[0] == i && looks_at[1] == i);
    }
}

static void windows_that_are_missing(void **state)
{
    for (unsigned int i = 0; i < 5; i++) {
        set_up(state);
        capabilities = 3;
        if (i == 0)
            capability[0].kind = 5;     /* another kind */
        if (i == 1)
            capability[0].length = 0x37;        /* a byte too short */
        if (i == 2)
            capability[0].bar = 3;      /* that cannot be mapped */
        if (i == 3)
            capability[1].kind = 5;
        if (i == 4)
            capability[1].offset = 4090;
        assert_int_equal(start(), -ENODEV);
        assert_int_equal(registers[STATUS], 15);        /* not touched */
    }
    set_up(state);
    capabilities = 2;                   /* not every device has a configuration of its own */
    assert_int_equal(start(), 0);
    assert_int_equal(virtio_config(&device, 0, 1), 0);
}

static void devices_that_do_not_agree(void **state)
{
    offered &= ~VIRTIO_F_VERSION_1;     /* one from before 1.0 */
    assert_int_equal(start(), -EOPNOTSUPP);
    assert_int_equal(registers[STATUS], 1 | 2 | 128);
    assert_int_equal(accepted, 0);
    set_up(state);
    refuses_features = true;
    assert_int_equal(start(), -EOPNOTSUPP);
    assert_int_equal(registers[STATUS], 1 | 2 | 128);
    set_up(state);
    keeps_its_state = true;
    assert_int_equal(start(), -ETIMEDOUT);
    assert_int_equal(accepted, 0);
}

static void queues_without_a_vector(void **state)
{
    struct virtqueue queue;

    assert_int_equal(start(), 0);
    put(0x18, 16, 2);
    has_no_vector = true;
    assert_int_equal(virtqueue_open(&queue, &device, 0, 1), -ENOSPC);
    assert_int_equal(get32(0x1c) & 0xffff, 0);          /* not enabled */
    free(queue.descriptor);
    free((void *)(uintptr_t)queue.available);
    free((void *)(uintptr_t)queue.used);
    assert_int_equal(virtqueue_open(&queue, &device, 0, VIRTQ_NO_VECTOR), 0);
    assert_int_equal(get32(0x1c) & 0xffff, 1);
    free(queue.descriptor);
    free((void *)(uintptr_t)queue.available);
    free((void *)(uintptr_t)queue.used);
}

static void fields_that_change_while_they_are_read(void **state)
{
    assert_int_equal(start(), 0);
    memset(registers + CONFIG, 0x11, 9);
    assert_int_equal(virtio_config(&device, 0, 8), 0x1111111111111111);
    assert_int_equal(virtio_config(&device, 7, 1), 0x11);
    assert_int_equal(virtio_config(&device, 8, 1), 0);  /* behind its end */
    assert_int_equal(virtio_config(&device, 5, 4), 0);
    protect(PROT_NONE);
    changes_while_read = true;
    assert_int_equal(virtio_config(&device, 0, 8), 0x2222222222222222);
    assert_false(changes_while_read);
}

static struct pci_device machine[] = {
    { .vendor = 0x8086, .device = 0x1041 }, { .vendor = 0x1af4, .device = 0x1001 },
    { .vendor = 0x1af4, .device = 0x1041 }, { .vendor = 0x1af4, .device = 0x1000 },
    { .vendor = 0x1af4, .device = 0x1042 }, { .vendor = 0x1af4, .device = 0x1002 },
    { .vendor = 0x1af4, .device = 0x1043 }, { .vendor = 0x1af4, .device = 0x0fff },
};

static void devices_are_known_by_either_id(void **state)
{
    for (unsigned int i = 0; i < 8; i++) {
        assert_int_equal(virtio_is(&machine[i], VIRTIO_NET), i == 2 || i == 3);
        assert_int_equal(virtio_is(&machine[i], VIRTIO_BLOCK), i == 1 || i == 4);
    }
}

int main(void)
{
    int file = memfd_create("registers", 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_device_comes_up, set_up),
        cmocka_unit_test_setup(windows_that_are_missing, set_up),
        cmocka_unit_test_setup(devices_that_do_not_agree, set_up),
        cmocka_unit_test_setup(queues_without_a_vector, set_up),
        cmocka_unit_test_setup(fields_that_change_while_they_are_read, set_up),
        cmocka_unit_test(devices_are_known_by_either_id),
    };

    if (ftruncate(file, 4096)) return 1;
    registers = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    window = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
