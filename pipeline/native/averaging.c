/* Exact area averages, in whole numbers: pipeline/images/averaging.py. */

#include "portable.h"

#include <stdlib.h>
#include <string.h>

/* One axis. Result `number` is the sum of `taps` pixels from `first[number]` on, each times its
   overlap with the result: a pixel has as many units as there are results, and the reverse. */
typedef struct {
    int32_t taps;
    int32_t *first;
    uint32_t *weights; /* (taps, results) */
} Axis;

enum { ROWS = 8 }; /* results' rows at a time */

static int64_t larger(int64_t left, int64_t right) { return left > right ? left : right; }

static int plan(Axis *axis, int32_t before, int32_t after)
{
    axis->taps = (before + after - 1) / after + 1;
    axis->first = malloc(sizeof *axis->first * (size_t)after);
    axis->weights = malloc(sizeof *axis->weights * (size_t)axis->taps * (size_t)after);
    if (axis->first == NULL || axis->weights == NULL)
        return 1;
    for (int64_t number = 0; number < after; number++) {
        int64_t begin = number * before, end = begin + before;
        axis->first[number] = (int32_t)(begin / after);
        for (int64_t tap = 0; tap < axis->taps; tap++) {
            int64_t low = (axis->first[number] + tap) * after, high = low + after;
            int64_t overlap = -larger(-high, -end) - larger(low, begin);
            axis->weights[tap * after + number] = (uint32_t)larger(overlap, 0);
        }
    }
    return 0;
}

static void forget(const Axis *axis) { free(axis->first), free(axis->weights); }

WIDE static void add_row(uint32_t *restrict sums, const uint8_t *restrict row, uint32_t weight,
                         size_t count)
{
    for (size_t x = 0; x < count; x++)
        sums[x] += weight * row[x];
}

/* Rows `count` long, ROWS of them, to columns: what follows then does one thing to all rows. */
WIDE static void to_columns(uint32_t *restrict columns, const uint32_t *restrict rows,
                            size_t count)
{
    for (size_t x = 0; x < count; x++)
        for (size_t row = 0; row < ROWS; row++)
            columns[x * ROWS + row] = rows[row * count + x];
}

/* The results `found` (count, ROWS) of one channel. A double holds the totals exactly; times 1 /
   area they round alike everywhere, and in numpy. */
WIDE static void add_columns(uint8_t *restrict found, const uint32_t *restrict columns,
                             const Axis *axis, int32_t count, ptrdiff_t channels, double share)
{
    for (int32_t x = 0; x < count; x++) {
        const uint32_t *from = columns + axis->first[x] * channels * ROWS;
        uint64_t totals[ROWS] = {0};
        for (int32_t tap = 0; tap < axis->taps; tap++, from += channels * ROWS) {
            uint64_t weight = axis->weights[tap * count + x];
            for (int row = 0; row < ROWS; row++)
                totals[row] += weight * from[row];
        }
        for (int row = 0; row < ROWS; row++)
            found[x * ROWS + row] = (uint8_t)(int32_t)((double)(int64_t)totals[row] * share + 0.5);
    }
}

/* Shrink `image` (height, width, channels), its rows `stride` bytes apart, to `found` (tall, wide,
   channels), both at most the image's. Nonzero without memory. */
EXPORTED int blur_area_average(const uint8_t *image, ptrdiff_t stride, int32_t height,
                               int32_t width, int32_t channels, int32_t tall, int32_t wide,
                               uint8_t *found)
{
    Axis down = {0}, across = {0};
    int failed = plan(&down, height, tall) | plan(&across, width, wide);
    size_t count = (size_t)width * (size_t)channels;
    size_t room = count + (size_t)across.taps * (size_t)channels; /* the last taps weigh nothing */
    uint32_t *rows = malloc(sizeof *rows * ROWS * count);
    uint32_t *columns = calloc(ROWS * room, sizeof *columns);
    uint8_t *averages = malloc(ROWS * (size_t)wide);
    double share = 1 / ((double)height * (double)width);
    failed = failed || rows == NULL || columns == NULL || averages == NULL;
    for (int32_t top = 0; top < tall && !failed; top += ROWS) {
        int32_t taken = tall - top < ROWS ? tall - top : ROWS;
        memset(rows, 0, sizeof *rows * ROWS * count);
        for (int32_t row = 0; row < taken; row++)
            for (int32_t tap = 0; tap < down.taps; tap++) {
                uint32_t weight = down.weights[tap * tall + top + row];
                if (weight > 0)
                    add_row(rows + (size_t)row * count,
                            image + (down.first[top + row] + tap) * stride, weight, count);
            }
        to_columns(columns, rows, count);
        for (int32_t channel = 0; channel < channels; channel++) {
            add_columns(averages, columns + channel * ROWS, &across, wide, channels, share);
            for (int32_t row = 0; row < taken; row++) {
                uint8_t *into = found + (ptrdiff_t)(top + row) * wide * channels + channel;
                for (int32_t x = 0; x < wide; x++)
                    into[x * channels] = averages[x * ROWS + row];
            }
        }
    }
    forget(&down), forget(&across), free(rows), free(columns), free(averages);
    return failed;
}
