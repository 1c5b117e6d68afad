/* SPDX-License-Identifier: MIT */
/* The sweep of sweep.h. A bit for each byte of a part says whether an instruction begins there;
 * jumps are noted on the way, and looked at when all of a part is known. */
#include "sweep.h"
#include "grow.h"
#include "guess.h"
#include <string.h>

#define SURE_AGAIN 200          /* so many instructions after bytes that are none */
#define HIDDEN_MOST 64          /* instructions looked at behind one jump */
#define ODD_WIDTH 4             /* so many places that are none: is it code of the other width? */

struct jump {
    uint64_t from, to;
};

struct sweep {
    struct scan *scan;
    struct part *part;
    ZydisDecoder decoder;
    ZydisFormatter formatter;
    uint8_t *starts;
    struct jump *jumps;
    size_t jump_count;
    struct guess guess;
    const char *doubt;          /* why what comes now is doubtful */
    unsigned int sure_in;
    uint64_t function_end;      /* of the last symbol with a size */
};

struct decoded {
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static bool is_start(const struct sweep *s, uint64_t at)
{
    return s->starts[at / 8] >> at % 8 & 1;
}

/* `at` is an offset in the part, here and below. */
static bool decode(struct sweep *s, uint64_t at, struct decoded *d)
{
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&s->decoder, s->part->bytes + at, s->part->size - at,
                                           &d->insn, d->operands)))
        return false;
    s->starts[at / 8] |= (uint8_t)(1u << at % 8);
    s->scan->instructions++;
    return true;
}

static void add_finding(struct sweep *s, uint64_t at, const struct decoded *d,
                        const struct row *row)
{
    struct finding *f = GROW(s->scan->findings, s->scan->finding_count);
    uint64_t address = s->part->address + at;

    *f = (struct finding){ .row = row, .part = s->part, .address = address,
        .symbol = part_symbol(s->part, address), .length = d->insn.length, .doubt = s->doubt,
        .kept = image_kept(s->scan->image, address) };
    f->file = lines_find(s->scan->lines, address, &f->line);
    if (ZYAN_FAILED(ZydisFormatterFormatInstruction(
            &s->formatter, &d->insn, d->operands, d->insn.operand_count_visible, f->text,
            sizeof(f->text), s->scan->image->relocatable ? 0 : address, NULL)))
        strcpy(f->text, ZydisMnemonicGetString(d->insn.mnemonic));
}

static struct doubt *add_doubt(struct sweep *s, enum doubt_kind kind, uint64_t at, uint64_t length)
{
    struct doubt *doubt = GROW(s->scan->doubts, s->scan->doubt_count);
    uint64_t address = s->part->address + at;

    *doubt = (struct doubt){ .kind = kind, .part = s->part, .address = address, .length = length,
        .symbol = part_symbol(s->part, address) };
    return doubt;
}

/* Bytes that are no instruction, side by side, are one place. */
static void no_instruction(struct sweep *s, uint64_t at)
{
    struct scan *scan = s->scan;
    struct doubt *last = scan->doubt_count ? &scan->doubts[scan->doubt_count - 1] : NULL;

    if (last && last->kind == NO_INSTRUCTION && last->part == s->part &&
        last->address + last->length == s->part->address + at)
        last->length++;
    else
        add_doubt(s, NO_INSTRUCTION, at, 1);
    s->doubt = "after bytes that are no instruction";
    s->sure_in = SURE_AGAIN;
}

/* Only jumps whose target stands in the file: the linker has yet to write the others. */
static void note_jump(struct sweep *s, uint64_t at, const struct decoded *d)
{
    const ZydisDecodedOperand *target = &d->operands[0];
    uint64_t address;

    if (s->doubt || d->insn.meta.branch_type == ZYDIS_BRANCH_TYPE_NONE ||
        target->type != ZYDIS_OPERAND_TYPE_IMMEDIATE || !target->imm.is_relative ||
        (s->scan->image->relocatable && target->size > 8) ||
        ZYAN_FAILED(ZydisCalcAbsoluteAddress(&d->insn, target, s->part->address + at, &address)))
        return;
    if (address - s->part->address >= s->part->size) return;
    struct jump *jump = GROW(s->jumps, s->jump_count);
    *jump = (struct jump){ .from = at, .to = address - s->part->address };
}

static void look_at(struct sweep *s, uint64_t at, const struct decoded *d)
{
    const struct row *guessed = guess_next(&s->guess, &d->insn, d->operands, s->part->bits);
    const struct row *row = row_of(&d->insn, d->operands);

    if (row || guessed)
        add_finding(s, at, d, row ? row : guessed);
}

/* From one symbol to the next, as code. */
static void sweep_code(struct sweep *s, uint64_t at, uint64_t end)
{
    struct decoded d;

    while (at < end) {
        if (!decode(s, at, &d)) {
            no_instruction(s, at++);
            continue;
        }
        look_at(s, at, &d);
        note_jump(s, at, &d);
        if (s->sure_in && s->part->bytes[at] && --s->sure_in == 0)     /* zeroes tell nothing */
            s->doubt = NULL;
        if (at + d.insn.length > end && end < s->part->size)
            add_doubt(s, SYMBOL_INSIDE, at, d.insn.length);
        at += d.insn.length;
    }
}

/* What is said to be no code, or not said to be any: nothing in it is sure, nor a reason to doubt
 * what follows. */
static void sweep_doubtful(struct sweep *s, uint64_t at, uint64_t end, const char *doubt)
{
    struct decoded d;

    s->doubt = doubt;
    while (at < end) {
        if (decode(s, at, &d)) {
            look_at(s, at, &d);
            at += d.insn.length;
        } else {
            at++;
        }
    }
}

/* What fills the space up to the next function: all that assemblers use for it does nothing. */
static bool is_padding(struct sweep *s, uint64_t at, uint64_t end)
{
    static const ZydisMnemonic fillers[] = { ZYDIS_MNEMONIC_NOP, ZYDIS_MNEMONIC_INT3,
        ZYDIS_MNEMONIC_LEA, ZYDIS_MNEMONIC_MOV, ZYDIS_MNEMONIC_XCHG };
    struct decoded d;

    while (at < end) {
        bool filler = s->part->bytes[at] == 0;
        if (filler) {
            at++;
            continue;
        }
        if (!decode(s, at, &d)) return false;
        for (size_t i = 0; i < sizeof(fillers) / sizeof(*fillers); i++)
            filler |= d.insn.mnemonic == fillers[i];
        if (d.insn.mnemonic == ZYDIS_MNEMONIC_MOV)
            filler = d.operands[0].reg.value == d.operands[1].reg.value;
        if (!filler) return false;
        at += d.insn.length;
    }
    return true;
}

static void sweep_symbol(struct sweep *s, const struct symbol *symbol, uint64_t at, uint64_t end)
{
    uint64_t size = symbol && symbol->size < s->part->size - at ? symbol->size : end - at, code_end;

    guess_begin(&s->guess, symbol ? symbol->name : NULL);
    s->doubt = NULL;
    s->sure_in = 0;
    if (symbol && symbol->size && !symbol->data)
        s->function_end = at + size;
    code_end = at < s->function_end && s->function_end < end ? s->function_end : end;
    if (symbol && symbol->data) {
        code_end = size < end - at ? at + size : end;
        add_doubt(s, DATA, at, code_end - at);
        sweep_doubtful(s, at, code_end, "a symbol calls it data");
    } else {
        sweep_code(s, at, code_end);
    }
    if (code_end == end || is_padding(s, code_end, end)) return;
    add_doubt(s, GAP, code_end, end - code_end);
    sweep_doubtful(s, code_end, end, "behind the end of its function");
}

/* What a jump into an instruction leads to, up to where it meets what is known. */
static void sweep_hidden(struct sweep *s, const struct jump *jump)
{
    uint64_t at = jump->to, inside = jump->to;
    struct decoded d;

    while (inside && !is_start(s, inside) && jump->to - inside < ZYDIS_MAX_INSTRUCTION_LENGTH)
        inside--;
    add_doubt(s, JUMP_INSIDE, jump->to, jump->to - inside)->from = s->part->address + jump->from;
    s->doubt = "behind a jump into an instruction";
    guess_begin(&s->guess, NULL);
    for (int i = 0; i < HIDDEN_MOST && at < s->part->size && !is_start(s, at); i++) {
        if (!decode(s, at, &d)) return;
        look_at(s, at, &d);
        at += d.insn.length;
    }
}

/* Is the byte in what a symbol calls data? */
static bool in_data(const struct sweep *s, uint64_t at)
{
    const struct symbol *symbol = part_symbol(s->part, s->part->address + at);

    return symbol && symbol->data && s->part->address + at - symbol->address < symbol->size;
}

static void set_width(struct sweep *s, int bits)
{
    ZydisDecoderInit(&s->decoder,
                     bits == 64 ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LEGACY_32,
                     bits == 64 ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
}

static unsigned int count_undecodable(struct sweep *s)
{
    unsigned int count = 0;
    ZydisDecodedInstruction insn;

    for (uint64_t at = 0; at < s->part->size; at += insn.length)
        if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&s->decoder, NULL, s->part->bytes + at,
                                                      s->part->size - at, &insn))) {
            count++;
            insn.length = 1;
        }
    return count;
}

/* Files for old boot loaders say 32 bits and have 64; kernels of 64 begin with 32. */
static void check_width(struct sweep *s, size_t first_doubt)
{
    int bits = s->part->bits, other = bits == 64 ? 32 : 64;
    unsigned int places = 0;

    for (size_t i = first_doubt; i < s->scan->doubt_count; i++)
        places += s->scan->doubts[i].kind == NO_INSTRUCTION;
    if (places < ODD_WIDTH) return;
    unsigned int here = count_undecodable(s);
    set_width(s, other);
    unsigned int there = count_undecodable(s);
    if (there < here / 4)
        image_note(s->scan->image, "%s has %u bytes that are no instruction with %d bits, but %u "
                   "with %d: --code%d %s", s->part->name, here, bits, there, other, other,
                   s->part->name);
}

static void sweep_part(struct sweep *s)
{
    const struct part *part = s->part;
    uint64_t at = 0;
    size_t first_doubt = s->scan->doubt_count;
    const struct symbol *symbol = NULL;

    set_width(s, part->bits);
    s->starts = needed(calloc(part->size / 8 + 1, 1));
    s->jump_count = 0;
    s->function_end = 0;
    for (size_t i = 0; i <= part->symbol_count; i++) {
        uint64_t next =
            i < part->symbol_count ? part->symbols[i].address - part->address : part->size;
        if (next > at)
            sweep_symbol(s, symbol, at, next);
        if (i < part->symbol_count && (next > at || !symbol))
            symbol = &part->symbols[i];
        at = next;
    }
    for (size_t i = 0; i < s->jump_count; i++)
        if (!is_start(s, s->jumps[i].to) && !in_data(s, s->jumps[i].to))
            sweep_hidden(s, &s->jumps[i]);
    check_width(s, first_doubt);
    s->scan->bytes += part->size;
    free(s->starts);
    free(s->jumps);
    s->jumps = NULL;
}

static int by_place(const void *a, const void *b)
{
    const struct finding *x = a, *y = b;

    if (x->part != y->part) return x->part < y->part ? -1 : 1;
    return x->address < y->address ? -1 : x->address > y->address;
}

void sweep(struct scan *scan, struct image *image, struct lines *lines)
{
    struct sweep s = { .scan = scan };

    *scan = (struct scan){ .image = image, .lines = lines };
    ZydisFormatterInit(&s.formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    for (size_t i = 0; i < image->part_count; i++) {
        s.part = &image->parts[i];
        sweep_part(&s);
    }
    if (scan->finding_count)
        qsort(scan->findings, scan->finding_count, sizeof(*scan->findings), by_place);
}

void sweep_free(struct scan *scan)
{
    free(scan->findings);
    free(scan->doubts);
}
