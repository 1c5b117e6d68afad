/* SPDX-License-Identifier: MIT */
/*
 * Blocks. What must not change the guest's flags does without arithmetic: LEA adds, MOVZX cuts off,
 * JRCXZ compares. No stack but the guest's is there, so registers are saved in the cache.
 */
#include "internal.h"
#include "translator.h"

/* undo: what the guest's state is, before the instruction of a site */
enum {
    UNDO_PUSH = 1,              /* RSP is 8 lower than it should be */
    UNDO_RAX = 2, UNDO_RCX = 4, UNDO_RDX = 8,           /* it is in the cache */
    TAKE_FLAG = 16,             /* RAX has the new interrupt flag */
    AT_TARGET = 32,             /* RIP is the target */
    AFTER_STI = 64,
    UNDO_ALL = UNDO_RAX | UNDO_RCX | UNDO_RDX,
};

enum { TABLE_ENTRIES = 1 << 16, MOST_SITES = 12 };         /* of an instruction */
_Static_assert(CACHE_CODE + SITES * LONGEST_INSTRUCTION <= CACHE_TABLE, "sites end before bytes");

struct entry {                  /* of the table, by the low 16 bits of the source */
    uint64_t minus;             /* minus the source */
    uint64_t address;
};

struct stub { uint64_t target; uint32_t branch; };

struct generator {
    struct translator *t;
    uint64_t source;            /* of the instruction that is translated */
    uint8_t shadow;             /* AFTER_STI, or 0 */
    bool last;                  /* of its block, at the longest */
    struct stub stubs[BLOCK_LONGEST + 1];
    unsigned int stub_count;
};

/* --- instructions into the cache --- */

static void put_site(struct generator *g, enum site_kind kind, unsigned int undo)
{
    struct translator *t = g->t;

    if (!(undo & (TAKE_FLAG | AT_TARGET)))
        undo |= g->shadow;
    t->sites[t->site_count++] = (struct site){ .source = g->source, .at = t->end,
                                               .kind = (uint8_t)kind, .undo = (uint8_t)undo };
}

static void put_bytes(struct generator *g, const void *bytes, unsigned int count)
{
    const uint8_t *from = bytes;

    for (unsigned int i = 0; i < count; i++)
        g->t->cache[g->t->end++] = from[i];
}

static void put(struct generator *g, unsigned int undo, const uint8_t *bytes, unsigned int count)
{
    put_site(g, SITE_RUN, undo);
    put_bytes(g, bytes, count);
}
#define OP(g, undo, ...) \
    put(g, undo, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* ... that ends with the distance to an offset in the cache, and with `tail` bytes of `value`. */
static void put_near(struct generator *g, uint32_t place, uint8_t value, unsigned int tail)
{
    int32_t distance = (int32_t)(place - (g->t->end + 4 + tail));

    put_bytes(g, &distance, 4);
    put_bytes(g, &value, tail);
}
#define OP_NEAR(g, undo, place, ...) do { OP(g, undo, __VA_ARGS__); put_near(g, place, 0, 0); \
    } while (0)

static void save(struct generator *g, unsigned int undo, unsigned int reg, uint32_t place)
{
    OP_NEAR(g, undo, place, 0x48, 0x89, (uint8_t)(0x05 | reg << 3));
}

static void restore(struct generator *g, unsigned int undo, unsigned int reg, uint32_t place)
{
    OP_NEAR(g, undo, place, 0x48, 0x8b, (uint8_t)(0x05 | reg << 3));
}

static void leave(struct generator *g, enum site_kind kind, unsigned int undo)
{
    static const uint8_t int3 = INT3;

    put_site(g, kind, undo);
    put_bytes(g, &int3, 1);
}

static void put_branch(struct generator *g, const uint8_t *opcode, unsigned int count,
                       uint64_t target)
{
    uint32_t block = translation_find(g->t, target);

    put(g, 0, opcode, count);
    if (!block)
        g->stubs[g->stub_count++] = (struct stub){ target, g->t->end };
    put_near(g, block, 0, 0);
}

static void go_to(struct generator *g, uint64_t target)
{
    put_branch(g, (const uint8_t[]){ 0xe9 }, 1, target);
}

/* Where branches go whose targets are not translated yet. */
static void put_stubs(struct generator *g)
{
    for (unsigned int i = 0; i < g->stub_count; i++) {
        const struct stub *stub = &g->stubs[i];
        uint32_t at = g->t->end;
        g->source = stub->target;
        leave(g, SITE_GO, 0);
        g->t->sites[g->t->site_count - 1].back = (uint16_t)(at - stub->branch);
        translation_chain(g->t, &g->t->sites[g->t->site_count - 1], at);
    }
}

/* --- indirect branches: to CACHE_TARGET, by the table --- */

static void restore_all(struct generator *g)
{
    restore(g, AT_TARGET | UNDO_ALL, RAX, CACHE_RAX);
    restore(g, AT_TARGET | UNDO_ALL, RCX, CACHE_RCX);
    restore(g, AT_TARGET | UNDO_ALL, RDX, CACHE_RDX);
}

/* At CACHE_CODE: the one piece of code that all of them end with. */
static void put_lookup(struct generator *g)
{
    uint32_t jump;

    save(g, AT_TARGET, RAX, CACHE_RAX);
    save(g, AT_TARGET | UNDO_RAX, RCX, CACHE_RCX);
    save(g, AT_TARGET | UNDO_RAX | UNDO_RCX, RDX, CACHE_RDX);
    restore(g, AT_TARGET | UNDO_ALL, RAX, CACHE_TARGET);
    OP(g, AT_TARGET | UNDO_ALL, 0x0f, 0xb7, 0xc8);                      /* movzx ecx, ax */
    OP_NEAR(g, AT_TARGET | UNDO_ALL, CACHE_TABLE, 0x48, 0x8d, 0x15);    /* lea rdx, [table] */
    OP(g, AT_TARGET | UNDO_ALL, 0x48, 0x8d, 0x14, 0xca);                /* lea rdx, [rdx+rcx*8] */
    OP(g, AT_TARGET | UNDO_ALL, 0x48, 0x8d, 0x14, 0xca);
    OP(g, AT_TARGET | UNDO_ALL, 0x48, 0x8b, 0x0a);                      /* mov rcx, [rdx] */
    OP(g, AT_TARGET | UNDO_ALL, 0x48, 0x8d, 0x0c, 0x01);                /* lea rcx, [rcx+rax] */
    OP(g, AT_TARGET | UNDO_ALL, 0xe3, 0);                               /* jrcxz hit */
    jump = g->t->end;
    restore_all(g);
    leave(g, SITE_MISS, AT_TARGET);
    g->t->cache[jump - 1] = (uint8_t)(g->t->end - jump);
    OP(g, AT_TARGET | UNDO_ALL, 0x48, 0x8b, 0x4a, 0x08);                /* hit: mov rcx, [rdx+8] */
    save(g, AT_TARGET | UNDO_ALL, RCX, CACHE_JUMP);
    restore_all(g);
    OP_NEAR(g, AT_TARGET | UNDO_ALL, CACHE_JUMP, 0xff, 0x25);           /* jmp [jump] */
}

static void go_to_target(struct generator *g)
{
    OP_NEAR(g, AT_TARGET, CACHE_CODE, 0xe9);
}

/* --- instructions that are copied, and changed a little --- */

struct code {
    uint8_t bytes[LONGEST_INSTRUCTION + 1];
    unsigned int count, opcode, modrm;          /* opcode: where its last byte is */
};

static bool is_prefix(uint8_t byte)
{
    return (byte & 0xf0) == 0x40 || byte == 0x66 || byte == 0x67 || byte == 0xf0 ||
           byte == 0xf2 || byte == 0xf3 || (byte & 0xe7) == 0x26 || byte == 0x64 || byte == 0x65;
}

static bool insert(struct code *code, unsigned int at, uint8_t byte)
{
    if (code->count >= LONGEST_INSTRUCTION) return false;
    for (unsigned int i = code->count++; i > at; i--)
        code->bytes[i] = code->bytes[i - 1];
    code->bytes[at] = byte;
    return true;
}

/* An operand beside RIP is beside another one in the cache. What lies in the lowest or the highest
 * 2 GiB can be said without: by a displacement alone. */
static bool make_absolute(struct code *code, const struct instruction *insn, uint64_t target)
{
    int32_t low = (int32_t)target;

    if ((uint64_t)low != target || insn->address_size != 8 ||
        !insert(code, code->modrm + 1, 0x25))
        return false;
    code->bytes[code->modrm] = (code->bytes[code->modrm] & 0x38) | 4;
    for (unsigned int i = 0; i < 4; i++)
        code->bytes[code->modrm + 2 + i] = (uint8_t)((uint32_t)low >> 8 * i);
    if (insn->rex)
        code->bytes[code->opcode - 1 - insn->map] &= (uint8_t)~2u;      /* no index */
    return true;
}

static bool copy(const struct generator *g, const struct instruction *insn, const uint8_t *bytes,
                 struct code *code)
{
    *code = (struct code){ .count = insn->length };
    for (unsigned int i = 0; i < insn->length; i++)
        code->bytes[i] = bytes[i];
    while (is_prefix(bytes[code->opcode]))
        code->opcode++;
    code->opcode += insn->map;
    code->modrm = code->opcode + 1;
    return !insn->memory || insn->base != BASE_RIP ||
           make_absolute(code, insn, g->source + insn->length + (uint64_t)insn->displacement);
}

/* What a jump of an operand (FF) reads becomes what MOV to RAX reads. */
static bool make_load(struct code *code, const struct instruction *insn)
{
    uint8_t *rex;

    code->bytes[code->opcode] = 0x8b;
    code->bytes[code->modrm] &= (uint8_t)~0x38u;
    if (!insn->rex) return insert(code, code->opcode, 0x48);
    rex = &code->bytes[code->opcode - 1];
    *rex = (uint8_t)((*rex | 8) & ~4u);
    return true;
}

/* --- what is translated how --- */

enum flow { GOES_ON, ENDS };

static enum flow interpreted(struct generator *g)
{
    leave(g, SITE_INTERPRET, 0);
    return ENDS;
}

/* Those that do in user mode what they do in the kernel's. */
static bool is_harmless(const struct instruction *i)
{
    static execute *const harmless[] = {
        do_alu, do_alu_immediate, do_test, do_inc_dec, do_group3, do_shift, do_double_shift,
        do_imul, do_bit, do_bit_scan, do_cmpxchg, do_xadd, do_mov, do_mov_offset,
        do_mov_immediate, do_lea, do_extend, do_movsxd, do_cmov, do_setcc, do_xchg, do_bswap,
        do_convert, do_push, do_push_immediate, do_pop, do_pop_rm, do_leave, do_nop, do_flag,
        do_ahf, do_string,
    };
    execute *const what = i->row->execute;
    unsigned int member = i->reg & 7;

    if (what == do_group5) return member < 2 || member == 6;
    if (what == do_group9) return member == 1 && i->memory;
    if (what == do_group15)
        return !i->rep && !i->repne && (i->memory ? member < 2 || member == 7 : member >= 5);
    return executed_by(i, harmless, sizeof(harmless) / sizeof(*harmless));
}

static enum flow copied(struct generator *g, const struct instruction *insn, const uint8_t *bytes)
{
    struct code code;

    if (!is_harmless(insn) || !copy(g, insn, bytes, &code)) return interpreted(g);
    put(g, 0, code.bytes, code.count);
    return GOES_ON;
}

static enum flow cli_or_sti(struct generator *g, const struct instruction *insn)
{
    bool sti = insn->opcode == 0xfb;

    if (sti && g->last) return interpreted(g);          /* what follows would be elsewhere */
    OP(g, 0, 0xc6, 0x05);                               /* mov byte [flag's second], .. */
    put_near(g, CACHE_IF + 1, sti ? FLAG_IF >> 8 : 0, 1);
    g->shadow = sti ? AFTER_STI : 0;
    return GOES_ON;
}

/* What the CPU pushes has IF set; the virtual one is added to that. */
static enum flow pushf(struct generator *g)
{
    const unsigned int both = UNDO_PUSH | UNDO_RAX | UNDO_RCX;

    OP(g, 0, 0x9c);
    save(g, UNDO_PUSH, RAX, CACHE_RAX);
    save(g, UNDO_PUSH | UNDO_RAX, RCX, CACHE_RCX);
    restore(g, both, RCX, CACHE_IF);
    OP(g, both, 0x48, 0x8b, 0x04, 0x24);                                /* mov rax, [rsp] */
    OP(g, both, 0x48, 0x8d, 0x84, 0x08, 0, (uint8_t)(-FLAG_IF >> 8), 0xff, 0xff);
    OP(g, both, 0x48, 0x89, 0x04, 0x24);                                /* mov [rsp], rax */
    restore(g, both, RCX, CACHE_RCX);
    restore(g, both, RAX, CACHE_RAX);
    return GOES_ON;
}

/* What the interpreter knows better is left to it: all but the plain flags. */
static enum flow popf(struct generator *g, uint64_t next)
{
    const uint32_t plain = FLAGS_STATUS | FLAG_ALWAYS | FLAG_IF | FLAG_DF | FLAG_ID, other = ~plain;
    uint32_t jump;

    save(g, 0, RAX, CACHE_RAX);
    OP(g, UNDO_RAX, 0x48, 0x8b, 0x04, 0x24);                            /* mov rax, [rsp] */
    OP(g, UNDO_RAX, 0xa9);                                              /* test eax, other */
    put_bytes(g, &other, 4);
    OP(g, UNDO_RAX, 0x74, 0);                                           /* jz .. */
    jump = g->t->end;
    leave(g, SITE_INTERPRET, UNDO_RAX);
    g->t->cache[jump - 1] = (uint8_t)(g->t->end - jump);
    OP(g, UNDO_RAX, 0x25, 0, FLAG_IF >> 8, 0, 0);                       /* and eax, IF */
    OP(g, UNDO_RAX, 0x9d);
    g->source = next;
    save(g, UNDO_RAX | TAKE_FLAG, RAX, CACHE_IF);
    restore(g, UNDO_RAX, RAX, CACHE_RAX);
    return GOES_ON;
}

/* Eight bytes, by an instruction that has four, sign-extended. Kernels are where that is enough. */
static bool can_push(uint64_t address)
{
    return (uint64_t)(int32_t)address == address;
}

static void push_return(struct generator *g, uint64_t address)
{
    OP(g, 0, 0x68);
    put_bytes(g, &address, 4);
}

static enum flow call(struct generator *g, const struct instruction *insn, uint64_t next)
{
    if (!can_push(next)) return interpreted(g);
    push_return(g, next);
    g->source = next + insn->immediate;
    g->shadow = 0;
    go_to(g, g->source);
    return ENDS;
}

static enum flow call_indirect(struct generator *g, const struct instruction *insn,
                               const uint8_t *bytes, uint64_t next)
{
    struct code code;

    if (!can_push(next) || !copy(g, insn, bytes, &code)) return interpreted(g);
    /* as PUSH, which reads the same */
    code.bytes[code.modrm] = (uint8_t)((code.bytes[code.modrm] & ~0x38u) | 6 << 3);
    put(g, 0, code.bytes, code.count);
    OP_NEAR(g, UNDO_PUSH, CACHE_TARGET, 0x8f, 0x05);                    /* pop [target] */
    push_return(g, next);
    go_to_target(g);
    return ENDS;
}

static enum flow jump_indirect(struct generator *g, const struct instruction *insn,
                               const uint8_t *bytes)
{
    struct code code;

    if (!copy(g, insn, bytes, &code) || !make_load(&code, insn)) return interpreted(g);
    save(g, 0, RAX, CACHE_RAX);
    put(g, UNDO_RAX, code.bytes, code.count);
    save(g, UNDO_RAX, RAX, CACHE_TARGET);
    restore(g, UNDO_RAX, RAX, CACHE_RAX);
    go_to_target(g);
    return ENDS;
}

static enum flow ret(struct generator *g)
{
    OP_NEAR(g, 0, CACHE_TARGET, 0x8f, 0x05);                            /* pop [target] */
    go_to_target(g);
    return ENDS;
}

static enum flow branch(struct generator *g, const struct instruction *insn, uint64_t next)
{
    const uint8_t jcc[] = { 0x0f, (uint8_t)(0x80 | (insn->opcode & 0xf)) };

    if (insn->row->execute == do_jcc) {
        put_branch(g, jcc, sizeof(jcc), next + insn->immediate);
        return GOES_ON;
    }
    if (insn->row->execute == do_call) return call(g, insn, next);
    go_to(g, next + insn->immediate);
    return ENDS;
}

static enum flow translate(struct generator *g, const struct instruction *insn,
                           const uint8_t *bytes)
{
    execute *const what = insn->row->execute;
    uint64_t next = g->source + insn->length;
    unsigned int member = insn->reg & 7;

    if (what == do_cli_sti) return cli_or_sti(g, insn);
    if (what == do_pushf && insn->size == 8) return pushf(g);
    if (what == do_popf && insn->size == 8) return popf(g, next);
    if (what == do_jcc || what == do_jmp || what == do_call) return branch(g, insn, next);
    if (what == do_ret && insn->opcode == 0xc3) return ret(g);
    if (what == do_group5 && !insn->operand_prefix) {
        if (member == 2) return call_indirect(g, insn, bytes, next);
        if (member == 4) return jump_indirect(g, insn, bytes);
    }
    return copied(g, insn, bytes);
}

/* The next one; false: there is no room. */
static bool add_block(struct translator *t, uint64_t source)
{
    uint32_t *bucket = &t->buckets[source % BUCKETS];

    if (t->block_count == BLOCKS || t->site_count + BLOCK_LONGEST * MOST_SITES >= SITES)
        return false;
    t->blocks[t->block_count] = (struct block){ source, t->end, *bucket };
    *bucket = ++t->block_count;
    return true;
}

uint32_t translation_make(struct translator *t, uint64_t source, const uint8_t *bytes,
                          unsigned int count, unsigned int within, unsigned int *used)
{
    struct generator g = { .t = t };
    struct instruction insn;
    unsigned int at = 0, done = 0;
    enum flow flow = GOES_ON;
    uint32_t block = t->end;

    if (!add_block(t, source)) return 0;
    while (flow == GOES_ON) {
        uint8_t shadow = g.shadow;
        g.source = source + at;
        if (at >= within || done == BLOCK_LONGEST) {
            go_to(&g, g.source);
            break;
        }
        if (decode(&insn, bytes + at, count - at, CODE_64) != DECODED) {
            interpreted(&g);
            break;
        }
        done++;
        g.last = at + insn.length >= within || done == BLOCK_LONGEST;
        flow = translate(&g, &insn, bytes + at);
        at += insn.length;
        if (shadow)
            g.shadow = 0;
    }
    g.shadow = 0;
    put_stubs(&g);
    *used = at;
    return block;
}

uint32_t translation_find(const struct translator *t, uint64_t source)
{
    for (uint32_t n = t->buckets[source % BUCKETS]; n; n = t->blocks[n - 1].next)
        if (t->blocks[n - 1].source == source) return t->blocks[n - 1].at;
    return 0;
}

const struct site *translation_site(const struct translator *t, uint64_t at)
{
    unsigned int low = 0, high = t->site_count;

    while (low < high) {
        unsigned int middle = (low + high) / 2;
        if (t->sites[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low < t->site_count && t->sites[low].at == at ? &t->sites[low] : NULL;
}

bool translation_settle(const struct translator *t, const struct site *site, struct vcpu *vcpu)
{
    uint64_t flag = load_place(t->cache + CACHE_IF, 8);

    vcpu->rip = site->undo & AT_TARGET ? load_place(t->cache + CACHE_TARGET, 8) : site->source;
    if (site->undo & UNDO_PUSH)
        vcpu->general[RSP] += 8;
    if (site->undo & TAKE_FLAG)
        flag = vcpu->general[RAX];
    if (site->undo & UNDO_RAX)
        vcpu->general[RAX] = load_place(t->cache + CACHE_RAX, 8);
    if (site->undo & UNDO_RCX)
        vcpu->general[RCX] = load_place(t->cache + CACHE_RCX, 8);
    if (site->undo & UNDO_RDX)
        vcpu->general[RDX] = load_place(t->cache + CACHE_RDX, 8);
    vcpu->rflags = (vcpu->rflags & ~(uint64_t)FLAG_IF) | (flag & FLAG_IF);
    vcpu->shadow = site->undo & AFTER_STI;
    return site->undo & TAKE_FLAG;
}

void translation_chain(struct translator *t, const struct site *site, uint32_t block)
{
    uint32_t branch = site->at - site->back;

    store_place(t->cache + branch, 4, block - (branch + 4));
}

static struct entry *entry_of(struct translator *t, uint64_t source)
{
    return (struct entry *)(void *)(t->cache + CACHE_TABLE) + source % TABLE_ENTRIES;
}

void translation_offer(struct translator *t, uint64_t source, uint32_t block)
{
    *entry_of(t, source) = (struct entry){ 0 - source, t->address + block };
}

void translation_reset(struct translator *t)
{
    struct generator g = { .t = t };

    for (unsigned int i = 0; i < t->block_count; i++) {
        *entry_of(t, t->blocks[i].source) = (struct entry){ 0, 0 };
        t->buckets[t->blocks[i].source % BUCKETS] = 0;
    }
    entry_of(t, 0)->minus = 1;                  /* else this one says that it has address 0 */
    t->site_count = t->block_count = 0;
    t->end = CACHE_CODE;
    put_lookup(&g);
}
