/* SPDX-License-Identifier: MIT */
/*
 * Inflate (inflate.h). A deflate stream is bits, the lowest of each byte first; Huffman's codes
 * come highest bit first. So the next bits cannot be compared with a code as numbers: short codes
 * are found in a table by the bits as they come, and long ones, which are rare, bit by bit.
 *
 * A code of canonical form is given by its lengths alone: codes of one length are consecutive, in
 * the order of their symbols, and begin where those of the length below end (RFC 1951, 3.2.2).
 */
#include "dom0/xc/inflate.h"

#define LONGEST 15u                     /* Bits of a code. */
#define SHORT 10u                       /* Codes of so many bits are found in the table. */
#define LITERALS 288u
#define DISTANCES 30u
#define END_OF_BLOCK 256u
#define MOST_RATIO 1032u                /* 258 bytes for two bits. */
#define HEADER 10u                      /* Of gzip; and its trailer. */
#define TRAILER 8u
#define BREATH 65536u                   /* Bytes between two, */
#define BLOCK 512u                      /* and as many as it takes to begin a block. */

enum { HAS_CHECKSUM = 2, HAS_EXTRA = 4, HAS_NAME = 8, HAS_COMMENT = 16, RESERVED = 0xe0 };

struct code {
    uint16_t count[LONGEST + 1];        /* Codes of each length. */
    uint16_t symbol[LITERALS];          /* In the order of their codes. */
    uint16_t fast[1u << SHORT]; /* By the next bits: symbol * 16 + length; 0: a longer code. */
};

struct inflate {
    const uint8_t *from, *end;
    uint64_t bits;
    unsigned count;                     /* Of bits that were read and not used. */
    uint8_t *to;
    size_t size, room, breath;
    void (*breathe)(void);
    const char *why;
    struct code literals, distances;
};

static bool fail(struct inflate *in, const char *why)
{
    in->why = why;
    return refused(false);
}

/* So much was done: what is made counts, and what makes nothing, too, for whoever packed the file
 * chose how much of that there is. */
static void spend(struct inflate *in, size_t bytes)
{
    in->breath += bytes;
    if (!in->breathe || in->breath < BREATH) return;
    in->breath = 0;
    in->breathe();
}

/* --- bits --- */

/* At least so many, if there are any more; those behind the end are zeroes, and `need` notices. */
static void fill(struct inflate *in)
{
    while (in->count <= 56 && in->from < in->end) {
        in->bits |= (uint64_t)*in->from++ << in->count;
        in->count += 8;
    }
}

static bool need(struct inflate *in, unsigned count)
{
    if (in->count < count)
        fill(in);
    return in->count >= count || fail(in, "it ends too early");
}

static unsigned take(struct inflate *in, unsigned count)
{
    unsigned value = (unsigned)(in->bits & ((1u << count) - 1));

    in->bits >>= count;
    in->count -= count;
    return value;
}

/* --- codes --- */

static unsigned reversed(unsigned code, unsigned length)
{
    unsigned result = 0;

    for (; length; length--, code >>= 1)
        result = result << 1 | (code & 1);
    return result;
}

/* How many codes of the longest kind are left over: 0 is right, less than 0 impossible. */
static int make_code(struct code *code, const uint8_t *lengths, unsigned symbols)
{
    uint16_t next[LONGEST + 2] = { 0 }, first[LONGEST + 2] = { 0 };
    int left = 1;

    memset(code, 0, sizeof(*code));
    for (unsigned i = 0; i < symbols; i++)
        code->count[lengths[i]]++;
    code->count[0] = 0;
    for (unsigned length = 1; length <= LONGEST; length++) {
        left = left * 2 - code->count[length];
        if (left < 0) return left;
        next[length + 1] = (uint16_t)((next[length] + code->count[length]) << 1);
        first[length + 1] = (uint16_t)(first[length] + code->count[length]);
    }
    for (unsigned i = 0; i < symbols; i++) {
        unsigned length = lengths[i];

        if (!length)
            continue;
        code->symbol[first[length]++] = (uint16_t)i;
        if (length <= SHORT)
            for (unsigned at = reversed(next[length], length); at < 1u << SHORT; at += 1u << length)
                code->fast[at] = (uint16_t)(i << 4 | length);
        next[length]++;
    }
    return left;
}

/* A stream's own code uses all there are, but for one of a single symbol, or of none. */
static bool make_own_code(struct code *code, const uint8_t *lengths, unsigned symbols)
{
    int left = make_code(code, lengths, symbols);

    for (unsigned length = 2; left > 0 && length <= LONGEST; length++)
        if (code->count[length])
            return false;
    return left >= 0;
}

static bool take_long(struct inflate *in, const struct code *code, unsigned *symbol)
{
    unsigned value = 0, first = 0, index = 0;

    for (unsigned length = 1; length <= LONGEST; length++) {
        if (!need(in, length)) return false;
        value |= (unsigned)(in->bits >> (length - 1) & 1);
        if (value < first + code->count[length]) {
            take(in, length);
            *symbol = code->symbol[index + value - first];
            return true;
        }
        index += code->count[length];
        first = (first + code->count[length]) << 1;
        value <<= 1;
    }
    return fail(in, "a code in it has no meaning");
}

static bool take_symbol(struct inflate *in, const struct code *code, unsigned *symbol)
{
    unsigned entry;

    if (in->count < LONGEST)
        fill(in);
    entry = code->fast[in->bits & ((1u << SHORT) - 1)];
    if (!entry || (entry & 15) > in->count) return take_long(in, code, symbol);
    take(in, entry & 15);
    *symbol = entry >> 4;
    return true;
}

/* --- blocks --- */

static bool put(struct inflate *in, unsigned byte)
{
    if (in->size == in->room) return fail(in, "it holds more than it says");
    in->to[in->size++] = (uint8_t)byte;
    return true;
}

/* What was written `distance` bytes ago, again; it may reach into itself. */
static bool repeat(struct inflate *in, unsigned length, unsigned distance)
{
    if (distance > in->size) return fail(in, "it repeats what was never there");
    if (length > in->room - in->size) return fail(in, "it holds more than it says");
    for (; length; length--, in->size++)
        in->to[in->size] = in->to[in->size - distance];
    return true;
}

/* Symbols 257 to 285: 3 to 258 bytes. */
static bool take_length(struct inflate *in, unsigned symbol, unsigned *length)
{
    unsigned extra = symbol < 265 || symbol == 285 ? 0 : (symbol - 261) / 4;

    if (symbol > 285) return fail(in, "a length in it has no meaning");
    if (!need(in, extra)) return false;
    if (symbol < 265)
        *length = symbol - 254;
    else
        *length = symbol == 285 ? 258 : ((4 + (symbol - 265) % 4) << extra) + 3 + take(in, extra);
    return true;
}

static bool take_distance(struct inflate *in, unsigned *distance)
{
    unsigned symbol, extra;

    if (!take_symbol(in, &in->distances, &symbol)) return false;
    if (symbol >= DISTANCES) return fail(in, "a distance in it has no meaning");
    extra = symbol < 4 ? 0 : symbol / 2 - 1;
    if (!need(in, extra)) return false;
    *distance = symbol < 4 ? symbol + 1 : ((2 + symbol % 2) << extra) + 1 + take(in, extra);
    return true;
}

static bool packed_block(struct inflate *in)
{
    unsigned symbol, length, distance;

    while (take_symbol(in, &in->literals, &symbol) && symbol != END_OF_BLOCK) {
        size_t before = in->size;

        if (symbol < END_OF_BLOCK) {
            if (!put(in, symbol)) return false;
        } else if (!take_length(in, symbol, &length) || !take_distance(in, &distance) ||
                   !repeat(in, length, distance)) {
            return false;
        }
        spend(in, in->size - before);
    }
    return !in->why;
}

static bool stored_block(struct inflate *in)
{
    unsigned length, inverse;

    take(in, in->count % 8);
    if (!need(in, 32)) return false;
    length = take(in, 16);
    inverse = take(in, 16);
    if ((length ^ inverse) != 0xffff) return fail(in, "a stored block's length is damaged");
    spend(in, length);
    for (; length; length--)
        if (!need(in, 8) || !put(in, take(in, 8)))
            return false;
    return true;
}

static bool fixed_codes(struct inflate *in)
{
    uint8_t lengths[LITERALS];

    for (unsigned i = 0; i < LITERALS; i++)
        lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    make_code(&in->literals, lengths, LITERALS);
    memset(lengths, 5, 32);             /* 30 and 31 have codes, too, and no meaning. */
    make_code(&in->distances, lengths, 32);
    return true;
}

/* The lengths of both codes, packed by a third: 16 to 18 repeat the last one, or zero. */
static bool take_lengths(struct inflate *in, const struct code *code, uint8_t *lengths,
                         unsigned wanted)
{
    static const struct { uint8_t bits, least; } repeats[] = { { 2, 3 }, { 3, 3 }, { 7, 11 } };

    for (unsigned i = 0, symbol; i < wanted;) {
        unsigned times = 1;
        uint8_t value;

        if (!take_symbol(in, code, &symbol)) return false;
        value = (uint8_t)symbol;
        if (symbol >= 16) {
            if (!need(in, repeats[symbol - 16].bits)) return false;
            times = repeats[symbol - 16].least + take(in, repeats[symbol - 16].bits);
            if ((symbol == 16 && !i) || times > wanted - i)
                return fail(in, "a code's lengths are damaged");
            value = symbol == 16 ? lengths[i - 1] : 0;
        }
        for (; times; times--)
            lengths[i++] = value;
    }
    return true;
}

static bool own_codes(struct inflate *in)
{
    static const uint8_t order[] = { 16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                     11, 4,  12, 3, 13, 2, 14, 1, 15 };
    uint8_t lengths[LITERALS + 32] = { 0 };
    unsigned literals, distances, count;

    if (!need(in, 14)) return false;
    literals = take(in, 5) + 257;
    distances = take(in, 5) + 1;
    count = take(in, 4) + 4;
    if (literals > 286 || distances > DISTANCES)
        return fail(in, "a code in it has too many symbols");
    for (unsigned i = 0; i < count; i++) {
        if (!need(in, 3)) return false;
        lengths[order[i]] = (uint8_t)take(in, 3);
    }
    if (make_code(&in->literals, lengths, ARRAY_SIZE(order)))
        return fail(in, "a code's lengths are damaged");
    if (!take_lengths(in, &in->literals, lengths, literals + distances)) return false;
    if (!lengths[END_OF_BLOCK] || !make_own_code(&in->distances, lengths + literals, distances) ||
        !make_own_code(&in->literals, lengths, literals))
        return fail(in, "a code in it is damaged");
    return true;
}

static bool blocks(struct inflate *in)
{
    unsigned last;

    do {
        bool good;

        spend(in, BLOCK);
        if (!need(in, 3)) return false;
        last = take(in, 1);
        switch (take(in, 2)) {
        case 0: good = stored_block(in); break;
        case 1: good = fixed_codes(in) && packed_block(in); break;
        case 2: good = own_codes(in) && packed_block(in); break;
        default: good = fail(in, "a block in it is of no known kind"); break;
        }
        if (!good) return false;
    } while (!last);
    in->from -= in->count / 8;                  /* Whole bytes that were read too early. */
    return true;
}

/* --- gzip's file --- */

static uint32_t number_at(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static uint32_t checksum(const uint8_t *bytes, size_t size, void (*breathe)(void))
{
    uint32_t table[256], sum = UINT32_MAX;

    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (unsigned bit = 0; bit < 8; bit++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320u : 0);
    }
    for (size_t i = 0; i < size; i++) {
        sum = sum >> 8 ^ table[(sum ^ bytes[i]) & 255];
        if (breathe && i % (4 * BREATH) == 0)
            breathe();
    }
    return ~sum;
}

static bool skip_text(struct inflate *in)
{
    for (; in->from < in->end && *in->from; in->from++)
        spend(in, 1);
    return in->from++ < in->end;
}

static bool skip(struct inflate *in, size_t size)
{
    if ((size_t)(in->end - in->from) < size) return false;
    in->from += size;
    return true;
}

/* What precedes the stream: a name, a comment, and more that does not matter. */
static bool header(struct inflate *in)
{
    const uint8_t *start = in->from;
    unsigned flags = start[3];
    bool good = start[2] == 8 && !(flags & RESERVED) && skip(in, HEADER);

    if (good && flags & HAS_EXTRA)
        good = skip(in, 2) && skip(in, (size_t)(in->from[-2] | in->from[-1] << 8));
    if (good && flags & HAS_NAME)
        good = skip_text(in);
    if (good && flags & HAS_COMMENT)
        good = skip_text(in);
    if (good && flags & HAS_CHECKSUM) {
        uint32_t sum = checksum(start, (size_t)(in->from - start), in->breathe);

        good = skip(in, 2) && (sum & 0xffff) == (uint32_t)(in->from[-2] | in->from[-1] << 8);
    }
    return good || fail(in, "its header is damaged");
}

bool gzip_begins(const uint8_t *bytes, size_t size)
{
    return size >= HEADER + TRAILER && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

size_t gzip_size(const uint8_t *bytes, size_t size)
{
    uint32_t claimed = gzip_begins(bytes, size) ? number_at(bytes + size - 4) : 0;

    return claimed / MOST_RATIO > size ? 0 : claimed;
}

int gzip_unpack(const uint8_t *from, size_t size, uint8_t *to, size_t room, void (*breathe)(void),
                const char **why)
{
    static struct inflate state;                /* Large for a stack; one file at a time. */
    struct inflate *in = &state;

    memset(in, 0, sizeof(*in));
    in->from = from;
    in->end = from + size - TRAILER;
    in->to = to;
    in->room = room;
    in->breathe = breathe;
    *why = "it is no gzip file";
    if (!gzip_begins(from, size)) return refused(-EINVAL);
    if (header(in) && blocks(in) && in->from != in->end)
        fail(in, "something follows its end");
    if (!in->why && (in->size != room || number_at(in->end + 4) != (uint32_t)room))
        fail(in, "it holds less than it says");
    if (!in->why && number_at(in->end) != checksum(to, room, breathe))
        fail(in, "its checksum is wrong");
    *why = in->why;
    return in->why ? refused(-EINVAL) : 0;
}
