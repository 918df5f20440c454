/* The differences of a plane whose sums over tiles are wanted, a block of pixels at a time. */
#ifndef BLUR_DIFFERENCES_H
#define BLUR_DIFFERENCES_H

#include "portable.h"

#include <stdlib.h>

enum { STRIP = 256, ROWS = 16 }; /* 16 squares of a Laplacian, at most 16320, fit 32 bits */

/* Sums (or maxima) of each column of a block of at most ROWS x STRIP pixels. */
typedef uint32_t Columns[STRIP];
typedef void (*Block)(const int16_t *first, ptrdiff_t stride, int rows, int count, Columns *sums);

/* A block of `count` quantities, two rows at a time: `here`, `above` and so on are rows of pixels
   around x. JOIN is what becomes of two of a column's quantities. */
#define ROW(FIRST, ...)                                                                          \
    {                                                                                            \
        const int16_t *here = (FIRST), *above = here - stride, *below = here + stride;           \
        const int16_t *higher = above - stride, *lower = below + stride;                         \
        __VA_ARGS__                                                                              \
        (void)above, (void)below, (void)higher, (void)lower;                                     \
    }
#define COLUMNS(COUNT, JOIN, ...)                                                                \
    for (int x = 0; x < count; x++) {                                                            \
        uint32_t found[COUNT] = {0};                                                             \
        __VA_ARGS__                                                                              \
        for (int place = 0; place < COUNT; place++)                                              \
            JOIN(sums[place][x], found[place]);                                                  \
    }
#define BLOCK(NAME, COUNT, JOIN, ...)                                                            \
    WIDE static void NAME(const int16_t *first, ptrdiff_t stride, int rows, int count,           \
                          Columns *sums)                                                         \
    {                                                                                            \
        int y = 0;                                                                               \
        for (; y + 1 < rows; y += 2)                                                             \
            COLUMNS(COUNT, JOIN, ROW(first + y * stride, __VA_ARGS__)                            \
                                     ROW(first + (y + 1) * stride, __VA_ARGS__))                 \
        if (y < rows)                                                                            \
            COLUMNS(COUNT, JOIN, ROW(first + y * stride, __VA_ARGS__))                           \
    }
#define ADD(SUM, VALUE) SUM += (VALUE)
#define RAISE(MOST, VALUE) MOST = MOST > (VALUE) ? MOST : (VALUE)
#define ADD_SQUARE(PLACE, VALUE) ADD(found[PLACE], (uint32_t)((VALUE) * (VALUE)))
#define ADD_SIZE(PLACE, VALUE) ADD(found[PLACE], (uint32_t)abs(VALUE))
#define RAISE_SIZE(PLACE, VALUE) RAISE(found[PLACE], (uint32_t)abs(VALUE))

#define ACROSS (here[x + 1] - here[x - 1])
#define DOWN (below[x] - above[x])
#define BENT_ACROSS (here[x + 1] + here[x - 1] - 2 * here[x])
#define BENT_DOWN (below[x] + above[x] - 2 * here[x])

BLOCK(straight, 5, ADD, {
    int bent_across = BENT_ACROSS, bent_down = BENT_DOWN, laplacian = bent_across + bent_down;
    int across = ACROSS, down = DOWN;
    ADD_SQUARE(0, across);
    ADD_SQUARE(1, down);
    ADD_SQUARE(2, bent_across);
    ADD_SQUARE(3, bent_down);
    ADD_SQUARE(4, laplacian);
})

BLOCK(diagonal, 4, ADD, {
    int falling = below[x + 1] - above[x - 1], rising = below[x - 1] - above[x + 1];
    int bent_falling = below[x + 1] + above[x - 1] - 2 * here[x];
    int bent_rising = below[x - 1] + above[x + 1] - 2 * here[x];
    ADD_SQUARE(0, falling);
    ADD_SQUARE(1, rising);
    ADD_SQUARE(2, bent_falling);
    ADD_SQUARE(3, bent_rising);
})

BLOCK(slopes, 2, ADD, {
    int across = ACROSS, down = DOWN;
    ADD_SQUARE(0, across);
    ADD_SQUARE(1, down);
})

BLOCK(mixed, 1, ADD, {
    int both = ACROSS + DOWN;
    ADD_SQUARE(0, both);
})

BLOCK(far, 2, ADD, {
    int across = here[x + 2] - here[x - 2], down = lower[x] - higher[x];
    ADD_SQUARE(0, across);
    ADD_SQUARE(1, down);
})

BLOCK(sizes, 4, ADD, {
    int bent_across = BENT_ACROSS, bent_down = BENT_DOWN, across = ACROSS, down = DOWN;
    ADD_SIZE(0, across);
    ADD_SIZE(1, down);
    ADD_SIZE(2, bent_across);
    ADD_SIZE(3, bent_down);
})

BLOCK(peaks, 3, RAISE, {
    int laplacian = BENT_ACROSS + BENT_DOWN, across = ACROSS, down = DOWN;
    RAISE_SIZE(0, across);
    RAISE_SIZE(1, down);
    RAISE_SIZE(2, laplacian);
})

BLOCK(sobel_across, 1, ADD, {
    int sum = above[x + 1] - above[x - 1] + 2 * ACROSS + below[x + 1] - below[x - 1];
    ADD_SQUARE(0, sum);
})

BLOCK(sobel_down, 1, ADD, {
    int sum = below[x - 1] - above[x - 1] + 2 * DOWN + below[x + 1] - above[x + 1];
    ADD_SQUARE(0, sum);
})

/* `first` is every other row of the plane, `below` the odd one after it: half of `stride`. */
BLOCK(haar_rows, 1, ADD, {
    int difference = here[x] - here[stride / 2 + x];
    ADD_SQUARE(0, difference);
})

BLOCK(haar_columns, 1, ADD, {
    const int16_t *odd = here + stride / 2;
    int difference = here[2 * x] + odd[2 * x] - here[2 * x + 1] - odd[2 * x + 1];
    ADD_SQUARE(0, difference);
})

/* Immerkaer's mask, also on every other row: second differences of second differences. */
#define BENT_IN(ROW) (ROW[x + 1] + ROW[x - 1] - 2 * ROW[x])
BLOCK(immerkaer, 1, ADD, {
    const int16_t *middle = here + stride / 2;
    int mask = BENT_IN(below) - 2 * BENT_IN(middle) + BENT_IN(here);
    ADD_SIZE(0, mask);
})

#endif
