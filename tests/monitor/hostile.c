/* SPDX-License-Identifier: MIT */
/*
 * A kernel for a PC that means no good, for the monitor (tests/system/test_monitor.py). Its command
 * line is the name of what it tries. Most of it must be survived as a PC survives it: then it says
 * "hostile: well" and switches the power off. The rest ends the machine, with the monitor's
 * sentence. With "n ROUNDS ROW..." it measures (nano.c).
 */
#include "hostile.h"

struct gate { uint16_t low, selector; uint8_t stack, type; uint16_t middle; uint32_t high, zero; };

extern const uint64_t stubs[TIMER + 1];
static struct gate gates[TIMER + 1];
volatile uint64_t caught, caught_vector, resume;
extern uint64_t resume_stack;
static uint64_t tables[8][512] __attribute__((aligned(4096)));

void hostile(uint64_t information);
void exception(struct frame *frame);

static inline void outw(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}
static inline void outl(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}
static inline uint8_t inb(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline uint32_t inl(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

void say(const char *text)
{
    outb(0x3f9, 0);
    outb(0x3fb, 3);
    outb(0x3fc, 0);
    while (*text)
        outb(0x3f8, (uint8_t)*text++);
}

void say_number(uint64_t number)
{
    char digits[19] = "0x0000000000000000";

    for (int i = 17; i > 1; i--, number >>= 4)
        digits[i] = "0123456789abcdef"[number & 15];
    say(digits);
}

void off(void)
{
    outw(0x604, 0x2000);
    for (;;)
        __asm__ volatile("cli; hlt");
}

void check(bool good, const char *what)
{
    if (good) return;
    say("hostile: WRONG: ");
    say(what);
    say("\n");
    off();
}

/* What faults goes on where `resume` says; without it, that was not meant. */
void exception(struct frame *frame)
{
    if (frame->vector == TIMER) {
        interrupt(frame);
        return;
    }
    caught++;
    caught_vector = frame->vector;
    if (!resume) {
        say("hostile: WRONG: an exception that nobody expects: ");
        say_number(frame->vector);
        say(" at ");
        say_number(frame->rip);
        say("\n");
        off();
    }
    frame->rip = resume;
    resume = 0;
    if (frame->cs == CODE) return;
    frame->cs = CODE;                                   /* back from another ring or mode */
    frame->ss = DATA;
    frame->rsp = resume_stack;
    frame->flags = 2;
}

static void set_gates(void)
{
    struct { uint16_t limit; uint64_t base; } __attribute__((packed)) idt = {
        sizeof(gates) - 1, (uint64_t)gates
    };

    for (int i = 0; i <= TIMER; i++)
        gates[i] = (struct gate){ (uint16_t)stubs[i], 8, 0, 0x8e, (uint16_t)(stubs[i] >> 16),
                                  (uint32_t)(stubs[i] >> 32), 0 };
    __asm__ volatile("lidt %0" : : "m"(idt));
}

/* --- what is survived ----------------------------------------------------------------------- */

static bool ends(uint32_t port)
{
    return port == 0x64 || port == 0xf4 || (port >= 0x601 && port <= 0x605) ||
           (port >= 0xcf6 && port <= 0xcf9);
}

static void ports(void)
{
    for (uint32_t port = 0; port < 0x10000; port++) {
        uint8_t value;
        if (ends(port))
            continue;
        value = inb((uint16_t)port);
        outb((uint16_t)port, value);
        outb((uint16_t)port, (uint8_t)(port * 7));
    }
    for (uint32_t i = 0; i < 0x4000; i++) {             /* all of PCI's bus 0 */
        uint32_t value;
        outl(0xcf8, 0x80000000 | i << 2);
        value = inl(0xcfc);
        outl(0xcfc, ~value);
        outl(0xcfc, value);
    }
    say("\n");                                  /* the end of what the serial port was sent */
}

static void msrs(void)
{
    static const uint32_t from[] = { 0, 0x40000000, 0xc0000000, 0xc0010000 };
    unsigned int faults = 0;

    for (int block = 0; block < 4; block++)
        for (uint32_t msr = from[block]; msr < from[block] + 0x200; msr++) {
            faults += FAULTS("rdmsr", "c"(msr));
            if (msr == 0xc0000080)                      /* EFER: it is what we run by */
                continue;
            faults += FAULTS("movl $0x80008000, %%eax; movl %%eax, %%edx; wrmsr", "c"(msr));
        }
    check(faults > 1000, "most MSRs are not there");
    check(FAULTS("wrmsr", "c"(0xc0000080)), "EFER with bits that are reserved");
}

/* A table that is its own lower one; the same 2 MiB at 300 places; places nobody may have. */
static void mappings(void)
{
    const volatile uint64_t *entry;

    level4[400] = (uint64_t)level4 | 3;
    entry = (const uint64_t *)0xffffc86432190000;     /* slot 400 of all levels */
    (void)*entry;                                       /* sets accessed bits, in itself */
    check(entry[400] == level4[400] && entry[0] == level4[0], "the root, seen through itself");
    level4[1] = (uint64_t)tables[0] | 3;
    tables[0][0] = (uint64_t)tables[1] | 3;
    for (uint64_t i = 0; i < 300; i++)
        tables[1][i] = 0x83;
    for (int turn = 0; turn < 2; turn++)
        for (uint64_t i = 0; i < 300; i++) {
            volatile uint32_t *at = (uint32_t *)(0x8000000000 + (i << 21) + 0x80000);
            *at = (uint32_t)i;
            check(*(volatile uint32_t *)0x80000 == i, "the same page at many places");
        }
    level4[256] = (uint64_t)tables[0] | 3;              /* where a hypervisor lives */
    *(volatile uint32_t *)0xffff800000080000 = 77;
    check(*(volatile uint32_t *)0x80000 == 77, "memory in the hypervisor's slot");
    check(FAULTS("movq (%%rcx), %%rax", "c"(0xffff830000000000)), "nothing there");
    check(caught_vector == 14, "a page fault");
    check(FAULTS("movq (%%rcx), %%rax", "c"(0x800000000000)), "no address at all");
    check(caught_vector == 13, "a general protection fault");
    *(volatile uint32_t *)0x8000080000 = 5;
    tables[1][0] = 0x81;                                /* read-only, at once */
    __asm__ volatile("invlpg (%0)" : : "r"(0x8000000000) : "memory");
    check(FAULTS("movb $1, (%%rcx)", "c"(0x8000000000 + 0x80000)), "a page that became read-only");
    check(*(volatile uint32_t *)0x8000080000 == 5, "and can be read");
    tables[1][0] = 0;
    __asm__ volatile("invlpg (%0)" : : "r"(0x8000000000) : "memory");
    check(FAULTS("movq (%%rcx), %%rax", "c"(0x8000000000 + 0x80000)), "a page that went");
    tables[0][1] = 0x83;                                /* a GiB at once */
    check(*(volatile uint32_t *)0x8040080000 == 5, "the same in a larger page");
    tables[0][1] = 0;
    __asm__ volatile("invlpg (%0)" : : "r"(0x807fffffff) : "memory");
    check(FAULTS("movq (%%rcx), %%rax", "c"(0x8040080000)), "a large page that went");
}

static __attribute__((noinline, noclone)) int changed(void)
{
    int value;

    __asm__ volatile("movl $11, %0" : "=r"(value));
    return value;
}

/* Code that is written to while it is known as code, and written anew, across a page's end. */
static void writes_code(void)
{
    static uint8_t room[2 * 4096] __attribute__((aligned(4096)));
    uint8_t *at = room + 4096 - 3;
    volatile uint8_t *byte = (uint8_t *)(uint64_t)changed;
    int (*made)(void) = (int (*)(void))(uint64_t)at;
    uint64_t flags;

    check(changed() == 11, "a function as it was");
    for (int i = 0; i < 16; i++)
        if (byte[i] == 11) {
            byte[i] = 22;
            break;
        }
    check(changed() == 22, "a function as it is now");
    for (uint8_t value = 1; value < 50; value++) {
        at[0] = 0xb8;                                   /* movl $value, %eax; ret: across pages */
        at[1] = value;
        at[2] = at[3] = at[4] = 0;
        at[5] = 0xc3;
        check(made() == value, "code made a moment ago");
    }
    at[0] = 0x9c;                                       /* pushfq; popq %rax; ret */
    at[1] = 0x58;
    at[2] = 0xc3;
    flags = (uint64_t)((uint64_t (*)(void))(uint64_t)at)();
    check(!(flags & 0x200), "the interrupt flag, seen by code that no scan has seen");
    __asm__ volatile("pushfq; popq %0" : "=r"(flags));
    check(!(flags & 0x200), "the interrupt flag");
    check((byte[0] & 0xff) != 0xcc, "no int3 to be seen");
}

/* The same, by another address of the same page, which was read before: nothing faults there. */
static void aliases(void)
{
    volatile uint8_t *byte = (uint8_t *)(0x8000000000 + (uint64_t)changed);

    level4[1] = (uint64_t)tables[0] | 3;
    tables[0][0] = (uint64_t)tables[1] | 3;
    tables[1][0] = 0x83;
    *(volatile uint8_t *)0x8000080000 = 1;              /* its dirty bit is set */
    check(changed() == 11, "a function as it was");
    for (int i = 0; i < 16; i++)
        if (byte[i] == 11) {
            byte[i] = 22;
            break;
        }
    check(changed() == 22, "a function written to elsewhere");
}

static void faults(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq; popq %0" : "=r"(flags));
    check(!(flags & 0x200), "the interrupt flag, seen by code that runs directly");
    check(FAULTS("ud2", "i"(0)) && caught_vector == 6, "an invalid opcode");
    check(FAULTS("int3", "i"(0)) && caught_vector == 3, "int3");
    check(FAULTS("xorl %%edx, %%edx; xorl %%eax, %%eax; divl %%edx", "i"(0)) && caught_vector == 0,
          "a division by zero");
    check(FAULTS("movl $0x77, %%eax; movw %%ax, %%ds", "i"(0)) && caught_vector == 13,
          "no such segment");
    check(FAULTS("movq $-1, %%rax; movq %%rax, %%cr4", "i"(0)) && caught_vector == 13, "CR4");
    check(FAULTS("int $0x50", "i"(0)) && caught_vector == 13, "a gate that is not there");
}

/* Code of the first page, of the second one without a word (which a TLB may have either way), and
 * of the first one again, with one. */
static void there_and_back(volatile uint64_t *entry, const uint8_t room[2][4096], uint64_t at)
{
    uint64_t (*code)(void) = (uint64_t (*)(void))at, page = at & ~4095ull, seen;

    *entry = (uint64_t)room[0] | 3;
    __asm__ volatile("invlpg (%0)" : : "r"(at) : "memory");
    check(((uint64_t (*)(void))page)() == page + 5, "code of the first page");
    *entry = (uint64_t)room[1] | 3;
    seen = code();
    check(seen == 1 || seen == 2, "code of either page");
    *entry = (uint64_t)room[0] | 3;
    __asm__ volatile("invlpg (%0)" : : "r"(at) : "memory");
    check(code() == 1, "code of the first page, after all");
}

/* Code at an address that means one page, then another, then none that may be executed; far from
 * where a displacement reaches. It asks where it is: by a call's return address, and by RIP. */
static void moves(void)
{
    enum { BEHIND = 0x800 };
    static uint8_t room[2][4096] __attribute__((aligned(4096))) = {
        { 0xe8, 1, 0, 0, 0, 0xc3, 0x58, 0xff, 0xe0,     /* call 6; 5: ret; 6: pop rax; jmp rax */
          [BEHIND] = 0xb8, 1, 0, 0, 0, 0xc3 },          /* movl $1, %eax; ret */
        { 0x48, 0x8d, 5, 0, 0, 0, 0, 0xc3,              /* lea rax, [rip]; ret */
          [BEHIND] = 0xb8, 2, 0, 0, 0, 0xc3 },
    };
    const uint64_t at = 0xa000000000, expected[] = { at + 5, at + 7 };
    uint64_t root;

    level4[1] = (uint64_t)tables[0] | 3;
    tables[0][128] = (uint64_t)tables[1] | 3;
    tables[1][0] = (uint64_t)tables[2] | 3;
    __asm__ volatile("movq %%cr3, %0" : "=r"(root));
    for (int turn = 0; turn < 24; turn++) {
        int which = turn / 2 % 2;
        tables[2][0] = (uint64_t)room[which] | 3;
        if (turn % 3)
            __asm__ volatile("invlpg (%0)" : : "r"(at) : "memory");
        else
            __asm__ volatile("movq %0, %%cr3" : : "r"(root) : "memory");
        check(((uint64_t (*)(void))at)() == expected[which], "code that has another page now");
    }
    there_and_back(&tables[2][0], room, at + BEHIND);
    tables[2][0] |= 1ull << 63;
    __asm__ volatile("invlpg (%0)" : : "r"(at) : "memory");
    check(FAULTS("jmpq *%%rcx", "c"(at)) && caught_vector == 14, "code that is none any more");
    tables[2][0] = 0;
    __asm__ volatile("movq %0, %%cr3" : : "r"(root) : "memory");
    check(FAULTS("jmpq *%%rcx", "c"(at)) && caught_vector == 14, "code that is gone");
}

/* Where a translation has its cache: whatever is written there, the machine goes on. */
static void window(void)
{
    const uint64_t at = 0xfffffc0000000000;
    volatile uint64_t *other = (uint64_t *)(at + 0x40080000);

    for (uint64_t i = 0; i < 3 * 4096; i += 0x208)
        (void)FAULTS("movq $-1, %%rax; movq %%rax, (%%rcx)", "c"(at + i));
    __asm__ volatile("cli");
    check(FAULTS("jmpq *%%rcx", "c"(at + 0x2000)) && caught_vector == 14, "no code of ours");
    level4[504] = (uint64_t)tables[0] | 3;
    tables[0][1] = 0x83;
    *other = 77;
    check(*(volatile uint64_t *)0x80000 == 77, "memory in the same slot");
    faults();
}

/* --- a virtio disk that is lied to ----------------------------------------------------------- */

#define BAR 0xfe004000ull
#define REGISTER(type, offset) (*(volatile type *)(BAR + (offset)))

static void rings(void)
{
    uint64_t *descriptors = tables[2];
    uint16_t *available = (uint16_t *)(void *)tables[3];

    check(REGISTER(uint16_t, 18) == 1, "there is a disk");
    for (uint64_t n = 0; n < 400; n++) {
        static const uint64_t places[] = {
            0, ~0ull, 0xffffffff000, 0xfe004000, 0xa0000, ~0xfffull
        };
        uint64_t place = n & 8 ? places[n % 6] : (uint64_t)descriptors;
        REGISTER(uint8_t, 20) = 0;
        REGISTER(uint32_t, 8) = 1;
        REGISTER(uint32_t, 12) = 1;
        REGISTER(uint8_t, 20) = 0xb;
        REGISTER(uint16_t, 24) = n & 1 ? 16 : 7;
        REGISTER(uint64_t, 32) = place;
        REGISTER(uint64_t, 40) = n & 16 ? places[n % 5] : (uint64_t)available;
        REGISTER(uint64_t, 48) = n & 32 ? places[n % 3] : (uint64_t)tables[4];
        REGISTER(uint16_t, 28) = 1;
        REGISTER(uint8_t, 20) = 0xf;
        for (uint64_t i = 0; i < 16; i++) {             /* each goes to the next, and round */
            descriptors[2 * i] = n & 64 ? places[(n + i) % 6] : (uint64_t)tables[5];
            descriptors[2 * i + 1] = (n & 2 ? 16 : 0xffffffff) |
                                     (1 | (i * n & 2)) << 32 | ((i + 1) % (16 + n % 3)) << 48;
        }
        available[1] = (uint16_t)(n & 4 ? 0x7777 : 1);
        available[2] = (uint16_t)(n * 3);
        REGISTER(uint16_t, 0x3000) = 0;
    }
    for (uint64_t at = 0; at < 0x5000; at += 2)         /* all registers, and those of nobody */
        REGISTER(uint16_t, at) = (uint16_t)(REGISTER(uint16_t, at) + at);
    REGISTER(uint8_t, 20) = 0;
    check(REGISTER(uint8_t, 20) == 0, "after all that it can be reset");
}

/* --- what ends the machine ------------------------------------------------------------------- */

static void triple(void)
{
    struct { uint16_t limit; uint64_t base; } __attribute__((packed)) none = { 0, 0 };

    __asm__ volatile("lidt %0; ud2" : : "m"(none));
}

static void unknown(void)
{
    __asm__ volatile("fninit; fldpi");
    writes_code();
    __asm__ volatile(".byte 0x0f, 0x58, 0xc0");         /* addps: on a page that is interpreted */
}

static void halts(void)
{
    __asm__ volatile("cli; hlt");
}

static void resets(void)
{
    outb(0x64, 0xfe);
}

static const struct { const char *name; void (*run)(void); bool ends; } trials[] = {
    { "ports", ports, false },
    { "msrs", msrs, false },
    { "mappings", mappings, false },
    { "writes", writes_code, false },
    { "aliases", aliases, false },
    { "faults", faults, false },
    { "moves", moves, false },
    { "spaces", spaces, false },
    { "window", window, false },
    { "rings", rings, false },
    { "modes", modes, false },
    { "registers", registers, false },
    { "addresses", addresses, false },
    { "boundaries", boundaries, false },
    { "interrupts", interrupts, false },
    { "triple", triple, true },
    { "unknown", unknown, true },
    { "halts", halts, true },
    { "resets", resets, true },
    { "unpaged", paging_off, true },
};

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

void hostile(uint64_t information)
{
    const char *name = (const char *)(information + 16);        /* the first tag: its text */

    set_gates();
    if (name[0] == 'n' && name[1] == ' ') {
        nano(name + 2);
        off();
    }
    for (size_t i = 0; i < sizeof(trials) / sizeof(*trials); i++)
        if (same(trials[i].name, name)) {
            trials[i].run();
            check(!trials[i].ends, "this should have been the end");
            say("hostile: well\n");
            off();
        }
    check(false, "no such trial");
}
