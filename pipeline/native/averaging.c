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

WIDE static void add_tap(uint64_t *restrict totals, const uint32_t *restrict sums,
                         const int32_t *restrict first, const uint32_t *restrict weights,
                         int32_t count, int32_t channels)
{
    for (int32_t x = 0; x < count; x++)
        totals[x] += (uint64_t)weights[x] * sums[first[x] * channels];
}

/* A double holds the totals exactly; times 1 / area they round alike everywhere, and in numpy. */
WIDE static void round_off(uint8_t *restrict found, const uint64_t *restrict totals, double share,
                           int32_t count, int32_t channels)
{
    for (int32_t x = 0; x < count; x++)
        found[x * channels] = (uint8_t)(int32_t)((double)(int64_t)totals[x] * share + 0.5);
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
    uint32_t *sums = calloc(room, sizeof *sums);
    uint64_t *totals = malloc(sizeof *totals * (size_t)wide);
    double share = 1 / ((double)height * (double)width);
    failed = failed || sums == NULL || totals == NULL;
    for (int32_t y = 0; y < tall && !failed; y++) {
        memset(sums, 0, sizeof *sums * count);
        for (int32_t tap = 0; tap < down.taps; tap++) {
            uint32_t weight = down.weights[tap * tall + y];
            if (weight > 0)
                add_row(sums, image + (down.first[y] + tap) * stride, weight, count);
        }
        for (int32_t channel = 0; channel < channels; channel++) {
            memset(totals, 0, sizeof *totals * (size_t)wide);
            for (int32_t tap = 0; tap < across.taps; tap++)
                add_tap(totals, sums + tap * channels + channel, across.first,
                        across.weights + tap * wide, wide, channels);
            round_off(found + (ptrdiff_t)y * wide * channels + channel, totals, share, wide,
                      channels);
        }
    }
    forget(&down), forget(&across), free(sums), free(totals);
    return failed;
}
