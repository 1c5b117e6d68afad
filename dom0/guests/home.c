/* SPDX-License-Identifier: MIT */
/* A domain's own nodes in XenStore (home.h). Our guest does not own its home: it may write only
 * where Xen lets it. */
#include "dom0/guests/home.h"
#include "dom0/xc/control.h"
#include <pvguest/thread.h>
#include <pvguest/xenstore.h>

/* "n<owner>", and "r<reader>" unless they are the same. */
static int set_owner(const char *path, domid_t owner, domid_t reader)
{
    char first[8], second[8];
    const char *permissions[] = { first, second };

    snprintf(first, sizeof(first), "n%u", (unsigned)owner);
    snprintf(second, sizeof(second), "r%u", (unsigned)reader);
    return xs_set_permissions(XS_NONE, path, permissions, owner == reader ? 1 : 2);
}

/* A directory in which the guest itself may write. */
static int own_directory(const char *home, domid_t domid, const char *name)
{
    char path[96];
    int error;

    snprintf(path, sizeof(path), "%s/%s", home, name);
    error = xs_mkdir(XS_NONE, path);
    return error ? error : set_owner(path, domid, domid);
}

/* A text as it is, however long: of a formatted one the SDK takes 511 characters. */
static int write_text(const char *directory, const char *name, const char *text)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return xs_write(XS_NONE, path, text, strlen(text));
}

/* /vm/UUID: what it was made from. (Its name can change; that stands in its home only.) */
static int write_image(const struct config *config, const char *home, domid_t domid)
{
    struct xen_domctl_getdomaininfo info;
    const uint8_t *id = info.handle;
    char vm[48];
    int error = domain_get_info(domid, &info);

    if (error) return error;
    snprintf(vm, sizeof(vm),
             "/vm/%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", id[0],
             id[1], id[2], id[3], id[4], id[5], id[6], id[7], id[8], id[9], id[10], id[11], id[12],
             id[13], id[14], id[15]);
    /* First: it is how home_release() finds the rest, whatever there is of it. */
    error = xs_printf(XS_NONE, home, "vm", "%s", vm);
    error = error ? error : xs_mkdir(XS_NONE, vm);
    error = error ? error : set_owner(vm, 0, domid);
    error = error ? error : xs_printf(XS_NONE, vm, "uuid", "%s", vm + strlen("/vm/"));
    error = error ? error : xs_printf(XS_NONE, vm, "image/ostype", "linux");
    error = error ? error : write_text(vm, "image/kernel", config->kernel);
    error = error ? error : write_text(vm, "image/cmdline", config->extra);
    if (!error && config->ramdisk[0])
        error = write_text(vm, "image/ramdisk", config->ramdisk);
    return error;
}

int home_write(const struct config *config, const struct build_result *built)
{
    static const char *const own[] = {
        "data",
        "attr",
        "error",
        "drivers",
        "feature",
        "device/suspend/event-channel",
        "control/shutdown",
        "control/sysrq",
        "control/feature-poweroff",
        "control/feature-reboot",
        "control/feature-suspend",
    };
    domid_t domid = built->domid;
    char home[32];
    int error;

    snprintf(home, sizeof(home), "/local/domain/%u", (unsigned)domid);
    error = xs_mkdir(XS_NONE, home);
    error = error ? error : set_owner(home, 0, domid);
    error = error ? error : xs_printf(XS_NONE, home, "name", "%s", config->name);
    error = error ? error : xs_printf(XS_NONE, home, "domid", "%u", (unsigned)domid);
    error = error ? error
                  : xs_printf(XS_NONE, home, "memory/target", "%lu", config->memory_mib * 1024);
    error = error ? error
                  : xs_printf(XS_NONE, home, "memory/static-max", "%lu", config->maxmem_mib * 1024);
    error = error ? error : xs_printf(XS_NONE, home, "store/ring-ref", "%lu", built->store_mfn);
    error = error ? error : xs_printf(XS_NONE, home, "store/port", "%u", built->store_port);
    error = error ? error : xs_printf(XS_NONE, home, "console/ring-ref", "%lu", built->console_mfn);
    error = error ? error : xs_printf(XS_NONE, home, "console/port", "%u", built->console_port);
    error = error ? error : xs_printf(XS_NONE, home, "console/type", "xenconsoled");
    error = error ? error : xs_printf(XS_NONE, home, "console/limit", "%u", 1048576u);
    error = error
                ? error
                : xs_printf(XS_NONE, home, "control/platform-feature-multiprocessor-suspend", "1");
    error = error ? error
                  : xs_printf(XS_NONE, home, "control/platform-feature-xs_reset_watches", "1");
    error = error ? error : write_image(config, home, domid);
    for (unsigned i = 0; i < config->vcpus && !error; i++) {
        char key[32];

        snprintf(key, sizeof(key), "cpu/%u/availability", i);
        error = xs_printf(XS_NONE, home, key, i < config->vcpus_at_start ? "online" : "offline");
    }
    for (size_t i = 0; i < ARRAY_SIZE(own) && !error; i++)
        error = own_directory(home, domid, own[i]);
    return error;
}

int home_introduce(const struct build_result *built)
{
    char body[64];
    size_t size;

    /* Three strings, each with its NUL. */
    size = (size_t)snprintf(body, sizeof(body), "%u%c%lu%c%u", (unsigned)built->domid, 0,
                            built->store_mfn, 0, built->store_port) +
           1;
    return xs_tell(XS_INTRODUCE, XS_NONE, body, size);
}

void home_release(domid_t domid)
{
    char text[48], vm[48];

    snprintf(text, sizeof(text), "%u", (unsigned)domid);
    /* The store forgets it in turns, between which others have theirs. */
    while (xs_tell(XS_RELEASE, XS_NONE, text, strlen(text) + 1) == -EAGAIN)
        thread_yield();
    snprintf(text, sizeof(text), "/local/domain/%u/vm", (unsigned)domid);
    if (xs_read_into(XS_NONE, text, vm, sizeof(vm)) > 0)
        xs_rm(XS_NONE, vm);
    snprintf(text, sizeof(text), "/local/domain/%u", (unsigned)domid);
    xs_rm(XS_NONE, text);
}
