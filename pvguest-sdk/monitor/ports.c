/* SPDX-License-Identifier: MIT */
/*
 * Which device answers where: ports, and registers in memory. What nobody has reads as all ones and
 * takes what is written, as on a PC; so does memory that is not there.
 */
#include <pvguest/time.h>
#include "machine.h"

enum {
    KEYBOARD = 0x64, KEYBOARD_RESET = 0xfe, DEBUG_EXIT = 0xf4, PM_CONTROL = 0x604,
    PM_SLEEP = 0x2000, RESET = 0xcf9, RESET_NOW = 4,
};

static struct machine *of(struct vcpu *vcpu)
{
    return vcpu->context;
}

void irq_line(struct machine *machine, unsigned int irq, bool up)
{
    pic_line(&machine->pic, irq, up);
    machine->vcpu.interrupt_pending = pic_calls(&machine->pic);
}

static uint8_t in_byte(struct machine *machine, uint16_t port)
{
    uint8_t value = 0xff;

    if (pic_has(port)) {
        value = pic_in(&machine->pic, port);
    } else if (pit_has(port)) {
        value = pit_in(&machine->pit, port, now_ns());
    } else if (serial_has(port)) {
        value = serial_in(&machine->serial, port);
        irq_line(machine, IRQ_SERIAL, serial_interrupts(&machine->serial));
    } else if (port == KEYBOARD) {
        value = 0;                              /* a controller with nothing to say */
    }
    return value;
}

static uint32_t port_in(struct vcpu *vcpu, uint16_t port, unsigned int size)
{
    struct machine *machine = of(vcpu);
    uint32_t value = 0;

    if (pci_has(port)) return pci_in(&machine->pci, port, size);
    for (unsigned int i = 0; i < size; i++)
        value |= (uint32_t)in_byte(machine, (uint16_t)(port + i)) << 8 * i;
    machine->vcpu.interrupt_pending = pic_calls(&machine->pic);
    return value;
}

static void out_byte(struct machine *machine, uint16_t port, uint8_t value)
{
    if (pic_has(port)) {
        pic_out(&machine->pic, port, value);
    } else if (pit_has(port)) {
        pit_out(&machine->pit, port, value, now_ns());
    } else if (serial_has(port)) {
        serial_out(&machine->serial, port, value);
        irq_line(machine, IRQ_SERIAL, serial_interrupts(&machine->serial));
    } else if (port == KEYBOARD && value == KEYBOARD_RESET) {
        machine_end(machine, "the guest resets the machine (keyboard controller)");
    } else if (port == DEBUG_EXIT) {
        machine_end(machine, "the guest ends the machine (debug exit)");
    }
}

static void port_out(struct vcpu *vcpu, uint16_t port, unsigned int size, uint32_t value)
{
    struct machine *machine = of(vcpu);

    if (port == RESET && value & RESET_NOW) {
        machine_end(machine, "the guest resets the machine");
    } else if (port == PM_CONTROL && value & PM_SLEEP) {
        machine_end(machine, "the guest switches the machine off");
    } else if (pci_has(port)) {
        pci_out(&machine->pci, port, size, value);
    } else {
        for (unsigned int i = 0; i < size; i++)
            out_byte(machine, (uint16_t)(port + i), (uint8_t)(value >> 8 * i));
    }
    machine->vcpu.interrupt_pending = pic_calls(&machine->pic);
}

/* --- memory --------------------------------------------------------------------------------- */

static uint8_t *memory(struct vcpu *vcpu, uint64_t physical, bool write)
{
    return memory_page(of(vcpu), physical, write);
}

static struct virtio *device_at(struct machine *machine, uint64_t physical, uint32_t *offset)
{
    struct pci_function *f = pci_at(&machine->pci, physical, offset);

    if (!f) return NULL;
    return f == &machine->pci.slot[1] ? &machine->disk.virtio : &machine->card.virtio;
}

static uint64_t load(struct vcpu *vcpu, uint64_t physical, unsigned int size)
{
    uint32_t offset;
    struct virtio *device = device_at(of(vcpu), physical, &offset);
    uint64_t value = ~0ull;

    if (!device) return value;
    value = virtio_load(device, offset, size < 4 ? size : 4);
    if (size == 8)
        value |= (uint64_t)virtio_load(device, offset + 4, 4) << 32;
    return value;
}

static void store(struct vcpu *vcpu, uint64_t physical, unsigned int size, uint64_t value)
{
    uint32_t offset;
    struct virtio *device = device_at(of(vcpu), physical, &offset);

    if (!device) return;
    if (size < 4)
        value &= (1u << 8 * size) - 1;
    virtio_store(device, offset, size < 4 ? size : 4, (uint32_t)value);
    if (size == 8)
        virtio_store(device, offset + 4, 4, (uint32_t)(value >> 32));
}

/* --- the rest that a processor asks for ------------------------------------------------------ */

/* What the interpreter has: a 64-bit processor with SYSCALL and NX, without an APIC, and with
 * nothing to compute in but its general registers. */
enum {
    TSC = 1 << 4, MSR = 1 << 5, PAE = 1 << 6, CX8 = 1 << 8, PGE = 1 << 13, CMOV = 1 << 15,
    PAT = 1 << 16, PSE = 1 << 3, FXSR = 1 << 24, FPU = 1 << 0,
};
enum { SYSCALL = 1 << 11, NX = 1 << 20, LONG_MODE = 1 << 29, LAHF = 1 << 0 };

static void cpuid(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    static const uint32_t features = FPU | PSE | TSC | MSR | PAE | CX8 | PGE | CMOV | PAT | FXSR;

    out[0] = out[1] = out[2] = out[3] = 0;
    switch (leaf) {
    case 0:
        out[0] = 1;
        out[1] = 0x756d6f44;            /* "DomusMonitor" in EBX, EDX, ECX */
        out[3] = 0x6e6f4d73;
        out[2] = 0x726f7469;
        break;
    case 1:
        out[0] = 0x600;
        out[3] = features;
        break;
    case 0x80000000:
        out[0] = 0x80000008;
        break;
    case 0x80000001:
        out[2] = LAHF;
        out[3] = SYSCALL | NX | LONG_MODE;
        break;
    case 0x80000008:
        out[0] = 48 << 8 | 40;
        break;
    }
}

static uint64_t tsc(struct vcpu *vcpu)
{
    return read_tsc();
}

const struct machine_ops machine_ops = {
    .memory = memory,
    .load = load,
    .store = store,
    .port_in = port_in,
    .port_out = port_out,
    .cpuid = cpuid,
    .tsc = tsc,
    .invalidated = shadow_invalidated,
};
