/* SPDX-License-Identifier: MIT */
/* The network from Ethernet to IP: ARP, ICMP echo, and the way out for UDP (udp.c). Frames come in
 * by interrupt, so everything here runs with interrupts off. No fragments, no options, one
 * route. */
#include "net.h"

enum {
    ARP = 0x0806,
    IP = 0x0800,
    ARP_REQUEST = 1,
    ARP_REPLY = 2,
    ICMP = 1,
    ECHO_REPLY = 0,
    ECHO = 8,
    NEIGHBOURS = 16
};

struct nic *nic;
u32 net_address;
static u32 net_mask, gateway;
static const u8 broadcast[6] = { 255, 255, 255, 255, 255, 255 };
static struct { u32 ip; u8 mac[6]; } neighbours[NEIGHBOURS];
/* the ping that is under way */
static struct { u32 from; u16 sequence; bool waiting; } echo;

/* "10.0.2.15" or "10.0.2.15/24" to numbers; the mask is all ones without a length. */
static u32 parse_address(const char *text, u32 *mask)
{
    u32 parts[5] = { 0, 0, 0, 0, 32 };

    for (int i = 0; i < 5 && *text; i++, text += *text != 0)
        for (parts[i] = 0; *text >= '0' && *text <= '9'; text++)
            parts[i] = parts[i] * 10 + (u32)(*text - '0');
    if (mask)
        *mask = parts[4] ? ~0u << (32 - parts[4]) : 0;
    return parts[0] << 24 | parts[1] << 16 | parts[2] << 8 | parts[3];
}

/* Without an address (`ip=`) there is no network. */
void net_init(void)
{
    char text[32];

    if (!boot_argument("ip", text, sizeof text)) return;
    net_address = parse_address(text, &net_mask);
    nic = virtio_net_find();
    if (!nic) {
        kprintf("Insula: no network card\n");
        return;
    }
    if (boot_argument("gw", text, sizeof text))
        gateway = parse_address(text, NULL);
    kprintf("Insula: network %s, address %u.%u.%u.%u\n", nic->name, net_address >> 24,
            net_address >> 16 & 255, net_address >> 8 & 255, net_address & 255);
}

static const u8 *neighbour(u32 ip)
{
    for (u32 i = 0; i < NEIGHBOURS; i++)
        if (neighbours[i].ip == ip)
            return neighbours[i].mac;
    return NULL;
}

static void learn(u32 ip, const u8 *mac)
{
    static u32 next;
    u32 i = 0;

    while (i < NEIGHBOURS && neighbours[i].ip != ip)
        i++;
    if (i == NEIGHBOURS)
        i = next++ % NEIGHBOURS;
    neighbours[i].ip = ip;
    memcpy(neighbours[i].mac, mac, 6);
    wake(neighbours);
}

static void send_frame(const u8 *to, u16 type, const void *payload, u32 n)
{
    u8 frame[sizeof(struct ethernet) + MTU];
    struct ethernet *header = (struct ethernet *)frame;

    memcpy(header->to, to, 6);
    memcpy(header->from, nic->mac, 6);
    header->type = swap16(type);
    memcpy(header + 1, payload, n);
    if (n < 46) {
        memset(frame + sizeof *header + n, 0, 46 - n);          /* the shortest frame there is */
        n = 46;
    }
    nic->send(frame, (u32)sizeof *header + n);
}

static void send_arp(u16 operation, const u8 *mac, u32 ip)
{
    struct arp arp = { .hardware = swap16(1),
                       .protocol = swap16(IP),
                       .sizes = swap16(0x0604),
                       .operation = swap16(operation),
                       .from_ip = swap32(net_address),
                       .to_ip = swap32(ip) };

    memcpy(arp.from_mac, nic->mac, 6);
    memcpy(arp.to_mac, operation == ARP_REPLY ? mac : (const u8[6]){ 0 }, 6);
    send_frame(mac, ARP, &arp, sizeof arp);
}

static void receive_arp(const struct arp *arp)
{
    if (swap32(arp->to_ip) != net_address || !net_address) return;
    learn(swap32(arp->from_ip), arp->from_mac);
    if (swap16(arp->operation) == ARP_REQUEST)
        send_arp(ARP_REPLY, arp->from_mac, swap32(arp->from_ip));
}

u16 internet_checksum(const void *data, u32 n)
{
    const u8 *bytes = data;
    u32 sum = 0;

    for (u32 i = 0; i < n; i++)
        sum += i % 2 ? bytes[i] : (u32)bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (u16)~sum;
}

/* Asks for the owner of an address, three times, a third of a second apart. */
static const u8 *resolve(u32 ip, bool may_sleep)
{
    for (int attempt = 0; may_sleep && attempt < 3 && !neighbour(ip) && !current->killed;
         attempt++) {
        u64 until = ticks + 33;
        send_arp(ARP_REQUEST, broadcast, ip);
        while (ticks < until && !neighbour(ip) && !current->killed)
            sleep_on(&ticks);
    }
    return neighbour(ip);
}

int ip_send(u32 to, u8 protocol, const void *payload, u32 n, bool may_sleep)
{
    static u16 identification;
    u8 packet[MTU];
    struct ip *header = (struct ip *)packet;
    bool on = interrupts_off();
    const u8 *mac = resolve((to ^ net_address) & net_mask ? gateway : to, may_sleep);

    if (mac && n <= MTU - sizeof *header) {
        *header = (struct ip){ .version = 0x45,
                               .length = swap16((u16)(sizeof *header + n)),
                               .ttl = 64,
                               .identification = swap16(identification++),
                               .protocol = protocol,
                               .from = swap32(net_address),
                               .to = swap32(to) };
        header->checksum = swap16(internet_checksum(header, sizeof *header));
        memcpy(header + 1, payload, n);
        send_frame(mac, IP, packet, (u32)sizeof *header + n);
    }
    interrupts_restore(on);
    return mac ? 0 : -EHOSTUNREACH;
}

static void receive_icmp(u32 from, const u8 *packet, u32 n)
{
    struct icmp icmp;

    if (n < sizeof icmp || n > MTU - sizeof(struct ip) || internet_checksum(packet, n) != 0) return;
    memcpy(&icmp, packet, sizeof icmp);
    if (icmp.type == ECHO) {
        u8 reply[MTU];
        memcpy(reply, packet, n);
        ((struct icmp *)reply)->type = ECHO_REPLY;
        ((struct icmp *)reply)->checksum = 0;
        ((struct icmp *)reply)->checksum = swap16(internet_checksum(reply, n));
        ip_send(from, ICMP, reply, n, false);
    } else if (icmp.type == ECHO_REPLY && from == echo.from &&
               swap16(icmp.sequence) == echo.sequence) {
        echo.waiting = false;
        wake(&echo);
    }
}

/* From the driver's interrupt handler. Lengths come from outside: believe none that the frame does
 * not bear out. */
void net_receive(const u8 *frame, u32 n)
{
    const struct ethernet *ethernet = (const struct ethernet *)frame;
    const struct ip *ip = (const struct ip *)(ethernet + 1);

    if (n >= sizeof *ethernet + sizeof(struct arp) && swap16(ethernet->type) == ARP)
        receive_arp((const struct arp *)(ethernet + 1));
    if (n < sizeof *ethernet + sizeof *ip || swap16(ethernet->type) != IP || ip->version != 0x45 ||
        swap32(ip->to) != net_address || swap16(ip->fragment) & 0x3fff ||
        internet_checksum(ip, sizeof *ip) != 0)
        return;
    u32 length = swap16(ip->length), from = swap32(ip->from);
    if (length < sizeof *ip || length > n - sizeof *ethernet) return;
    if (!((from ^ net_address) & net_mask))
        learn(from, ethernet->from);
    if (ip->protocol == ICMP)
        receive_icmp(from, (const u8 *)(ip + 1), length - (u32)sizeof *ip);
    if (ip->protocol == UDP)
        udp_receive(from, (const u8 *)(ip + 1), length - (u32)sizeof *ip);
}

/* Sends one echo request of 56 bytes and waits for its answer. */
int net_ping(u32 to, u16 sequence, u32 timeout_ms)
{
    u8 packet[sizeof(struct icmp) + 56] = { 0 };
    struct icmp *icmp = (struct icmp *)packet;
    int error;

    if (!nic) return -ENODEV;
    if (echo.waiting) return -EBUSY;
    echo.from = to;
    echo.sequence = sequence;
    echo.waiting = true;
    icmp->type = ECHO;
    icmp->identifier = swap16((u16)current->pid);
    icmp->sequence = swap16(sequence);
    icmp->checksum = swap16(internet_checksum(packet, sizeof packet));
    error = ip_send(to, ICMP, packet, sizeof packet, true);

    bool on = interrupts_off();
    for (u64 until = ticks + timeout_ms / TICK_MS; !error && echo.waiting; sleep_on(&ticks))
        if (ticks >= until || current->killed)
            error = -ETIMEDOUT;
    echo.waiting = false;
    interrupts_restore(on);
    return error;
}
