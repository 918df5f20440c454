/* Sums over the tiles of a plane, as features/tiles.py makes them from a plane for
   each difference, here without any. Whole numbers throughout. */

#include "differences.h"

#include <stdlib.h>
#include <string.h>

/* In the order of KINDS in features/tiles.py. */
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
