/* SPDX-License-Identifier: MIT */
/* Guests' network cards (device.h): a port of the bridge, served by drivers/pv's network back
 * end. */
#include "dom0/config/vif.h"
#include "dom0/devices/device.h"
#include "dom0/network/br0.h"
#include <abi/sums.h>
#include <drivers/netback.h>
#include <pvguest/console.h>

struct vif {
    struct device device;
    struct netback *back;
    bool plugged;
};

static struct vif *vif_of(struct device *device)
{
    return (struct vif *)device;
}

static const struct config_vif *words_of(const struct config_device *config)
{
    return config_of(struct config_vif, config);
}

static void mac_text(const struct config_device *config, char *text)
{
    const uint8_t *mac = words_of(config)->mac;

    snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
             mac[5]);
}

/* --- its life --- */

static void label(const struct config_device *config, char *text, size_t size)
{
    snprintf(text, size, "vif %u", config->number);
}

static int check(const struct config_device *config, struct problem *problem)
{
    const char *bridge = words_of(config)->bridge;

    if (!strcmp(bridge, BR0_NAME)) return 0;
    return problem_set(problem, -ENODEV,
                       "vif %u: there is no bridge '%s'; the only one is " BR0_NAME,
                       config->number, bridge);
}

/* An address of Xen's own range (00:16:3e), made from the guest's name so that it is the same at
 * each start. */
static void make_mac(const char *name, unsigned index, uint8_t mac[6])
{
    uint32_t hash = 2166136261u + index;

    while (*name)
        hash = (hash ^ (uint8_t)*name++) * 16777619u;
    mac[0] = 0x00;
    mac[1] = 0x16;
    mac[2] = 0x3e;
    mac[3] = (uint8_t)(hash >> 16 & 0x7f);
    mac[4] = (uint8_t)(hash >> 8);
    mac[5] = (uint8_t)hash;
}

static int take(struct device *device, const char *guest, struct problem *problem)
{
    struct config_vif *words = config_of(struct config_vif, &device->config);
    static const uint8_t none[6];

    if (!memcmp(words->mac, none, sizeof(words->mac)))
        make_mac(guest, device->number, words->mac);
    return 0;
}

static void nodes(struct writing *writing, const struct device *device)
{
    const struct config_vif *words = words_of(&device->config);
    char mac[18];

    mac_text(&device->config, mac);
    device_node(writing, device->front, "trusted", words->untrusted ? "0" : "1");
    device_node(writing, device->front, "handle", "%u", device->number);
    device_node(writing, device->front, "mac", "%s", mac);
    device_node(writing, device->front, "mtu", "%u", words->mtu);
    device_node(writing, device->back, "handle", "%u", device->number);
    device_node(writing, device->back, "mac", "%s", mac);
    device_node(writing, device->back, "bridge", "%s", words->bridge);
    device_node(writing, device->back, "type", "vif");
    /* As Xen keeps it; what it does is done, but not by it. */
    device_node(writing, device->back, "script", "/etc/xen/scripts/vif-bridge");
    if (words->name[0])
        device_node(writing, device->back, "vifname", "%s", words->name);
    if (words->ip[0])
        device_node(writing, device->back, "ip", "%s", words->ip);
    if (words->rate_bytes)
        device_node(writing, device->back, "rate", "%lu,%u", words->rate_bytes, words->rate_usecs);
}

static int plug(const struct config_vif *words, struct netport *port)
{
    struct guard_rule rule = { .spoof = words->spoof,
                               .addresses = words->addresses,
                               .burst = words->rate_bytes };

    _Static_assert(sizeof(rule.address) == sizeof(words->address),
                   "as many addresses here as there");
    memcpy(rule.mac, words->mac, sizeof(rule.mac));
    memcpy(rule.address, words->address, sizeof(rule.address));
    if (words->rate_usecs)
        rule.rate = product_of(words->rate_bytes, NS_PER_S / NS_PER_US) / words->rate_usecs;
    return bridge_attach_guarded(&br0, port, &rule);
}

static int open(struct device *device, struct problem *problem)
{
    const struct config_vif *words = words_of(&device->config);
    struct vif *vif = vif_of(device);
    struct netport *port;
    int error;

    vif->back = netback_create(&device_store, device->guest->domid, device->number, words->mac);
    if (!vif->back)
        return problem_set(problem, -ENOMEM, "vif %u: no memory for its back end", device->number);
    port = netback_port(vif->back);
    error = plug(words, port);
    vif->plugged = error == 0;
    if (error)
        return problem_set(problem, error,
                           error == -EEXIST
                               ? "vif %u: another card of the bridge has its address"
                               : "vif %u: the bridge has no free port",
                           device->number);
    port->waker = &device->traffic;
    port->wake = turns_wake;
    return 0;
}

static bool serve(struct device *device, unsigned budget)
{
    struct netport *port = netback_port(vif_of(device)->back);

    return port->serve(port, budget);
}

static bool is_due(const struct device *device)
{
    return netback_is_broken(((const struct vif *)device)->back);
}

static void changed(struct device *device)
{
    netback_service(vif_of(device)->back);
    netback_changed(vif_of(device)->back);
}

static void destroy(struct device *device)
{
    struct vif *vif = vif_of(device);

    if (vif->plugged)
        bridge_detach(&br0, netback_port(vif->back));
    if (vif->back)
        netback_destroy(vif->back);
}

static struct device_traffic traffic(const struct device *device)
{
    struct netback *back = ((const struct vif *)device)->back;
    const struct netport *port = back ? netback_port(back) : NULL;

    if (!port) return (struct device_traffic){ .out = 0 };
    return (struct device_traffic){ .out = port->bytes_received, .in = port->bytes_sent };
}

/* --- for the operator --- */

static bool is_called(const struct config_device *config, const char *name)
{
    uint8_t mac[6];

    return vif_parse_mac(name, mac) && !memcmp(mac, words_of(config)->mac, sizeof(mac));
}

static void say_attached(const struct config_device *config, const char *guest)
{
    printk("A network card is attached to '%s' as %u\n", guest, config->number);
}

static void row(const struct device *device)
{
    char mac[18];

    mac_text(&device->config, mac);
    printk("%-3u %-2d %-17s %6u %5ld %6ld %5ld/%-11ld", device->number, 0, mac, device->number,
           device_front_number(device, "state"), device_front_number(device, "event-channel"),
           device_front_number(device, "tx-ring-ref"), device_front_number(device, "rx-ring-ref"));
}

static void detail(const struct config_device *config, struct device_detail detail[DEVICE_DETAILS])
{
    detail[0] = (struct device_detail){ .key = "devid", .number = config->number };
    detail[1].key = "mac";
    mac_text(config, detail[1].text);
    detail[2].key = "bridge";
    strlcpy(detail[2].text, words_of(config)->bridge, sizeof(detail[2].text));
    detail[3] = (struct device_detail){ .key = "nictype", .text = "vif" };
}

const struct device_class vif_class = {
    .kind = "vif",
    .title = "network card",
    .turns = TURN_NET,
    .size = sizeof(struct vif),
    .back_bytes = netback_bytes,
    .label = label,
    .check = check,
    .take = take,
    .nodes = nodes,
    .open = open,
    .serve = serve,
    .is_due = is_due,
    .changed = changed,
    .destroy = destroy,
    .traffic = traffic,
    .is_called = is_called,
    .say_attached = say_attached,
    .heading = "Idx BE Mac Addr.         handle state evt-ch   tx-/rx-ring-ref",
    .row = row,
    .details = "nics",
    .detail = detail,
    .verbs = {
        .list = "network-list",
        .list_help = "a guest's network cards",
        .attach = "network-attach",
        .attach_words = "NAME [VIF]",
        .attach_help = "give it a card, as in a configuration: mac=...,bridge=br0",
        .attach_bare = true,
        .detach = "network-detach",
        .detach_help = "take it away: its number or its address",
    },
};
