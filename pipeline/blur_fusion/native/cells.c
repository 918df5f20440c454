/* Weighted sums over rows, then columns, in whole numbers: images/resize.py. */

#include "portable.h"
#include <stdlib.h>
#include <string.h>

/* Rows at a time; bits of a weight of 1; bits dropped after the first sum, and after the second. */
enum { ROWS = 8, ONE = 14, DROPPED = 8, REST = 2 * ONE - DROPPED };

WIDE static void add_row(int32_t *restrict sums, const uint8_t *restrict row, int32_t weight,
                         int32_t width)
{
    for (int32_t x = 0; x < width; x++)
        sums[x] += weight * row[x];
}

WIDE static void to_columns(int32_t *restrict columns, const int32_t *restrict rows, int32_t width)
{
    for (int32_t x = 0; x < width; x++)
        for (int32_t row = 0; row < ROWS; row++)
            columns[x * ROWS + row] = (rows[row * width + x] + (1 << (DROPPED - 1))) >> DROPPED;
}

WIDE static void add_columns(uint8_t *restrict found, const int32_t *restrict columns,
                             const int32_t *first, const int16_t *weights, int32_t taps,
                             int32_t wide)
{
    for (int32_t x = 0; x < wide; x++) {
        const int32_t *from = columns + (ptrdiff_t)first[x] * ROWS;
        int32_t totals[ROWS] = {0};
        for (int32_t tap = 0; tap < taps; tap++, from += ROWS)
            for (int row = 0; row < ROWS; row++)
                totals[row] += weights[x * taps + tap] * from[row];
        for (int row = 0; row < ROWS; row++) {
            int32_t level = (totals[row] + (1 << (REST - 1))) >> REST;
            found[row * wide + x] = (uint8_t)(level < 0 ? 0 : level > 255 ? 255 : level);
        }
    }
}

/* `image` (.., width) to `found` (tall, wide): result r of an axis sums pixels from first[r] on,
   times its weights (results, taps). Nonzero without memory. */
EXPORTED int blur_weighted_sums(const uint8_t *image, int32_t width, const int32_t *first_down,
                                const int16_t *down, int32_t taps_down, int32_t tall,
                                const int32_t *first_across, const int16_t *across,
                                int32_t taps_across, int32_t wide, uint8_t *found)
{
    const size_t count = ROWS * (size_t)width;
    int32_t *rows = malloc(sizeof *rows * count), *columns = malloc(sizeof *columns * count);
    uint8_t *band = malloc(ROWS * (size_t)wide);
    const int failed = rows == NULL || columns == NULL || band == NULL;
    for (int32_t top = 0; top < tall && !failed; top += ROWS) {
        const int32_t last = tall - top < ROWS ? tall - top : ROWS;
        memset(rows, 0, sizeof *rows * count);
        for (int32_t row = 0; row < last; row++)
            for (int32_t tap = 0; tap < taps_down; tap++)
                add_row(rows + (ptrdiff_t)row * width,
                        image + (ptrdiff_t)(first_down[top + row] + tap) * width,
                        down[(top + row) * taps_down + tap], width);
        to_columns(columns, rows, width);
        add_columns(band, columns, first_across, across, taps_across, wide);
        memcpy(found + (ptrdiff_t)top * wide, band, (size_t)last * (size_t)wide);
    }
    free(rows), free(columns), free(band);
    return failed;
}
