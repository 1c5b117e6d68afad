/* SPDX-License-Identifier: MIT */
/*
 * Disks and cards that come and go while their guest runs: `xl block-*` and `xl network-*`, with
 * Xen's own columns.
 *
 * Attaching is what happens at a guest's start, only later. Detaching is a conversation: we say
 * Closing, the guest finishes, says Closed, and only then the nodes go. (What becomes of a mounted
 * disk is the guest's affair: Linux 6 gives it up, on Xen as here.) The toolstack's lock is not
 * held while we wait: the guest may end meanwhile, and then it is simply not found any more. A
 * configuration follows what was attached and detached, so that a guest that restarts comes back
 * with what it had.
 */
#include "dom0/toolstack/devices.h"
#include "dom0/toolstack/verbs.h"
#include <pvguest/console.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>
#include <pvguest/xenstore.h>

#define PATIENCE_NS (10 * NS_PER_S)
#define LOOK_NS (20 * NS_PER_MS)

static bool is_number(const char *text, unsigned *number)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    *number = (unsigned)value;
    return *text && !*end && value <= UINT32_MAX;
}

/* --- attach --- */

/* xl takes a device's specification as one word or as several; the parser wants it as one. False:
 * too long, and said. */
static bool join(char *line, size_t size, int count, char **word)
{
    size_t length = 0;

    line[0] = '\0';
    for (int i = 0; i < count && length < size; i++)
        length += (size_t)snprintf(line + length, size - length, "%s%s", i ? "," : "", word[i]);
    if (length >= size)
        printk("Error: a device's specification has at most %zu characters\n", size - 1);
    return length < size;
}

static int add_disk(struct domain *domain, const struct config_disk *disk, struct trouble *trouble)
{
    struct config *config = &domain->config;
    int error;

    if (config->disk_count == CONFIG_MAX_DISKS)
        return trouble_set(trouble, -ENOSPC, "a guest has at most %u disks", CONFIG_MAX_DISKS);
    error = devices_add_disk(domain->devices, disk, trouble);
    if (!error)
        config->disk[config->disk_count++] = *disk;
    return error;
}

bool verb_block_attach(int count, char **word)
{
    struct config_problem problem;
    struct trouble trouble;
    struct config_disk disk;
    struct domain *domain;
    char line[DISK_MOST_BYTES];
    int error;

    if (!join(line, sizeof(line), count - 1, word + 1)) return false;
    if (disk_parse(line, &disk, &problem)) {
        printk("Error: %s\n", problem.text);
        return false;
    }
    domain = domains_lock(word[0], &trouble);
    if (!domain) return verb_refuse(&trouble);
    error = add_disk(domain, &disk, &trouble);
    domains_unlock();
    if (error) return verb_refuse(&trouble);
    printk("Disk '%s' is attached to '%s' as %s (%u)\n", disk.partition, word[0], disk.vdev,
           disk.number);
    return true;
}

static int add_vif(struct domain *domain, struct config_vif *vif, unsigned *number,
                   struct trouble *trouble)
{
    struct config *config = &domain->config;
    int error;

    if (config->vif_count == CONFIG_MAX_VIFS)
        return trouble_set(trouble, -ENOSPC, "a guest has at most %u network cards",
                           CONFIG_MAX_VIFS);
    error = devices_add_vif(domain->devices, config->name, vif, number, trouble);
    if (!error)
        config->vif[config->vif_count++] = *vif;
    return error;
}

bool verb_network_attach(int count, char **word)
{
    struct config_problem problem;
    struct trouble trouble;
    struct config_vif vif;
    struct domain *domain;
    unsigned number;
    char line[VIF_MOST_BYTES];
    int error;

    if (!join(line, sizeof(line), count - 1, word + 1)) return false;
    if (vif_parse(line, &vif, &problem)) {
        printk("Error: %s\n", problem.text);
        return false;
    }
    if (vif.model)
        printk("Warning: model= does nothing: PV guests have no emulated card\n");
    domain = domains_lock(word[0], &trouble);
    if (!domain) return verb_refuse(&trouble);
    error = add_vif(domain, &vif, &number, &trouble);
    domains_unlock();
    if (error) return verb_refuse(&trouble);
    printk("A network card is attached to '%s' as %u\n", word[0], number);
    return true;
}

/* --- detach --- */

/* What the operator calls a device: its number, xvdb, or a card's address. */
static struct {
    const char *name;
    bool found;
    unsigned number;
} wanted;

static void match_device(unsigned number, const char *front, const char *back)
{
    uint8_t mac[6], own[6];
    unsigned asked;
    char *text;

    if (is_number(wanted.name, &asked) || disk_number(wanted.name, &asked)) {
        if (asked == number) {
            wanted.number = number;
            wanted.found = true;
        }
        return;
    }
    text = xs_read_node(XS_NONE, back, "mac");
    if (IS_ERR(text)) return;
    if (vif_parse_mac(wanted.name, mac) && vif_parse_mac(text, own) &&
        !memcmp(mac, own, sizeof(mac))) {
        wanted.number = number;
        wanted.found = true;
    }
    free(text);
}

/* With the lock held: the back end goes, and what the configuration says of it. */
static void forget(struct domain *domain, enum device_kind kind, unsigned number)
{
    struct config *config = &domain->config;

    if (kind == DEVICE_DISK) {
        for (unsigned i = 0; i < config->disk_count; i++)
            if (config->disk[i].number == number) {
                config->disk[i] = config->disk[--config->disk_count];
                break;
            }
    } else {
        uint8_t mac[6];

        if (devices_vif_mac(domain->devices, number, mac))
            for (unsigned i = 0; i < config->vif_count; i++)
                if (!memcmp(config->vif[i].mac, mac, sizeof(mac))) {
                    config->vif[i] = config->vif[--config->vif_count];
                    break;
                }
    }
    devices_remove(domain->devices, kind, number);
}

/*
 * Asks for the removal, or with force removes. 0, or a negative errno and the trouble. -EBUSY: its
 * disk is yet to answer; again.
 */
static int begin(const char *name, enum device_kind kind, const char *device, bool force,
                 struct trouble *trouble)
{
    struct domain *domain = domains_lock(name, trouble);
    int error = 0;

    if (!domain) return -ESRCH;
    wanted.name = device;
    wanted.found = false;
    devices_for_each(domain->devices, kind, match_device);
    if (!wanted.found)
        error = trouble_set(trouble, -ENODEV, "'%s' has no device '%s'", name, device);
    else if (force && !devices_close_one(domain->devices, kind, wanted.number))
        error = -EBUSY;
    else if (force)
        forget(domain, kind, wanted.number);
    else
        error = devices_ask_removal(domain->devices, kind, wanted.number);
    if (error && error != -EBUSY && wanted.found)
        trouble_set(trouble, error, "XenStore: %s", errno_name(error));
    domains_unlock();
    return error;
}

/* 0: removed. -EBUSY: the guest still has it. Else the trouble. */
static int finish(const char *name, enum device_kind kind, unsigned number, struct trouble *trouble)
{
    struct domain *domain = domains_lock(name, trouble);
    int error = -EBUSY;

    if (!domain) return -ESRCH;
    if (devices_removable(domain->devices, kind, number)) {
        forget(domain, kind, number);
        error = 0;
    }
    domains_unlock();
    return error;
}

static bool detach(enum device_kind kind, int count, char **word)
{
    bool force = verb_option('f');
    struct trouble trouble;
    uint64_t until;
    unsigned number;
    int error;

    while ((error = begin(word[0], kind, word[1], force, &trouble)) == -EBUSY)
        thread_sleep(LOOK_NS);
    number = wanted.number;
    for (until = now_ns() + PATIENCE_NS; !error && !force; thread_sleep(LOOK_NS)) {
        error = finish(word[0], kind, number, &trouble);
        if (!error)
            break;
        if (error == -EBUSY && now_ns() < until)
            error = 0;
        else if (error == -EBUSY)
            trouble_set(&trouble, error,
                        "'%s' does not let go of device %s: it uses it still; when it has finished,"
                        " detach again, or use --force",
                        word[0], word[1]);
    }
    if (error) return verb_refuse(&trouble);
    printk("Device %s is detached from '%s'\n", word[1], word[0]);
    return true;
}

bool verb_block_detach(int count, char **word)
{
    return detach(DEVICE_DISK, count, word);
}

bool verb_network_detach(int count, char **word)
{
    return detach(DEVICE_VIF, count, word);
}

/* --- list --- */

/* A number of the front end's own writing: what is not one counts as -1, as with Xen's xl. */
static long front_number(const char *front, const char *key)
{
    unsigned long number;

    return xs_read_ulong(XS_NONE, front, key, &number) ? -1 : (long)number;
}

/* Under "handle" Xen's xl prints the guest's number; so do we. */
static void block_row(unsigned number, const char *front, const char *back)
{
    printk("%-5u %-3d %-6ld %-5ld %-6ld %-8ld %-30s\n", number, 0,
           front_number(back, "frontend-id"), front_number(front, "state"),
           front_number(front, "event-channel"), front_number(front, "ring-ref"), back);
}

static void network_row(unsigned number, const char *front, const char *back)
{
    char *mac = xs_read_node(XS_NONE, back, "mac");

    printk("%-3u %-2d %-17s %6u %5ld %6ld %5ld/%-11ld %-30s\n", number, 0, IS_ERR(mac) ? "" : mac,
           number, front_number(front, "state"), front_number(front, "event-channel"),
           front_number(front, "tx-ring-ref"), front_number(front, "rx-ring-ref"), back);
    if (!IS_ERR(mac))
        free(mac);
}

static bool list(enum device_kind kind, int count, char **word,
                 void (*row)(unsigned number, const char *front, const char *back))
{
    for (int i = 0; i < count; i++) {
        struct trouble trouble;
        struct domain *domain;

        if (domains_is_dom0(word[i]))           /* It has none, and may be asked. */
            continue;
        domain = domains_lock(word[i], &trouble);
        if (!domain) return verb_refuse(&trouble);
        devices_for_each(domain->devices, kind, row);
        domains_unlock();
    }
    return true;
}

bool verb_block_list(int count, char **word)
{
    if (!verb_known(count, word)) return false;
    printk("%-5s %-3s %-6s %-5s %-6s %-8s %-30s\n", "Vdev", "BE", "handle", "state", "evt-ch",
           "ring-ref", "BE-path");
    return list(DEVICE_DISK, count, word, block_row);
}

bool verb_network_list(int count, char **word)
{
    if (!verb_known(count, word)) return false;
    printk("%-3s %-2s %-17s %-6s %-5s %-6s %5s/%-5s %-30s\n", "Idx", "BE", "Mac Addr.", "handle",
           "state", "evt-ch", "tx-", "rx-ring-ref", "BE-path");
    return list(DEVICE_VIF, count, word, network_row);
}
