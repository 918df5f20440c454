/* The grey levels of a baseline JPEG, whole or at reduced scale, as libjpeg gives them:
   images/luma.py. Whatever is odd about a file is left to libjpeg. */

#include "portable.h"

#include <stdlib.h>
#include <string.h>

/* Bits that are looked up at once; blocks that are transformed at once; what may be read behind
   the end before anybody looks. */
enum { LOOK = 10, LANES = 8, SPARE = 512 };

/* Up to two symbols: length in bits of both, or RARE | a length to begin with; coefficients to go
   for each, in halves, the second's being 0 where there is none; value of each. Past the last
   coefficient: END where the block ends, WRONG where there is no such code. */
typedef uint64_t Entry;
enum { RARE = 0x80, LAST = 2 * 63, WRONG = 2 * 64, END = 2 * 127, PLACES = 256 };
#define LENGTH(ENTRY) ((ENTRY) & 63)
#define FIRST(ENTRY) ((ENTRY) >> 8 & 255)
#define SECOND(ENTRY) ((ENTRY) >> 16 & 255)
#define VALUE(ENTRY) ((int16_t)((ENTRY) >> 32))
#define SECOND_VALUE(ENTRY) ((int16_t)((ENTRY) >> 48))

typedef struct {
    Entry entries[1 << LOOK];
    uint32_t limits[17]; /* of 16 bits: what codes of this length, or a shorter one, stay below */
    int32_t before[17];  /* place of the symbol of code 0, if there were one, of this length */
    const uint8_t *symbols;
} Table;

typedef struct {
    const uint8_t *next, *end;
    uint64_t bits, left; /* the next ones, the first uppermost; how many are surely there */
} Reader;

static Entry single(uint64_t length, int halves, uint64_t value)
{
    return value << 48 | value << 32 | (Entry)halves << 8 | length;
}

/* The symbol at the beginning of `bits`, whose code has at least `length` of them. */
static Entry rare(const Table *table, uint64_t bits, uint64_t length)
{
    const uint32_t code = (uint32_t)(bits >> 48);
    while (length <= 16 && code >= table->limits[length])
        length++;
    if (length > 16)
        return single(0, WRONG, 0);
    const int symbol = table->symbols[(int32_t)(code >> (16 - length)) + table->before[length]];
    const int size = symbol & 15, run = symbol >> 4;
    if (size == 0)
        return single(length, run == 15 ? 2 * 16 : END, 0);
    const uint64_t value = bits << length >> (64 - size);
    const uint64_t less = value >> (size - 1) ? 0 : (1u << size) - 1;
    return single(length + (uint64_t)size, 2 * (run + 1), (value - less) & UINT16_MAX);
}

/* From a segment's 16 counts and its symbols; nonzero where these are no code. */
static int fill(Table *table, const uint8_t *segment, int ac)
{
    uint32_t code = 0;
    int32_t count = 0;
    table->symbols = segment + 16;
    for (int length = 1; length <= 16; length++) {
        table->before[length] = count - (int32_t)(code >> (16 - length));
        for (int k = 0; k < segment[length - 1]; k++, count++) {
            code += 1u << (16 - length);
            if (count > 255 || code > 1u << 16 || (!ac && table->symbols[count] > 15))
                return 1;
        }
        table->limits[length] = code;
    }
    Entry singles[1 << LOOK];
    for (uint64_t look = 0, length = 1; look < 1 << LOOK; look++) {
        while (length <= LOOK && look << (16 - LOOK) >= table->limits[length])
            length++;
        Entry found = length > LOOK ? RARE | length : rare(table, look << (64 - LOOK), length);
        singles[look] = LENGTH(found) > LOOK ? RARE | length : found;
    }
    for (uint64_t look = 0; look < 1 << LOOK; look++) {
        Entry first = singles[look], second = singles[look << LENGTH(first) & ((1 << LOOK) - 1)];
        const uint64_t both = LENGTH(first) + LENGTH(second);
        if (ac && !((first | second) & RARE) && FIRST(first) < WRONG && FIRST(second) != WRONG &&
            both <= LOOK)
            first = (first & UINT64_C(0xffff0000ff00)) | FIRST(second) << 16 | both |
                    second >> 32 << 48;
        table->entries[look] = first;
    }
    return 0;
}

static inline uint64_t eight(const uint8_t *at)
{
    return (uint64_t)at[0] << 56 | (uint64_t)at[1] << 48 | (uint64_t)at[2] << 40 |
           (uint64_t)at[3] << 32 | (uint64_t)at[4] << 24 | (uint64_t)at[5] << 16 |
           (uint64_t)at[6] << 8 | (uint64_t)at[7];
}

#define REFILL (bits |= eight(next) >> left, next += (63 - left) >> 3, left |= 56)
#define SKIP(COUNT) (bits <<= (COUNT), left -= (COUNT))
#define TAKE(TABLE)                                                                              \
    found = (TABLE)->entries[bits >> (64 - LOOK)];                                               \
    if (found & RARE) {                                                                          \
        REFILL;                                                                                  \
        found = rare((TABLE), bits, LENGTH(found) & 31);                                         \
    }                                                                                            \
    SKIP(LENGTH(found))
#define STEP                                                                                     \
    TAKE(ac);                                                                                    \
    first = k + FIRST(found), k = first + SECOND(found);                                         \
    into[first * (LANES / 2)] = VALUE(found);                                                    \
    into[k * (LANES / 2)] = SECOND_VALUE(found)

/* A block's coefficients in the order of the file, LANES apart, to `into` (PLACES); `mean` is the
   component's last one. Nonzero where the code is broken. */
static inline int block(Reader *reader, const Table *dc, const Table *ac, uint32_t *mean,
                        int16_t *into)
{
    const uint8_t *next = reader->next;
    uint64_t bits = reader->bits, left = reader->left, first, k = 0;
    Entry found;
    REFILL;
    TAKE(dc);
    const int wrong = FIRST(found) == WRONG;
    *mean += (uint32_t)VALUE(found);
    into[0] = (int16_t)*mean;
    do {
        REFILL; /* will do for two */
        STEP;
        if (k >= LAST)
            break;
        STEP;
    } while (k < LAST);
    if (first == LAST && k > LAST) { /* the second belongs to the next block: back to the first */
        const uint64_t behind = left + LENGTH(found), octets = (behind + 7) / 8;
        next -= octets, bits = left = 0, k = first;
        REFILL;
        SKIP(8 * octets - behind);
        found = rare(ac, bits, 1);
        SKIP(LENGTH(found));
    }
    reader->next = next, reader->bits = bits, reader->left = left;
    return wrong || (first > LAST && first < END) || (k > LAST && k < END) ||
           next > reader->end + 8;
}

/* libjpeg's transforms of a line of eight coefficients, for all blocks: `Z` is one of them, `OUT`
   takes a sum of even and one of odd ones for a pixel and that in its mirrored place. Exact but
   for the shift at the end. */
#define Z(PLACE) ((uint32_t)from[(PLACE) * step + lane])
#define OUT(SIDE, PLACE, EVEN, ODD)                                                              \
    to[(PLACE) * apart + lane] = (int32_t)((EVEN) + (ODD)) >> shift,                             \
    to[((SIDE) - 1 - (PLACE)) * apart + lane] = (int32_t)((EVEN) - (ODD)) >> shift
#define LINES(SIDE, ...)                                                                         \
    static inline void line_##SIDE(const int32_t *restrict from, ptrdiff_t step,                 \
                                   int32_t *restrict to, ptrdiff_t apart, int shift)             \
    {                                                                                            \
        const uint32_t half = 1u << (shift - 1);                                                 \
        for (int lane = 0; lane < LANES; lane++)                                                 \
            __VA_ARGS__                                                                          \
    }

LINES(8, {
    const uint32_t near = (Z(2) + Z(6)) * 4433, p = near + Z(2) * 6270, q = near - Z(6) * 15137;
    const uint32_t sum = (Z(0) + Z(4)) * 8192 + half, rest = (Z(0) - Z(4)) * 8192 + half;
    const uint32_t a = Z(1) + Z(5), b = Z(3) + Z(7), both = (a + b) * 9633;
    const uint32_t c = both - a * 3196, d = both - b * 16069;
    const uint32_t e = (Z(1) + Z(7)) * 7373, f = (Z(3) + Z(5)) * 20995;
    OUT(8, 0, sum + p, Z(1) * 12299 - e + c);
    OUT(8, 1, rest + q, Z(3) * 25172 - f + d);
    OUT(8, 2, rest - q, Z(5) * 16819 - f + c);
    OUT(8, 3, sum - p, Z(7) * 2446 - e + d);
})

LINES(4, {
    const uint32_t sum = Z(0) * 16384 + half, p = Z(2) * 15137 - Z(6) * 6270;
    OUT(4, 0, sum + p, Z(1) * 20995 + Z(3) * 7373 - Z(5) * 4926 - Z(7) * 4176);
    OUT(4, 1, sum - p, Z(1) * 8697 - Z(3) * 17799 + Z(5) * 11893 - Z(7) * 1730);
})

LINES(2, {
    const uint32_t sum = Z(0) * 32768 + half;
    OUT(2, 0, sum, Z(1) * 29692 - Z(3) * 10426 + Z(5) * 6967 - Z(7) * 5906);
})

static inline void multiplied(const int16_t *restrict given, const int16_t *restrict steps,
                              int32_t *restrict whole)
{
    for (int k = 0; k < 64; k++, given += LANES) {
        const int32_t step = steps[k];
        int32_t *restrict into = whole + steps[64 + k] * LANES;
        for (int lane = 0; lane < LANES; lane++)
            into[lane] = given[lane] * step;
    }
}

/* LANES blocks from the order of the file to rows of pixels, those of one block beside those of
   the next. `steps` (2, 64): what coefficients are multiples of, and their places in a block. */
#define TRANSFORM(SIDE, BITS)                                                                    \
    WIDE static void transform_##SIDE(const int16_t *restrict given, const int16_t *steps,       \
                                      uint8_t *restrict found)                                   \
    {                                                                                            \
        enum { ALL = SIDE * LANES };                                                             \
        int32_t whole[64 * LANES], half[8 * ALL], full[SIDE * ALL];                              \
        uint8_t levels[SIDE * ALL];                                                              \
        multiplied(given, steps, whole);                                                         \
        for (int column = 0; column < 8; column++)                                               \
            line_##SIDE(whole + column * LANES, 8 * LANES, half + column * LANES, 8 * LANES,     \
                        BITS - 2);                                                               \
        for (int row = 0; row < SIDE; row++)                                                     \
            line_##SIDE(half + row * 8 * LANES, LANES, full + row * LANES, ALL, BITS + 5);       \
        for (int place = 0; place < SIDE * ALL; place++) {                                       \
            const int32_t level = full[place] + 128;                                             \
            levels[place] = (uint8_t)(level < 0 ? 0 : level > 255 ? 255 : level);                \
        }                                                                                        \
        for (int place = 0; place < ALL; place++)                                                \
            for (int x = 0; x < SIDE; x++)                                                       \
                found[place * SIDE + x] = levels[x * ALL + place];                               \
    }

TRANSFORM(8, 13)
TRANSFORM(4, 14)
TRANSFORM(2, 15)

/* Copy a scan up to a marker without the zeros behind its 255s; NULL where there is none. */
static const uint8_t *unstuffed(const uint8_t *from, const uint8_t *end, Reader *reader,
                                uint8_t *to)
{
    reader->next = to, reader->bits = 0, reader->left = 0;
    while (from < end) {
        const uint8_t *mark = memchr(from, 255, (size_t)(end - from));
        if (mark == NULL || mark + 1 >= end)
            return NULL;
        const size_t count = (size_t)(mark - from);
        memcpy(to, from, count);
        to += count;
        if (mark[1] != 0) {
            memset(to, 0, SPARE);
            reader->end = to;
            return mark;
        }
        *to++ = 255;
        from = mark + 2;
    }
    return NULL;
}

/* Whether more or less was taken than there was, but for a few bits. */
static int uneven(const Reader *reader) { return reader->next - reader->left / 8 != reader->end; }

/* One unit: blocks of the first component to `given` (down, PLACES, LANES), the others past. */
WIDE static int unit_of(Reader *reader, const Table *tables, const int32_t *components,
                        int32_t count, uint32_t *means, int16_t *given)
{
    int16_t past[PLACES * LANES]; /* what is not looked at */
    int failed = 0;
    for (int32_t k = 0; k < count; k++, components += 4) {
        const Table *dc = tables + components[2], *ac = tables + 4 + components[3];
        for (int32_t row = 0; row < components[1]; row++)
            for (int32_t column = 0; column < components[0]; column++)
                failed |= block(reader, dc, ac, means + k,
                                k == 0 ? given + row * PLACES * LANES + column : past);
    }
    return failed;
}

/* Decode `scan` (size) to `found` (tall, wide), SIDE pixels of each block's eight. `segments` (2,
   4, 272) are the Huffman codes: counts and symbols; `components` (count, 4) what a unit holds of
   each: blocks across and down, number of the DC and of the AC code; `spots` (192) see Spot;
   `units` go across and down, with a marker after every `restart` ones, or none. Nonzero without
   memory, and where anything is wrong. */
EXPORTED int blur_luma(const uint8_t *scan, ptrdiff_t size, const uint8_t *segments,
                       const int32_t *components, int32_t count, const int16_t *steps,
                       int32_t restart, int32_t across, int32_t down, int32_t side, int32_t tall,
                       int32_t wide, uint8_t *found)
{
    const uint8_t *end = scan + size;
    const int32_t h = components[0], v = components[1], lanes = PLACES * LANES;
    Table *tables = malloc(sizeof *tables * 8);
    uint8_t *room = malloc((size_t)size + SPARE), pixels[64 * LANES];
    int16_t *given = calloc((size_t)(lanes * v), sizeof *given);
    int failed = tables == NULL || room == NULL || given == NULL;
    for (int32_t k = 0; k < count && !failed; k++)
        for (int32_t ac = 0; ac < 2 && !failed; ac++) {
            int32_t number = ac * 4 + components[4 * k + 2 + ac];
            failed = fill(tables + number, segments + 272 * number, ac);
        }
    Reader reader = {0};
    uint32_t means[4] = {0};
    for (int64_t unit = 0; unit < (int64_t)across * down && !failed; unit++) {
        if (unit == 0 || (restart && unit % restart == 0)) {
            if (unit > 0)
                failed = uneven(&reader) || scan[1] != 0xd0 + (unit / restart - 1) % 8;
            scan = failed ? NULL : unstuffed(unit > 0 ? scan + 2 : scan, end, &reader, room);
            memset(means, 0, sizeof means);
            if ((failed = scan == NULL))
                break;
        }
        const int32_t x = (int32_t)(unit % across), y = (int32_t)(unit / across);
        const int32_t first = x * h % LANES;
        failed = unit_of(&reader, tables, components, count, means, given + first);
        if (first + h < LANES && x < across - 1)
            continue;
        for (int32_t row = 0; row < v; row++) {
            int16_t *blocks = given + row * lanes;
            const int32_t left = (x * h - first) * side;
            (side == 8 ? transform_8 : side == 4 ? transform_4 : transform_2)(blocks, steps, pixels);
            memset(blocks, 0, sizeof *blocks * 64 * LANES);
            const int32_t width = LANES * side < wide - left ? LANES * side : wide - left;
            for (int32_t line = 0; line < side; line++) {
                int32_t top = (y * v + row) * side + line;
                if (top < tall && width > 0)
                    memcpy(found + (ptrdiff_t)top * wide + left, pixels + line * LANES * side,
                           (size_t)width);
            }
        }
    }
    failed = failed || uneven(&reader) || scan[1] != 0xd9;
    free(tables), free(room), free(given);
    return failed;
}
