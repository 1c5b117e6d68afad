/* SPDX-License-Identifier: MIT */
/* Generated programs, translated and run on the processor that runs this test, do what they do in
 * the interpreter; and wherever in the translation they are stopped, the state is one that the
 * interpreter has between two instructions, from which they go on to the same end.
 * TRANSLATE_SEED and TRANSLATE_CASES choose others, and more.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "interpret_host.h"
#include "pvguest-sdk/monitor/translator.h"
#include "tests/unit/random.h"

/* --- the processor: from registers to the next int3 ------------------------------------------- */

struct native {
    uint64_t general[16], flags, code, host_stack;
} native_state __attribute__((used));

void native_run(void);
void native_back(void);
__asm__(
    ".text\n"
    ".globl native_run, native_back\n"
    "native_run:\n"
    "push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
    "movq %rsp, native_state+8*18(%rip)\n"
    "pushq native_state+8*16(%rip)\n popfq\n"
    "movq native_state+8*0(%rip), %rax\n movq native_state+8*1(%rip), %rcx\n"
    "movq native_state+8*2(%rip), %rdx\n movq native_state+8*3(%rip), %rbx\n"
    "movq native_state+8*4(%rip), %rsp\n movq native_state+8*5(%rip), %rbp\n"
    "movq native_state+8*6(%rip), %rsi\n movq native_state+8*7(%rip), %rdi\n"
    "movq native_state+8*8(%rip), %r8\n movq native_state+8*9(%rip), %r9\n"
    "movq native_state+8*10(%rip), %r10\n movq native_state+8*11(%rip), %r11\n"
    "movq native_state+8*12(%rip), %r12\n movq native_state+8*13(%rip), %r13\n"
    "movq native_state+8*14(%rip), %r14\n movq native_state+8*15(%rip), %r15\n"
    "jmpq *native_state+8*17(%rip)\n"
    "native_back:\n"
    "movq native_state+8*18(%rip), %rsp\n"
    "cld\n"
    "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n"
    "ret\n");

static void on_trap(int number, siginfo_t *information, void *context)
{
    static const int order[16] = {
        REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9,
        REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
    };
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    for (int i = 0; i < 16; i++)
        native_state.general[i] = (uint64_t)registers[order[i]];
    native_state.flags = (uint64_t)registers[REG_EFL];
    native_state.code = (uint64_t)registers[REG_RIP];
    registers[REG_RIP] = (greg_t)(uintptr_t)native_back;
    registers[REG_EFL] = 0x202;
}

/* --- the guest: code, data, stack, a page each below 2 GiB, at its own address and at another - */

enum { PAGE = 4096, SLOTS = 0x800, FUNCTIONS = 4, FUNCTION_ROOM = 0x100, MAIN = 0x400 };
#define ELSEWHERE (1ull << 39)
static uint8_t *guest, *data;
static uint64_t base;                   /* 0, or ELSEWHERE: what is added to addresses of code */
static struct vcpu *vcpu;
static struct translator translator;

static uint8_t *guest_memory(struct vcpu *of, uint64_t physical, bool write)
{
    if (physical - (uintptr_t)guest < 3 * PAGE) return (uint8_t *)(uintptr_t)physical;
    return host_memory(of, physical, write);
}

static void set_up(void)
{
    static struct machine_ops ops;
    static struct host_machine machine;
    static uint8_t signal_stack[1 << 16];
    const stack_t stack = { .ss_sp = signal_stack, .ss_size = sizeof signal_stack };
    struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    const int private = MAP_PRIVATE | MAP_ANONYMOUS;
    sigaltstack(&stack, NULL);
    sigaction(SIGTRAP, &action, NULL);
    guest = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, private | MAP_32BIT, -1, 0);
    assert_ptr_not_equal(guest, MAP_FAILED);
    data = guest + PAGE;
    translator.cache = mmap(NULL, CACHE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, private, -1, 0);
    assert_ptr_not_equal(translator.cache, MAP_FAILED);
    translator.address = (uintptr_t)translator.cache;
    translator.sites = calloc(SITES, sizeof *translator.sites);
    translator.blocks = calloc(BLOCKS, sizeof *translator.blocks);
    ops = host_ops;
    ops.memory = guest_memory;
    vcpu = machine_start(&machine, &ops, 0x20000);
    enter_long_mode(vcpu, 0);
    put(vcpu, PML4 + 8, PDPT | 7);
}

/* --- programs --------------------------------------------------------------------------------- */

static uint8_t *at;

static void byte(unsigned int value)
{
    *at++ = (uint8_t)value;
}

static void number(uint64_t value, unsigned int size)
{
    memcpy(at, &value, size);
    at += size;
}

/* Any but the stack's, and RBX, which is where data is, and RBP, which counts. */
static unsigned int any_register(void)
{
    static const uint8_t usable[] = { RAX, RCX, RDX, RSI, RDI, R8, R9, R10, R11, R12, R13, R14 };
    return usable[random_word() % sizeof usable];
}

/* REX.W, opcode, ModRM; of `rm` a register (mod 3), or RIP (mod 0, 5) and the distance to data. */
static void with_register(unsigned int opcode, unsigned int reg, unsigned int rm)
{
    byte(0x48 | (reg >> 3) << 2 | rm >> 3);
    byte(opcode);
    byte(0xc0 | (reg & 7) << 3 | (rm & 7));
}

static void distance_to(const uint8_t *where)
{
    number((uint64_t)(where - (at + 4)), 4);
}

static void with_data(unsigned int opcode, unsigned int reg)
{
    static const uint8_t prefixes[] = { 0x26, 0x2e, 0x36, 0x3e };       /* they mean nothing */
    if (random_word() % 8 == 0)
        byte(prefixes[random_word() % 4]);
    byte(0x48 | (reg >> 3) << 2 | (random_word() & 3));         /* REX.X, .B: without meaning */
    byte(opcode);
    byte((reg & 7) << 3 | 5);
    distance_to(data + random_word() % 512 * 2);
}

static unsigned int arithmetic(void)
{
    static const uint8_t opcodes[] = { 0x01, 0x11, 0x19, 0x29, 0x39, 0x03, 0x13, 0x2b, 0x3b };
    return opcodes[random_word() % sizeof opcodes];             /* no undefined flags */
}

static void nothing_much(void)
{
    unsigned int reg = any_register();
    byte(0x48 | (reg >> 3) << 2);                               /* lea reg, [rbx+rbp*2+7] */
    byte(0x8d);
    byte(0x44 | (reg & 7) << 3);
    number(0x076b, 2);
}

static void any_flags(void)
{
    static const uint32_t odd[] = { FLAG_AC, FLAG_NT, FLAG_IOPL, FLAG_VM, FLAG_RF };
    uint64_t flags = random_word() & (FLAGS_STATUS | FLAG_IF | FLAG_ID);
    if (random_word() % 8 == 0)
        flags |= odd[random_word() % 5];
    byte(0x68);
    number(flags, 4);
    byte(0x9d);
}

static void move_bytes(void)
{
    for (unsigned int i = 0; i < 2; i++) {
        byte(0xbe + i);                                         /* mov esi, edi: data */
        number((uintptr_t)data + random_word() % 512, 4);
    }
    byte(0xb9);
    number(random_word() % 9, 4);
    number(0xa4f3, 2);
}

/* A call (2) or jump (4) by a register, or by a word in memory. */
static void indirect(unsigned int member, const uint8_t *where, unsigned int slot)
{
    unsigned int reg = any_register();
    uint64_t target = base + (uintptr_t)where;
    if (slot == SLOTS) {
        byte(0x48 | (reg >> 3) << 2);                           /* lea reg, [where] */
        byte(0x8d);
        byte((reg & 7) << 3 | 5);
        distance_to(where);
        if (reg >> 3 || random_word() & 1)
            byte(0x40 | reg >> 3 | (random_word() & 1) << 2);   /* REX.R: without meaning */
        byte(0xff);
        byte(0xc0 | member << 3 | (reg & 7));
        return;
    }
    memcpy(data + SLOTS + 8 * slot, &target, 8);
    byte(0xff);
    byte(member << 3 | 5);
    distance_to(data + SLOTS + 8 * slot);
}

static void call(unsigned int function, unsigned int slot)
{
    const uint8_t *where = guest + function * FUNCTION_ROOM;
    if (random_word() & 1) {
        indirect(2, where, random_word() & 1 ? slot : SLOTS);
        return;
    }
    byte(0xe8);
    distance_to(where);
}

/* Over a little, in one of the ways there are. */
static void jump_over(unsigned int slot)
{
    uint8_t *from, *branch = at;
    bool near = random_word() & 1, by_slot = random_word() & 1;
    switch (random_word() % 4) {
    case 0:
        indirect(4, branch + 32, by_slot ? slot : SLOTS);
        while (at < branch + 32)
            byte(0x90);
        return;
    case 1:
        byte(near ? 0xeb : 0xe9);
        break;
    default:
        if (!near)
            byte(0x0f);
        byte((near ? 0x70 : 0x80) | (random_word() & 15));
    }
    from = at;
    number(0, near ? 1 : 4);
    nothing_much();
    for (uint64_t i = random_word() % 3; i; i--)
        nothing_much();
    uint64_t distance = (uint64_t)(at - from) - (near ? 1 : 4);
    memcpy(from, &distance, near ? 1 : 4);
}

/* What is the interpreter's. */
static void privileged(void)
{
    static const uint8_t some[][3] = {
        { 0x0f, 0x20, 0xd0 }, { 0x0f, 0x22, 0xd0 }, { 0x0f, 0xa2, 0x90 }, { 0x0f, 0x31, 0x90 },
        { 0x0f, 0x01, 0xf8 }, { 0x8c, 0xd8, 0x90 }, { 0xec, 0x90, 0x90 }, { 0xee, 0x90, 0x90 },
    };
    memcpy(at, some[random_word() % 8], 3);
    at += 3;
}

/* `functions`: how many may be called. */
static void item(unsigned int functions, unsigned int slot)
{
    unsigned int reg = any_register();
    switch (random_word() % 16) {
    case 0: case 1: with_register(arithmetic(), any_register(), reg); break;
    case 2: case 3: with_data(arithmetic(), reg); break;
    case 4: with_data(random_word() & 1 ? 0x89 : 0x8b, reg); break;
    case 5:
        byte(random_word() & 1 ? 0x9c : 0x53);                  /* pushf or push rbx; pop */
        byte(0x40 | reg >> 3);
        byte(0x58 | (reg & 7));
        break;
    case 6: any_flags(); break;
    case 7: byte(0xfa | (random_word() & 1)); break;            /* cli, sti */
    case 8: byte(0x9c); byte(0x9d); break;
    case 9: case 10: jump_over(slot); break;
    case 11: case 12:
        if (functions)
            call((unsigned int)(random_word() % functions), slot);
        break;
    case 13: privileged(); break;
    case 14: move_bytes(); break;
    default: nothing_much(); break;
    }
}

static void loop(unsigned int functions, unsigned int slot)
{
    uint8_t *again;
    byte(0xbd);                                                 /* mov ebp, 1 to 4 */
    number(random_word() % 4 + 1, 4);
    again = at;
    for (uint64_t i = random_word() % 4; i; i--)
        item(functions, slot++);
    number(0x850fcdff, 4);                                      /* dec ebp; jnz */
    distance_to(again);
}

struct state {
    uint64_t general[16], rip, rflags;
    bool shadow;
};
enum { LONGEST = 20000 };
static struct state states[LONGEST];
static unsigned int state_count;
static uint8_t data_before[2 * PAGE], data_after[2 * PAGE];
static uint64_t end;                    /* where the program's HLT is */

static void generate(void)
{
    unsigned int slot = 0;
    for (unsigned int i = 0; i < 2 * PAGE; i += 8) {
        uint64_t value = random_word();
        memcpy(data + i, &value, 8);
    }
    memset(guest, 0xf4, PAGE);
    base = random_word() % 4 ? 0 : ELSEWHERE;
    for (unsigned int f = 0; f < FUNCTIONS; f++) {
        at = guest + f * FUNCTION_ROOM;
        for (uint64_t i = random_word() % 4; i; i--)
            item(f, slot++);
        byte(0xc3);
    }
    at = guest + MAIN;
    for (uint64_t i = random_word() % 24; i; i--) {
        if (random_word() % 4)
            item(FUNCTIONS, slot++);
        else
            loop(FUNCTIONS, slot);
        slot += 4;
    }
    byte(0xf4);
    end = base + (uintptr_t)at - 1;
    assert_true(at < guest + PAGE && slot < 256);
    memcpy(data_before, data, sizeof data_before);
    for (unsigned int i = 0; i < 16; i++)
        states[0].general[i] = random_word();
    states[0].general[RSP] = (uintptr_t)data + 2 * PAGE - 64;
    states[0].general[RBX] = (uintptr_t)data;
    states[0].general[RDX] = 0x80;
    states[0].rip = base + (uintptr_t)guest + MAIN;
    states[0].rflags = FLAG_ALWAYS | (random_word() & (FLAGS_STATUS | FLAG_IF));
}

/* --- both, and what differs ------------------------------------------------------------------- */

static struct state state_of(const struct vcpu *of)
{
    struct state state = { .rip = of->rip, .rflags = of->rflags, .shadow = of->shadow };
    memcpy(state.general, of->general, sizeof state.general);
    return state;
}

static void begin(void)
{
    memcpy(data, data_before, sizeof data_before);
    memcpy(vcpu->general, states[0].general, sizeof vcpu->general);
    vcpu->rip = states[0].rip;
    vcpu->rflags = states[0].rflags;
    vcpu->shadow = false;
    vcpu->cr2 = vcpu->segment[GS].base = vcpu->kernel_gs_base = 0;
    machine_of(vcpu)->tsc = 0;
}

/* One instruction, which neither faults nor halts. */
static void interpret_it(void)
{
    uint64_t rip = vcpu->rip;
    enum step step = interpret_one(vcpu);
    const uint8_t *bytes = guest + rip % PAGE;
    if (step != STEP_DONE)
        fail_msg("step %d at %#lx of %#lx: %02x %02x %02x", step, rip, end, bytes[0], bytes[1],
                 bytes[2]);
}

static void run_interpreter(void)
{
    begin();
    for (state_count = 1; vcpu->rip != end; state_count++) {
        assert_true(state_count < LONGEST);
        interpret_it();
        states[state_count] = state_of(vcpu);
    }
    memcpy(data_after, data, sizeof data_after);
}

static uint32_t block_at(uint64_t rip)
{
    unsigned int used, within = (unsigned int)(PAGE - rip % PAGE);
    uint32_t block = translation_find(&translator, rip);
    if (block) return block;
    block = translation_make(&translator, rip, guest + rip % PAGE, within, within, &used);
    if (!block)
        fail_msg("the cache is full: %u sites", translator.site_count);
    return block;
}

static const struct site *run_native(uint32_t block)
{
    const uint64_t own = FLAGS_STATUS | FLAG_DF | FLAG_NT | FLAG_ID;
    uint64_t flag = vcpu->rflags & FLAG_IF;
    memcpy(translator.cache + CACHE_IF, &flag, 8);
    memcpy(native_state.general, vcpu->general, sizeof vcpu->general);
    native_state.flags = (vcpu->rflags & own) | FLAG_ALWAYS | FLAG_IF;
    native_state.code = translator.address + block;
    native_run();
    memcpy(vcpu->general, native_state.general, sizeof vcpu->general);
    vcpu->rflags = (vcpu->rflags & ~own) | (native_state.flags & own);
    const struct site *site = translation_site(&translator,
                                               native_state.code - translator.address - 1);
    if (!site)
        fail_msg("int3 at %#lx of the cache", native_state.code - translator.address - 1);
    translation_settle(&translator, site, vcpu);
    return site;
}

/* One of the interpreter's states. The flags before POPF are nobody's. */
static bool is_known(uint32_t cut)
{
    struct state now = state_of(vcpu);
    bool popf = guest[now.rip % PAGE] == 0x9d;
    uint64_t ignored = popf ? FLAGS_STATUS : 0;
    for (unsigned int i = 0; i < state_count; i++)
        if (states[i].rip == now.rip && !((states[i].rflags ^ now.rflags) & ~ignored) &&
            !memcmp(states[i].general, now.general, sizeof now.general) &&
            now.shadow >= states[i].shadow)
            return true;
    print_error("stopped at %#x of the cache: rip %#lx, flags %#lx\n", cut, now.rip, now.rflags);
    return false;
}

/* `cut`: an offset in the cache where it is stopped, once; 0: nowhere. */
static void run_translation(uint32_t cut)
{
    uint8_t was = translator.cache[cut];
    begin();
    if (cut)
        translator.cache[cut] = 0xcc;
    for (unsigned int turns = 0; vcpu->rip != end; turns++) {
        assert_true(turns < LONGEST);
        bool odd = vcpu->shadow || vcpu->rflags & (FLAG_IOPL | FLAG_AC | FLAG_VM);
        uint32_t block = odd ? 0 : block_at(vcpu->rip);
        if (odd || translation_site(&translator, block)->kind == SITE_INTERPRET) {
            interpret_it();
            continue;
        }
        const struct site *site = run_native(block);
        if (cut && site->at == cut) {
            translator.cache[cut] = was;
            cut = 0;
            assert_true(is_known(site->at));
        } else if (site->kind == SITE_GO) {
            struct site branch = *site;
            translation_chain(&translator, &branch, block_at(vcpu->rip));
        } else if (site->kind == SITE_MISS) {
            translation_offer(&translator, vcpu->rip, block_at(vcpu->rip));
        } else if (vcpu->rip != end) {
            assert_int_equal(site->kind, SITE_INTERPRET);
            interpret_it();
        }
    }
    if (cut)
        translator.cache[cut] = was;
    vcpu->shadow = states[state_count - 1].shadow;
    struct state now = state_of(vcpu);
    assert_memory_equal(&now, &states[state_count - 1], offsetof(struct state, shadow));
    assert_memory_equal(data, data_after, sizeof data_after);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);
    return value ? strtoull(value, NULL, 0) : otherwise;
}

static void programs(bool cuts, uint64_t cases)
{
    uint64_t seed = setting("TRANSLATE_SEED", 20061021);
    cases = setting("TRANSLATE_CASES", cases);
    print_message("seed %lu, %lu programs\n", seed, cases);
    random_state = seed;
    for (uint64_t done = 0; done < cases; done++) {
        unsigned int sites;
        translation_reset(&translator);
        generate();
        run_interpreter();
        run_translation(0);
        run_translation(0);                             /* all is chained now */
        sites = translator.site_count;
        for (unsigned int i = 0; cuts && i < sites; i++)
            if (translator.sites[i].kind == SITE_RUN)
                run_translation(translator.sites[i].at);
    }
}

static void whole_programs(void **state)
{
    programs(false, 4000);
}

static void stopped_everywhere(void **state)
{
    programs(true, 250);
}

/* The kind of the first site of a translation of these bytes, at that address. */
static enum site_kind first_of(uint64_t source, const char *bytes, unsigned int count)
{
    unsigned int used;
    translation_reset(&translator);
    uint32_t block = translation_make(&translator, source, (const uint8_t *)bytes, count, count,
                                      &used);
    return translation_site(&translator, block)->kind;
}

static void what_is_left_to_the_interpreter(void **state)
{
    const uint64_t high = 0xffffffff80000000, far = 0x8000000000;
    static const struct { const char *bytes; unsigned int count; } interpreted[] = {
        { "\xf4", 1 }, { "\xcc", 1 }, { "\xcd\x80", 2 }, { "\x0f\x0b", 2 }, { "\x0f\x05", 2 },
        { "\x48\xcf", 2 }, { "\xcb", 1 }, { "\xff\x28", 2 }, { "\xff\x18", 2 },   /* iret, far */
        { "\x66\x9c", 2 }, { "\x66\x9d", 2 }, { "\xc2\x08\x00", 3 }, { "\x66\xff\xd0", 3 },
        { "\xc6\xf8\x00", 3 }, { "\xc7\xf8\x00\x00\x00\x00", 6 },        /* XABORT, XBEGIN */
        { "\x8f\xc8", 2 }, { "\x0f\xc7\xf0", 3 }, { "\xf3\x0f\xae\xe8", 4 },
        { "\x0f\x01\xf8", 3 }, { "\x8e\xd8", 2 }, { "\x0f\xa2", 2 }, { "\x0f\x31", 2 },
        { "\x6c", 1 }, { "\xec", 1 }, { "\xe3\x00", 2 }, { "\xf0\x90", 2 },
        { "\x0f\x58\xc0", 3 }, { "\x48\xc7", 2 },                      /* unknown; half of one */
        { "\x67\x8b\x05\0\0\0\0", 7 },             /* beside EIP: no displacement says that */
    };
    for (unsigned int i = 0; i < sizeof interpreted / sizeof *interpreted; i++)
        assert_int_equal(first_of(high, interpreted[i].bytes, interpreted[i].count),
                         SITE_INTERPRET);
    assert_int_equal(first_of(high, "\x8b\x05\0\0\0\0", 6), SITE_RUN);
    assert_int_equal(first_of(far, "\x8b\x05\0\0\0\0", 6), SITE_INTERPRET);
    assert_int_equal(first_of(high, "\xe8\0\0\0\0", 5), SITE_RUN);
    assert_int_equal(first_of(far, "\xe8\0\0\0\0", 5), SITE_INTERPRET);
}

/* A program of these bytes, stopped everywhere. */
static void try_program(const uint8_t *bytes, unsigned int count)
{
    generate();
    memcpy(guest + MAIN, bytes, count);
    end = base + (uintptr_t)guest + MAIN + count - 1;
    translation_reset(&translator);
    states[0].rflags = FLAG_ALWAYS;
    run_interpreter();
    run_translation(0);
    for (unsigned int i = 0, sites = translator.site_count; i < sites; i++)
        if (translator.sites[i].kind == SITE_RUN)
            run_translation(translator.sites[i].at);
}

/* Whatever ends a block, the instruction after STI is still without interrupts. */
static void sti_at_the_end_of_a_block(void **state)
{
    uint8_t bytes[2 * BLOCK_LONGEST];
    random_state = 1;
    memset(bytes, 0x90, sizeof bytes);
    bytes[sizeof bytes - 1] = 0xf4;
    for (unsigned int i = BLOCK_LONGEST - 2; i < BLOCK_LONGEST + 2; i++) {
        bytes[i] = 0xfb;
        try_program(bytes, sizeof bytes);
        bytes[i] = 0x90;
    }
}

/* Nobody's block is at 0, though an entry that is not used is all zeroes. */
static void a_jump_to_nothing(void **state)
{
    static const uint8_t jump[] = { 0x31, 0xc0, 0xff, 0xe0 };
    translation_reset(&translator);
    begin();
    memcpy(guest, jump, sizeof jump);
    vcpu->rip = (uintptr_t)guest;
    assert_int_equal(run_native(block_at(vcpu->rip))->kind, SITE_MISS);
    assert_int_equal(vcpu->rip, 0);
}

/* Of long blocks and short ones, until there is no room; then all begins anew. */
static void a_full_cache(void **state)
{
    uint8_t longest[BLOCK_LONGEST], shortest[1] = { 0xf4 }, most[2 * BLOCK_LONGEST];
    unsigned int used, made[3] = { 0 };
    memset(longest, 0x9c, sizeof longest);
    for (unsigned int i = 0; i < sizeof most; i++)
        most[i] = i & 1 ? 0 : 0x75;                             /* jnz: a stub each */
    for (unsigned int turn = 0; turn < 3; turn++) {
        const uint8_t *bytes = turn == 0 ? longest : turn == 1 ? shortest : most;
        unsigned int count = turn == 0 ? sizeof longest : turn == 1 ? 1 : sizeof most;
        translation_reset(&translator);
        while (translation_make(&translator, 0x1000000 + made[turn] * 0x1000ul, bytes, count,
                                count, &used))
            made[turn]++;
        assert_true(translator.end <= CACHE_TABLE && translator.site_count <= SITES);
        assert_true(translation_find(&translator, 0x1000000));
    }
    assert_true(made[0] > 100 && made[2] > 100);
    assert_int_equal(made[1], BLOCKS);
    translation_reset(&translator);
    assert_false(translation_find(&translator, 0x1000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_to_the_interpreter),
        cmocka_unit_test(sti_at_the_end_of_a_block),
        cmocka_unit_test(a_jump_to_nothing),
        cmocka_unit_test(a_full_cache),
        cmocka_unit_test(whole_programs),
        cmocka_unit_test(stopped_everywhere),
    };
    set_up();
    return cmocka_run_group_tests_name("translator", tests, NULL, NULL);
}
