/* SPDX-License-Identifier: MIT */
/* UDP sockets: a port and a queue of packets that came for it. The interrupt handler fills the
 * queue, processes empty it. */
#include "net.h"

enum { SOCKETS = 8, QUEUED = 8, FIRST_FREE_PORT = 49152 };

struct packet { struct address from; u32 n; u8 data[UDP_MAX]; };
struct socket {
    u16 port;                           /* 0: the slot is free */
    u32 received, taken;                /* free-running */
    struct packet queue[QUEUED];
};
static struct socket sockets[SOCKETS];

static struct socket *socket_of(u16 port)
{
    for (struct socket *s = sockets; s < sockets + SOCKETS; s++)
        if (s->port == port)
            return s;
    return NULL;
}

/* NULL: the port is taken, or there are no more sockets. Port 0 asks for any. */
struct socket *socket_create(u16 port)
{
    struct socket *socket = socket_of(0);

    if (port == 0)
        for (port = FIRST_FREE_PORT; socket_of(port); port++)
            ;
    else if (socket_of(port))
        return NULL;
    if (socket) {
        socket->received = socket->taken = 0;
        socket->port = port;
    }
    return socket;
}

void socket_close(struct socket *socket)
{
    socket->port = 0;
}

int socket_send(struct socket *socket, const struct address *to, u64 user, u32 n)
{
    u8 packet[sizeof(struct udp) + UDP_MAX];
    struct udp *header = (struct udp *)packet;
    int error;

    if (n > UDP_MAX) return -EINVAL;
    *header = (struct udp){ swap16(socket->port), swap16(to->port),
                            swap16((u16)(sizeof *header + n)), 0 };
    if (copy_in(header + 1, user, n) < 0) return -EFAULT;
    error = ip_send(to->ip, UDP, packet, (u32)sizeof *header + n, true);
    return error ? error : (int)n;
}

/* The checksum is optional over IPv4, and Ethernet has its own: we neither make nor check it. */
void udp_receive(u32 from, const u8 *packet, u32 n)
{
    const struct udp *header = (const struct udp *)packet;
    struct socket *socket;

    if (n < sizeof *header || swap16(header->length) < sizeof *header ||
        swap16(header->length) > n || !header->to)
        return;
    socket = socket_of(swap16(header->to));
    n = swap16(header->length) - (u32)sizeof *header;
    if (!socket || socket->received - socket->taken == QUEUED || n > UDP_MAX) return;
    struct packet *slot = &socket->queue[socket->received++ % QUEUED];
    slot->from = (struct address){ from, swap16(header->from) };
    slot->n = n;
    memcpy(slot->data, header + 1, n);
    wake(socket);
}

/* Waits up to timeout_ms (0: for ever); what does not fit in n bytes is cut off. */
int socket_receive(struct socket *socket, struct address *from, u64 user, u32 n, u32 timeout_ms)
{
    u64 until = ticks + (timeout_ms + TICK_MS - 1) / TICK_MS;
    bool on = interrupts_off();
    int result = 0;

    while (socket->received == socket->taken && !result) {
        if (current->killed)
            result = -EINTR;
        else if (timeout_ms && ticks >= until)
            result = -ETIMEDOUT;
        else
            sleep_on(timeout_ms ? (const volatile void *)&ticks : socket);
    }
    if (!result) {
        struct packet *packet = &socket->queue[socket->taken % QUEUED];
        u32 size = packet->n < n ? packet->n : n;
        *from = packet->from;
        result = copy_out(user, packet->data, size) < 0 ? -EFAULT : (int)size;
        socket->taken++;
    }
    interrupts_restore(on);
    return result;
}
