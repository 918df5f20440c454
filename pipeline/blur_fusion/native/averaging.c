/* Exact area averages, in whole numbers: images/resize.py. */

#include "portable.h"

#include <stdlib.h>
#include <string.h>

/* One axis. Result `number` is the sum of `taps` pixels from `first[number]` on, each times its
   overlap with the result, in units of which a result has `whole`. */
typedef struct {
    int32_t results, taps, whole;
    int32_t *first;
    uint32_t *weights; /* (taps, results) */
} Axis;

enum { ROWS = 8 }; /* results' rows at a time */

static int64_t larger(int64_t left, int64_t right) { return left > right ? left : right; }

static int32_t common_divisor(int32_t left, int32_t right)
{
    return right > 0 ? common_divisor(right, left % right) : left;
}

static int plan(Axis *axis, int32_t before, int32_t after)
{
    const int32_t shared = common_divisor(before, after);
    axis->results = after, axis->whole = before / shared;
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
            axis->weights[tap * after + number] = (uint32_t)larger(overlap, 0) / (uint32_t)shared;
        }
    }
    return 0;
}

static void forget(const Axis *axis) { free(axis->first), free(axis->weights); }

/* Sums over rows, then ROWS of these, `count` long, turned to columns: what follows then does one
   thing to all rows. Most sums fit 16 bits, which is twice as fast. */
#define SUMS(NAME, TYPE)                                                                         \
    WIDE static void add_row_##NAME(TYPE *restrict sums, const uint8_t *restrict row,            \
                                    TYPE weight, size_t count)                                   \
    {                                                                                            \
        for (size_t x = 0; x < count; x++)                                                       \
            sums[x] = (TYPE)(sums[x] + weight * row[x]);                                         \
    }                                                                                            \
    WIDE static void to_columns_##NAME(uint32_t *restrict columns, const TYPE *restrict rows,    \
                                       size_t count)                                             \
    {                                                                                            \
        for (size_t x = 0; x < count; x++)                                                       \
            for (size_t row = 0; row < ROWS; row++)                                              \
                columns[x * ROWS + row] = rows[row * count + x];                                 \
    }                                                                                            \
    static void add_up_##NAME(uint32_t *columns, TYPE *rows, const uint8_t *image,               \
                              ptrdiff_t stride, const Axis *down, int32_t top, size_t count)     \
    {                                                                                            \
        memset(rows, 0, sizeof *rows * ROWS * count);                                            \
        for (int32_t row = 0; row < ROWS && top + row < down->results; row++)                    \
            for (int32_t tap = 0; tap < down->taps; tap++) {                                     \
                uint32_t weight = down->weights[tap * down->results + top + row];                \
                if (weight > 0)                                                                  \
                    add_row_##NAME(rows + (size_t)row * count,                                   \
                                   image + (down->first[top + row] + tap) * stride,              \
                                   (TYPE)weight, count);                                         \
            }                                                                                    \
        to_columns_##NAME(columns, rows, count);                                                 \
    }

SUMS(short, uint16_t)
SUMS(long, uint32_t)

/* The results `found` (count, ROWS) of one channel. A double holds `unit` totals exactly; times
   `share` they round alike everywhere, and in numpy. */
WIDE static void add_columns(uint8_t *restrict found, const uint32_t *restrict columns,
                             const Axis *axis, ptrdiff_t channels, uint64_t unit, double share)
{
    const int32_t count = axis->results;
    for (int32_t x = 0; x < count; x++) {
        const uint32_t *from = columns + axis->first[x] * channels * ROWS;
        uint64_t totals[ROWS] = {0};
        for (int32_t tap = 0; tap < axis->taps; tap++, from += channels * ROWS) {
            uint64_t weight = axis->weights[tap * count + x];
            for (int row = 0; row < ROWS; row++)
                totals[row] += weight * from[row];
        }
        for (int row = 0; row < ROWS; row++)
            found[x * ROWS + row] =
                (uint8_t)(int32_t)((double)(int64_t)(totals[row] * unit) * share + 0.5);
    }
}

/* The reverse of `to_columns`: full rows of one channel, `pitch` pixels apart. */
WIDE static void to_rows(uint8_t *restrict rows, ptrdiff_t pitch, const uint8_t *restrict columns,
                         int32_t count)
{
    for (int32_t x = 0; x < count; x++)
        for (ptrdiff_t row = 0; row < ROWS; row++)
            rows[row * pitch + x] = columns[x * ROWS + row];
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
    uint32_t *columns = calloc(ROWS * room, sizeof *columns);
    void *rows = malloc(sizeof(uint32_t) * ROWS * count);
    uint8_t *averages = malloc(ROWS * (size_t)wide);
    const uint64_t unit = (uint64_t)(height / down.whole) * (uint64_t)(width / across.whole);
    const double share = 1 / ((double)height * (double)width);
    const int few = down.whole <= UINT16_MAX / UINT8_MAX;
    failed = failed || rows == NULL || columns == NULL || averages == NULL;
    for (int32_t top = 0; top < tall && !failed; top += ROWS) {
        if (few)
            add_up_short(columns, rows, image, stride, &down, top, count);
        else
            add_up_long(columns, rows, image, stride, &down, top, count);
        for (int32_t channel = 0; channel < channels; channel++) {
            add_columns(averages, columns + channel * ROWS, &across, channels, unit, share);
            if (channels == 1 && top + ROWS <= tall) {
                to_rows(found + (ptrdiff_t)top * wide, wide, averages, wide);
                continue;
            }
            for (int32_t row = 0; row < ROWS && top + row < tall; row++) {
                uint8_t *into = found + (ptrdiff_t)(top + row) * wide * channels + channel;
                for (int32_t x = 0; x < wide; x++)
                    into[x * channels] = averages[x * ROWS + row];
            }
        }
    }
    forget(&down), forget(&across), free(rows), free(columns), free(averages);
    return failed;
}
