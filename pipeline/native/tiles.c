/* Sums over the tiles of a plane, as pipeline/features/tiling_opencv.py makes them from a plane for
   each difference, here without any. Whole numbers throughout. */

#include "portable.h"

#include <stdlib.h>
#include <string.h>

enum { STRIP = 256, ROWS = 16 }; /* 16 squares of a Laplacian, at most 16320, fit 32 bits */

/* Sums (or maxima) of each column of a block of at most ROWS x STRIP pixels. */
typedef uint32_t Columns[STRIP];
typedef void (*Block)(const int16_t *first, ptrdiff_t stride, int rows, int count, Columns *sums);

/* A block: `here`, `above` and `below` are rows of pixels around x. */
#define BLOCK(NAME, ...)                                                                         \
    WIDE static void NAME(const int16_t *first, ptrdiff_t stride, int rows, int count,           \
                          Columns *sums)                                                         \
    {                                                                                            \
        for (int y = 0; y < rows; y++) {                                                         \
            const int16_t *here = first + y * stride;                                            \
            const int16_t *above = here - stride, *below = here + stride;                        \
            const int16_t *higher = above - stride, *lower = below + stride;                     \
            for (int x = 0; x < count; x++) {                                                    \
                __VA_ARGS__                                                                      \
            }                                                                                    \
            (void)above, (void)below, (void)higher, (void)lower;                                 \
        }                                                                                        \
    }
#define ADD_SQUARE(PLACE, VALUE) sums[PLACE][x] += (uint32_t)((VALUE) * (VALUE))
#define ADD_SIZE(PLACE, VALUE) sums[PLACE][x] += (uint32_t)abs(VALUE)
#define RAISE(PLACE, VALUE) \
    sums[PLACE][x] = sums[PLACE][x] > (uint32_t)abs(VALUE) ? sums[PLACE][x] : (uint32_t)abs(VALUE)

#define ACROSS (here[x + 1] - here[x - 1])
#define DOWN (below[x] - above[x])
#define BENT_ACROSS (here[x + 1] + here[x - 1] - 2 * here[x])
#define BENT_DOWN (below[x] + above[x] - 2 * here[x])

BLOCK(straight, {
    int bent_across = BENT_ACROSS, bent_down = BENT_DOWN, laplacian = bent_across + bent_down;
    int across = ACROSS, down = DOWN;
    ADD_SQUARE(0, across);
    ADD_SQUARE(1, down);
    ADD_SQUARE(2, bent_across);
    ADD_SQUARE(3, bent_down);
    ADD_SQUARE(4, laplacian);
})

BLOCK(diagonal, {
    int falling = below[x + 1] - above[x - 1], rising = below[x - 1] - above[x + 1];
    int bent_falling = below[x + 1] + above[x - 1] - 2 * here[x];
    int bent_rising = below[x - 1] + above[x + 1] - 2 * here[x];
    ADD_SQUARE(0, falling);
    ADD_SQUARE(1, rising);
    ADD_SQUARE(2, bent_falling);
    ADD_SQUARE(3, bent_rising);
})

BLOCK(slopes, {
    int across = ACROSS, down = DOWN;
    ADD_SQUARE(0, across);
    ADD_SQUARE(1, down);
})

BLOCK(mixed, {
    int both = ACROSS + DOWN;
    ADD_SQUARE(0, both);
})

BLOCK(far, {
    int across = here[x + 2] - here[x - 2], down = lower[x] - higher[x];
    ADD_SQUARE(0, across);
    ADD_SQUARE(1, down);
})

BLOCK(sizes, {
    int bent_across = BENT_ACROSS, bent_down = BENT_DOWN, across = ACROSS, down = DOWN;
    ADD_SIZE(0, across);
    ADD_SIZE(1, down);
    ADD_SIZE(2, bent_across);
    ADD_SIZE(3, bent_down);
})

BLOCK(peaks, {
    int laplacian = BENT_ACROSS + BENT_DOWN, across = ACROSS, down = DOWN;
    RAISE(0, across);
    RAISE(1, down);
    RAISE(2, laplacian);
})

BLOCK(sobel_across, {
    int sum = above[x + 1] - above[x - 1] + 2 * ACROSS + below[x + 1] - below[x - 1];
    ADD_SQUARE(0, sum);
})

BLOCK(sobel_down, {
    int sum = below[x - 1] - above[x - 1] + 2 * DOWN + below[x + 1] - above[x + 1];
    ADD_SQUARE(0, sum);
})

/* `first` is every other row of the plane, `below` the odd one after it: half of `stride`. */
BLOCK(haar_rows, {
    int difference = here[x] - here[stride / 2 + x];
    ADD_SQUARE(0, difference);
})

BLOCK(haar_columns, {
    const int16_t *odd = here + stride / 2;
    int difference = here[2 * x] + odd[2 * x] - here[2 * x + 1] - odd[2 * x + 1];
    ADD_SQUARE(0, difference);
})

/* Immerkaer's mask, also on every other row: second differences of second differences. */
#define BENT_IN(ROW) (ROW[x + 1] + ROW[x - 1] - 2 * ROW[x])
BLOCK(immerkaer, {
    const int16_t *middle = here + stride / 2;
    int mask = BENT_IN(below) - 2 * BENT_IN(middle) + BENT_IN(here);
    ADD_SIZE(0, mask);
})

/* In the order of KINDS in pipeline/features/tiles.py. */
static const struct {
    Block block;
    int count, margin_down, margin_across, step_down, step_across, maximum;
} KINDS[] = {
    {straight, 5, 2, 2, 1, 1, 0},     {diagonal, 4, 2, 2, 1, 1, 0},
    {slopes, 2, 2, 2, 1, 1, 0},       {mixed, 1, 2, 2, 1, 1, 0},
    {far, 2, 2, 2, 1, 1, 0},          {sizes, 4, 2, 2, 1, 1, 0},
    {peaks, 3, 2, 2, 1, 1, 1},        {sobel_across, 1, 3, 2, 1, 1, 0},
    {sobel_down, 1, 2, 3, 1, 1, 0},   {haar_rows, 1, 0, 0, 2, 1, 0},
    {haar_columns, 1, 0, 0, 2, 2, 0}, {immerkaer, 1, 2, 2, 2, 1, 0},
};

WIDE static void add(uint64_t *restrict into, const uint32_t *restrict sums, int count)
{
    for (int x = 0; x < count; x++)
        into[x] += sums[x];
}

WIDE static void lift(uint64_t *restrict into, const uint32_t *restrict peaks, int count)
{
    for (int x = 0; x < count; x++)
        into[x] = into[x] > peaks[x] ? into[x] : peaks[x];
}

WIDE static uint64_t total(const uint64_t *line, int count, int maximum)
{
    uint64_t sum = 0, most = 0;
    for (int x = 0; x < count; x++) {
        sum += line[x];
        most = most > line[x] ? most : line[x];
    }
    return maximum ? most : sum;
}

/* Sums of `kind` over tiles between `rows` (down + 1) and `columns` (across + 1), counted from the
   kind's margin, to `found` (count of the kind, down, across). Nonzero without memory. */
EXPORTED int blur_tile_sums(int kind, const int16_t *plane, ptrdiff_t stride, const int32_t *rows,
                            int down, const int32_t *columns, int across, uint64_t *found)
{
    const Block block = KINDS[kind].block;
    const int count = KINDS[kind].count, maximum = KINDS[kind].maximum, width = columns[across];
    const ptrdiff_t line_step = KINDS[kind].step_down * stride, step = KINDS[kind].step_across;
    const int16_t *inner = plane + KINDS[kind].margin_down * stride + KINDS[kind].margin_across;
    uint64_t *line = malloc(sizeof *line * (size_t)count * (size_t)width);
    Columns sums[5];
    if (line == NULL)
        return 1;
    for (int row = 0; row < down; row++) {
        memset(line, 0, sizeof *line * (size_t)count * (size_t)width);
        for (int y = rows[row]; y < rows[row + 1]; y += ROWS) {
            int tall = rows[row + 1] - y < ROWS ? rows[row + 1] - y : ROWS;
            for (int left = 0; left < width; left += STRIP) {
                int strip = width - left < STRIP ? width - left : STRIP;
                memset(sums, 0, sizeof *sums * (size_t)count);
                block(inner + y * line_step + left * step, line_step, tall, strip, sums);
                for (int place = 0; place < count; place++)
                    (maximum ? lift : add)(line + place * width + left, sums[place], strip);
            }
        }
        for (int place = 0; place < count; place++)
            for (int column = 0; column < across; column++)
                found[(place * down + row) * across + column] =
                    total(line + place * width + columns[column],
                          columns[column + 1] - columns[column], maximum);
    }
    free(line);
    return 0;
}
