/* SPDX-License-Identifier: MIT */
/*
 * One network card of a guest's configuration (xl-network-configuration(5)). Pure.
 *
 *   mac=00:16:3e:01:02:03,bridge=br0            both may be missing
 *   mac=...,ip=10.0.2.30,rate=10Mb/s@50ms,spoof=1           as in dom0/network/guard.h
 */
#ifndef DOM0_CONFIG_VIF_H
#define DOM0_CONFIG_VIF_H

#include "dom0/config/device_kind.h"

#define VIF_MAX_ADDRESSES 4u

struct config_vif {
    uint8_t mac[6];                     /* All zero: to be made up. */
    char bridge[16], name[16];          /* vifname=: stands in XenStore. */
    bool spoof;                         /* May send from other addresses than its own. */
    bool untrusted;                     /* The guest is told not to trust dom0. */
    bool model;                         /* model= was there, of a card that no PV guest has. */
    char ip[VIF_MAX_ADDRESSES * 16];    /* As written; empty: any. */
    uint32_t address[VIF_MAX_ADDRESSES];
    unsigned addresses, mtu;
    uint64_t rate_bytes;                /* Each rate_usecs; 0: no limit. */
    uint32_t rate_usecs;
};

/* 0, or -EINVAL with the problem's text filled in. */
int vif_parse(const char *text, struct config_vif *vif, struct problem *problem);

/* "00:16:3e:01:02:03", "0:16:3e:1:2:3". False: not a station's address. */
bool vif_parse_mac(const char *text, uint8_t mac[6]);

/*
 * "10Mb/s", "250KB/s", "1MB/s@20ms": bits or bytes a second, in thousands, and how often they are
 * handed out (s, ms, us; alone: seconds; not given: 50 ms). To bytes an interval, and the interval.
 * NULL, or what is wrong in xl's words.
 */
const char *vif_parse_rate(const char *text, uint64_t *bytes, uint32_t *usecs);

/* "10.0.2.30", or up to four with blanks between them. 0x0a00021e. False: they are none. */
bool vif_parse_addresses(const char *text, uint32_t address[VIF_MAX_ADDRESSES], unsigned *count);

#endif
