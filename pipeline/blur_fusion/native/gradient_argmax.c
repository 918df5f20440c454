/* Argmax of the gradient in each tile of a plane, as features/tiles.py finds it. */

#include "portable.h"

#include <stdlib.h>
#include <string.h>

/* Largest slope of each column so far, and the first row that has it. */
WIDE static void climb(const int16_t *line, ptrdiff_t reach, int y, int count,
                       int32_t *restrict most, int32_t *restrict where)
{
    const int16_t *ahead = line + reach, *behind = line - reach;
    for (int x = 0; x < count; x++) {
        int32_t size = abs(ahead[x] - behind[x]);
        where[x] = size > most[x] ? y : where[x];
        most[x] = size > most[x] ? size : most[x];
    }
}

/* Where each tile's largest difference lies, the first row by row, counted from a margin of 2: `found`
   (2, down, across), rows and columns. `reach` is 1 for slopes across, the stride for those down.
   Nonzero without memory. */
EXPORTED int blur_gradient_argmax(const int16_t *plane, ptrdiff_t stride, ptrdiff_t reach,
                           const int32_t *rows, int down, const int32_t *columns, int across,
                           int32_t *found)
{
    const int width = columns[across];
    int32_t *most = malloc(sizeof *most * 2 * (size_t)width), *where = most + width;
    if (most == NULL)
        return 1;
    for (int row = 0; row < down; row++) {
        memset(most, -1, sizeof *most * 2 * (size_t)width);
        for (int y = rows[row]; y < rows[row + 1]; y++)
            climb(plane + (y + 2) * stride + 2, reach, y, width, most, where);
        for (int column = 0; column < across; column++, found++) {
            int best = columns[column];
            for (int x = best + 1; x < columns[column + 1]; x++)
                if (most[x] > most[best] || (most[x] == most[best] && where[x] < where[best]))
                    best = x;
            found[0] = where[best], found[down * across] = best;
        }
    }
    free(most);
    return 0;
}
