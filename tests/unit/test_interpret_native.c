/* SPDX-License-Identifier: MIT */
/* Generated integer instructions, with generated registers, flags and memory, do in the interpreter
 * what they do on the processor that runs this test: the same registers, flags, memory, next
 * instruction, exception. INTERPRET_SEED and INTERPRET_CASES choose others, and more.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <Zydis/Zydis.h>
#include "interpret_host.h"
#include "tests/unit/random.h"

/* --- the processor ---------------------------------------------------------------------------- */

/* Registers in the order of vcpu.general. */
struct native {
    uint64_t general[16], flags, code, taken, vector, host_stack;
} native_state __attribute__((used));

/* Loads native_state, jumps to its code; that ends at native_on (next instruction) or native_taken
 * (the branch's target), which save it. */
void native_run(void);
void native_on(void);
void native_taken(void);
void native_back(void);
__asm__(
    ".macro each_register what\n"
    "\\what rax 0\n \\what rcx 1\n \\what rdx 2\n \\what rbx 3\n \\what rsp 4\n \\what rbp 5\n"
    "\\what rsi 6\n \\what rdi 7\n \\what r8 8\n \\what r9 9\n \\what r10 10\n \\what r11 11\n"
    "\\what r12 12\n \\what r13 13\n \\what r14 14\n \\what r15 15\n"
    ".endm\n"
    ".macro load_register name number\n movq native_state+8*\\number(%rip), %\\name\n .endm\n"
    ".macro save_register name number\n movq %\\name, native_state+8*\\number(%rip)\n .endm\n"
    ".text\n"
    ".globl native_run, native_on, native_taken, native_back\n"
    "native_run:\n"
    "push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
    "movq %rsp, native_state+8*20(%rip)\n"
    "pushq native_state+8*16(%rip)\n popfq\n"
    "each_register load_register\n"
    "jmpq *native_state+8*17(%rip)\n"
    "native_taken:\n"
    "movq $1, native_state+8*18(%rip)\n"
    "native_on:\n"
    "each_register save_register\n"
    "native_back:\n"
    "movq native_state+8*20(%rip), %rsp\n"
    "pushfq\n popq native_state+8*16(%rip)\n"
    "cld\n"
    "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n"
    "ret\n");

/* An exception: registers are as they were, and it goes on at native_back. */
static void on_signal(int number, siginfo_t *information, void *context)
{
    ucontext_t *machine = context;
    native_state.vector = (uint64_t)machine->uc_mcontext.gregs[REG_TRAPNO];
    machine->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)native_back;
    machine->uc_mcontext.gregs[REG_EFL] = 0x202;
}

/* Two pages below 4 GiB: code, and what it works on; the branch's target within the first. */
enum { TARGET = 0x40, STACK_AT = 0xc00, NO_VECTOR = 0x100, PAGE = 4096 };
static uint8_t *code, *data;

static void put_landing(uint8_t *at, void (*where)(void))
{
    static const uint8_t jump[] = { 0xff, 0x25, 0, 0, 0, 0 };   /* jmp [rip] */
    memcpy(at, jump, sizeof jump);
    memcpy(at + sizeof jump, &where, 8);
}

/* In the test itself: cmocka has handlers of its own. */
static void set_up(void)
{
    static uint8_t signal_stack[1 << 16];
    const stack_t stack = { .ss_sp = signal_stack, .ss_size = sizeof signal_stack };
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigaltstack(&stack, NULL);
    sigaction(SIGILL, &action, NULL);
    sigaction(SIGFPE, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    code = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    data = code + PAGE;
    assert_ptr_not_equal(code, MAP_FAILED);
}

/* --- cases ------------------------------------------------------------------------------------ */

struct test_case {
    uint8_t bytes[16];
    struct instruction insn;
    uint64_t general[16], flags;
};

/* Often near where something happens. */
static uint64_t random_value(void)
{
    static const uint64_t edges[] = {
        0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
        0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff,
    };
    uint64_t choice = random_word() % 4;
    if (choice == 0) return edges[random_word() % 14] + random_word() % 3 - 1;
    return choice == 1 ? random_word() % 256 : random_word();
}

/* What this test knows how to prepare; the others have tests of their own, by hand. */
static bool one_byte_case(unsigned int opcode)
{
    if (opcode < 0x40) return (opcode & 7) < 6;
    if (opcode < 0x50) return false;
    switch (opcode) {
    case 0x60: case 0x61: case 0x62: case 0x64: case 0x65: case 0x66: case 0x67: case 0x82:
    case 0x6c: case 0x6d: case 0x6e: case 0x6f: case 0x8c: case 0x8e: case 0x9a: case 0x9b:
    case 0xc4: case 0xc5: case 0xca: case 0xcb: case 0xcc: case 0xcd: case 0xce: case 0xcf:
    case 0xd4: case 0xd5: case 0xd6:
        return false;
    }
    return opcode < 0xd8 || (opcode >= 0xe0 && opcode < 0xe4) || opcode == 0xe8 ||
           opcode == 0xe9 || opcode == 0xeb || (opcode >= 0xf5 && opcode < 0xfa) || opcode > 0xfb;
}

static bool two_byte_case(unsigned int opcode)
{
    return (opcode >= 0x40 && opcode < 0x50) || (opcode >= 0x80 && opcode < 0xa0) ||
           (opcode >= 0xa3 && opcode <= 0xa5) || (opcode >= 0xab && opcode <= 0xad) ||
           opcode == 0xaf || opcode == 0xb0 || opcode == 0xb1 || opcode == 0xb3 ||
           (opcode >= 0xb6 && opcode <= 0xb8) || (opcode >= 0xba && opcode <= 0xc1) ||
           opcode == 0xc3 || opcode == 0xc7 || opcode >= 0xc8;
}

static bool is_branch(const struct instruction *insn)
{
    unsigned int opcode = insn->opcode;
    if (insn->map) return (opcode & 0xf0) == 0x80;
    return (opcode & 0xf0) == 0x70 || (opcode >= 0xe0 && opcode < 0xe4) || opcode == 0xe8 ||
           opcode == 0xe9 || opcode == 0xeb;
}

static bool is_string(const struct instruction *insn)
{
    return !insn->map && insn->opcode >= 0xa4 && insn->opcode < 0xb0 &&
           (insn->opcode & 0xfe) != 0xa8;
}

/* Things that differ from one processor to the next, or that are the test's own. */
static bool is_avoided(const struct instruction *insn)
{
    unsigned int opcode = insn->opcode, member = insn->reg & 7;
    bool repeats = is_string(insn) || (!insn->map && opcode == 0x90);
    if (insn->segment >= FS) return true;               /* the host's threads */
    /* reserved before others; there is a processor whose LOOPNE takes it for REPNE */
    if ((insn->rep || insn->repne) && !repeats) return true;
    if (insn->map) {
        if (opcode >= 0xc8 && insn->size == 2) return true;         /* bswap r16: undefined */
        if (opcode == 0xc7) return member != 1 || !insn->memory || insn->operand_prefix;
        if (opcode == 0xff) return true;
        if (opcode == 0xc3 || opcode == 0xaf) return insn->rep || insn->repne;
    }
    /* a near branch of 16 bits: Intel's have 64, AMD's do not */
    if (is_branch(insn) || (!insn->map && (opcode == 0xc2 || opcode == 0xc3)))
        return insn->operand_prefix;
    if (!insn->map && opcode == 0xff)
        return member == 3 || member == 5 || (member != 6 && insn->operand_prefix);
    return !insn->map && (opcode == 0xc6 || opcode == 0xc7) && member == 7;    /* TSX */
}

static void random_bytes(struct test_case *c)
{
    uint8_t *at = c->bytes;
    uint64_t choices = random_word();
    if (choices % 8 == 0)
        *at++ = 0x66;
    if (choices >> 3 & 8)
        *at++ = choices >> 8 & 7 ? 0xf3 : 0xf2;
    if ((choices >> 16) % 16 == 0)
        *at++ = 0xf0;
    if ((choices >> 20) % 16 == 0)
        *at++ = 0x67;
    if (choices >> 24 & 1)
        *at++ = (uint8_t)(0x40 | (choices >> 28 & 15));
    if (choices >> 32 & 1)
        *at++ = 0x0f;
    bool two = at > c->bytes && at[-1] == 0x0f;
    do
        *at = (uint8_t)random_word();
    while (!(two ? two_byte_case(*at) : one_byte_case(*at)));
    for (at++; at < c->bytes + sizeof c->bytes; at++)
        *at = (uint8_t)random_word();
}

/* Registers and, where there is none, the displacement, so that the operand is in `data`. */
static bool aim(struct test_case *c)
{
    const struct instruction *insn = &c->insn;
    uint64_t want = (uintptr_t)data + 0x400 + random_word() % 512;
    if (insn->opcode == 0xc7)
        want &= random_word() % 8 ? ~15ull : ~0ull;
    if (!insn->has_modrm) {
        if (insn->address_size == 4)
            want = (uint32_t)want;
        memcpy(c->bytes + insn->length - insn->address_size, &want, insn->address_size);
    } else if (insn->base == BASE_RIP) {
        unsigned int modrm = 0;
        while (c->bytes[modrm] != insn->opcode ||
               (insn->map && (!modrm || c->bytes[modrm - 1] != 0x0f)))
            modrm++;
        int32_t displacement = (int32_t)(want - (uintptr_t)code - insn->length);
        memcpy(c->bytes + modrm + 2, &displacement, 4);
    } else {
        uint64_t index = insn->index == NO_REGISTER ? 0 : c->general[insn->index] * insn->scale;
        if (insn->base == NO_REGISTER || insn->base == insn->index) return false;
        c->general[insn->base] = want - (uint64_t)insn->displacement - index;
    }
    return true;
}

static struct vcpu *vcpu;

static void load_vcpu(const struct test_case *c)
{
    memcpy(vcpu->general, c->general, sizeof vcpu->general);
    vcpu->rip = (uintptr_t)code;
    vcpu->rflags = c->flags;
}

/* Where the memory operand is, after aim(). */
static void *operand(struct test_case *c)
{
    decode(&c->insn, c->bytes, 15, CODE_64);
    load_vcpu(c);
    return (void *)(uintptr_t)operand_address(vcpu, &c->insn);
}

/* What an instruction needs of its registers and of memory, beside its operand. */
static bool prepare(struct test_case *c)
{
    const struct instruction *insn = &c->insn;
    unsigned int opcode = insn->opcode;
    bool bit = insn->map && (opcode == 0xa3 || opcode == 0xab || opcode == 0xb3 || opcode == 0xbb);
    uint64_t target = (uintptr_t)code + TARGET;
    c->general[RSP] = (uintptr_t)data + STACK_AT;
    if (bit && insn->memory)
        c->general[insn->reg] = random_word() % 2048 - 1024;
    if (insn->memory && opcode != 0x8d && !aim(c)) return false;
    if (bit && insn->memory && (insn->base == insn->reg)) return false;
    /* as a base it was moved: not so far that a push is elsewhere */
    if (c->general[RSP] - (uintptr_t)data - 64 > PAGE - 128) return false;
    if (is_string(insn)) {
        c->general[RSI] = (uintptr_t)data + 0x400 + random_word() % 64;
        c->general[RDI] = (uintptr_t)data + 0x400 + random_word() % 64;
        c->general[RCX] = random_word() % 20;
    } else if (!insn->map && opcode == 0xd7) {
        c->general[RBX] = (uintptr_t)data + 0x400;
    } else if (!insn->map && opcode == 0xc9) {
        c->general[RBP] = (uintptr_t)data + STACK_AT + random_word() % 256;
    } else if (!insn->map && opcode == 0xc8) {
        c->bytes[insn->length - 1] = 0;                 /* no nested frames */
        c->bytes[insn->length - 2] = 0;
    } else if (!insn->map && opcode == 0x9d) {
        uint64_t *flags = (void *)(data + STACK_AT);
        *flags = (*flags & 0xeff) | 0x202;              /* no TF, NT, AC */
    } else if (!insn->map && (opcode == 0xc2 || opcode == 0xc3)) {
        memcpy(data + STACK_AT, &target, 8);
    } else if (!insn->map && opcode == 0xff && ((insn->reg & 6) == 2 || (insn->reg & 6) == 4)) {
        if (!insn->memory)
            c->general[insn->rm] = target;
        else
            memcpy(operand(c), &target, 8);
    }
    if (is_branch(insn)) {
        unsigned int size = insn->map || opcode == 0xe8 || opcode == 0xe9 ? 4 : 1;
        int32_t displacement = TARGET - insn->length;
        memcpy(c->bytes + insn->length - size, &displacement, size);
    }
    return !(insn->memory && insn->rm == RSP && opcode == 0x8f);
}

static bool generate(struct test_case *c)
{
    random_bytes(c);
    if (decode(&c->insn, c->bytes, 15, CODE_64) != DECODED || is_avoided(&c->insn)) return false;
    for (unsigned int i = 0; i < 16; i++)
        c->general[i] = random_value();
    c->flags = (random_word() & FLAGS_STATUS) | FLAG_ALWAYS | FLAG_IF;
    if (random_word() % 4 == 0)
        c->flags |= FLAG_DF;
    for (unsigned int i = 0; i < PAGE; i += 8) {
        uint64_t value = random_value();
        memcpy(data + i, &value, 8);
    }
    if (!prepare(c)) return false;
    return decode(&c->insn, c->bytes, 15, CODE_64) == DECODED;
}

/* Is there such an instruction in 64-bit code? 0f itself is a prefix. */
static bool decode_row(unsigned int map, unsigned int opcode)
{
    const uint8_t bytes[15] = { map ? 0x0f : (uint8_t)opcode, map ? (uint8_t)opcode : 0 };
    struct instruction insn;
    if (!map && (opcode == 0x0f || opcode == 0x26 || opcode == 0x2e || opcode == 0x36 ||
                 opcode == 0x3e || opcode == 0x66 || opcode == 0x67 || opcode >= 0xf0))
        return false;
    return decode(&insn, bytes, 15, CODE_64) == DECODED && !(map && opcode == 0xff);
}

static struct segment flat(uint16_t selector, uint16_t flags)
{
    return (struct segment){ selector, flags, 0xffffffff, 0 };
}

/* --- both, and what differs ------------------------------------------------------------------- */

static uint8_t *host_pages(struct vcpu *of, uint64_t physical, bool write)
{
    if (physical - (uintptr_t)code < 2 * PAGE) return (uint8_t *)(uintptr_t)physical;
    return host_memory(of, physical, write);
}

static void run_native(const struct test_case *c)
{
    memcpy(native_state.general, c->general, sizeof c->general);
    native_state.flags = c->flags;
    native_state.code = (uintptr_t)code;
    native_state.taken = 0;
    native_state.vector = NO_VECTOR;
    native_run();
}

/* The exception, or NO_VECTOR. */
static unsigned int run_interpreter(const struct test_case *c)
{
    load_vcpu(c);
    vcpu->cpl = 3;
    vcpu->segment[CS] = flat(USER_CODE, 0x2fb);
    vcpu->segment[SS] = flat(USER_DATA, 0xf3);
    while (vcpu->rip == (uintptr_t)code) {
        enum step step = interpret_one(vcpu);
        if (step == STEP_EXCEPTION) return (unsigned int)(vcpu->rip - HANDLERS) / 16;
        if (step != STEP_DONE)
            fail_msg("step %d: %s", step, vcpu->reason);
    }
    return NO_VECTOR;
}

/* What the manuals define, as Zydis has it; of shifts only for counts of 1, and so on. */
static uint64_t defined_flags(const struct test_case *c)
{
    static ZydisDecoder decoder;
    ZydisDecodedInstruction theirs;
    const struct instruction *insn = &c->insn;
    unsigned int form = insn->opcode & 0xfe, count = (unsigned int)insn->immediate;
    uint64_t defined = FLAGS_STATUS | FLAG_DF;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, c->bytes, 15, &theirs)) &&
        theirs.cpu_flags)
        defined &= ~(uint64_t)theirs.cpu_flags->undefined;
    bool shifts = !insn->map && (form == 0xc0 || form == 0xd0 || form == 0xd2);
    bool doubles = insn->map && ((form & ~8u) == 0xa4);
    if (!shifts && !doubles) return defined;
    if (form == 0xd0)
        count = 1;
    if (form == 0xd2 || (doubles && (insn->opcode & 1)))
        count = (unsigned int)c->general[RCX];
    count &= insn->size == 8 ? 63 : 31;
    if (!count) return FLAGS_STATUS | FLAG_DF;          /* nothing changes */
    defined = FLAGS_STATUS | FLAG_DF;
    if (doubles || (insn->reg & 4))
        defined &= ~(uint64_t)FLAG_AF;
    if (count != 1)
        defined &= ~(uint64_t)FLAG_OF;
    if (shifts && (insn->reg & 7) != 7 && (insn->reg & 4) && count >= 8u * insn->size)
        defined &= ~(uint64_t)FLAG_CF;
    return defined;
}

/* SHLD and SHRD by more than the operand has bits: anything. */
static bool is_undefined_result(const struct test_case *c)
{
    const struct instruction *insn = &c->insn;
    if (!insn->map || (insn->opcode & 0xf6) != 0xa4 || insn->size != 2) return false;
    return ((insn->opcode & 1 ? c->general[RCX] : insn->immediate) & 31) > 16;
}

static const char *difference(const struct test_case *c, const uint8_t *native_data,
                              unsigned int vector)
{
    static char text[100];
    uint64_t next = (uintptr_t)code + (native_state.taken ? TARGET : c->insn.length);
    if (vector != native_state.vector) {
        snprintf(text, sizeof text, "exception %#x, native %#lx", vector, native_state.vector);
        return text;
    }
    if (memcmp(native_data, data, PAGE)) return "memory";
    if (vector != NO_VECTOR) return NULL;
    if (vcpu->rip != next) return "next instruction";
    if ((vcpu->rflags ^ native_state.flags) & defined_flags(c)) {
        snprintf(text, sizeof text, "flags %#lx, native %#lx, of them count %#lx", vcpu->rflags,
                 native_state.flags, defined_flags(c));
        return text;
    }
    for (unsigned int i = 0; i < 16; i++)
        if (vcpu->general[i] != native_state.general[i]) {
            snprintf(text, sizeof text, "register %u: %#lx, native %#lx", i, vcpu->general[i],
                     native_state.general[i]);
            return text;
        }
    return NULL;
}

static void explain(const struct test_case *c, const char *what)
{
    print_error("%s; code", what);
    for (unsigned int i = 0; i < c->insn.length; i++)
        print_error(" %02x", c->bytes[i]);
    print_error("; flags %#lx, registers", c->flags);
    for (unsigned int i = 0; i < 16; i++)
        print_error(" %#lx", c->general[i]);
    print_error("\n");
}

static void compare(const struct test_case *c)
{
    static uint8_t before[PAGE], after[PAGE];
    memcpy(code, c->bytes, c->insn.length);
    put_landing(code + c->insn.length, native_on);
    put_landing(code + TARGET, native_taken);
    memcpy(before, data, PAGE);
    run_native(c);
    memcpy(after, data, PAGE);
    memcpy(data, before, PAGE);
    const char *what = difference(c, after, run_interpreter(c));
    if (!what || is_undefined_result(c)) return;
    explain(c, what);
    fail();
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);
    return value ? strtoull(value, NULL, 0) : otherwise;
}

static void generated_instructions(void **state)
{
    static struct machine_ops ops;
    static struct host_machine machine;
    static unsigned int one_byte[256], two_byte[256];
    uint64_t seed = setting("INTERPRET_SEED", 20261129);
    uint64_t cases = setting("INTERPRET_CASES", 200000);
    set_up();
    ops = host_ops;
    ops.memory = host_pages;
    vcpu = machine_start(&machine, &ops, 0x20000);
    enter_long_mode(vcpu, 3);
    print_message("seed %lu, %lu cases\n", seed, cases);
    random_state = seed;
    for (uint64_t done = 0; done < cases;) {
        struct test_case c;
        if (!generate(&c))
            continue;
        compare(&c);
        (c.insn.map ? two_byte : one_byte)[c.insn.opcode]++;
        done++;
    }
    /* each of those that the test can prepare was met, or the generator is broken */
    for (unsigned int i = 0; i < 256; i++) {
        bool known_1 = decode_row(0, i), known_2 = decode_row(1, i);
        if (cases >= 200000 && ((one_byte_case(i) && known_1 && !one_byte[i]) ||
                                (two_byte_case(i) && known_2 && !two_byte[i])))
            fail_msg("no case of opcode %#x", i);
    }
    machine_end(vcpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(generated_instructions) };
    return cmocka_run_group_tests_name("interpret_native", tests, NULL, NULL);
}
