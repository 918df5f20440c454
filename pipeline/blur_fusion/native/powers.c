/* Tiles before and after their Fourier transforms, of which two share one: the real and the
   imaginary part. As features/powers.py has it. */

#include "portable.h"

static float square(float value) { return value * value; }

/* Tiles of `plane` that begin at `corners` (count, 2), without their means, times `window` (side,
   side), to `shared` (pairs, side, side, 2): the real parts, then the imaginary ones. */
EXPORTED void blur_windowed(const int16_t *plane, ptrdiff_t stride, const int32_t *corners,
                            int32_t count, int32_t side, const float *window, float *shared)
{
    const int32_t size = side * side, pairs = (count + 1) / 2;
    for (int32_t tile = 0; tile < 2 * pairs; tile++) {
        float *into = shared + 2 * (ptrdiff_t)size * (tile % pairs) + tile / pairs;
        if (tile == count) { /* the last one of an odd number */
            for (int32_t place = 0; place < size; place++)
                into[2 * place] = 0;
            continue;
        }
        const int16_t *from = plane + corners[2 * tile] * stride + corners[2 * tile + 1];
        int32_t sum = 0;
        for (int32_t y = 0; y < side; y++)
            for (int32_t x = 0; x < side; x++)
                sum += from[y * stride + x];
        const float mean = (float)sum / (float)size;
        for (int32_t y = 0; y < side; y++)
            for (int32_t x = 0; x < side; x++)
                into[2 * (y * side + x)] = (from[y * stride + x] - mean) * window[y * side + x];
    }
}

/* `shared` (pairs, size, 2) to `powers` (2, pairs, count): those of the tiles that were the real
   parts, then of the imaginary ones, at `places`, whose opposite frequencies are `opposites`. */
EXPORTED void blur_powers(const float *shared, int32_t pairs, int32_t size, const int64_t *places,
                          const int64_t *opposites, int32_t count, float *powers)
{
    float *other = powers + (ptrdiff_t)pairs * count;
    for (int32_t pair = 0; pair < pairs; pair++, powers += count, other += count) {
        const float *both = shared + (ptrdiff_t)pair * size * 2;
        for (int32_t k = 0; k < count; k++) {
            const float *here = both + 2 * places[k], *there = both + 2 * opposites[k];
            powers[k] = square(here[0] + there[0]) + square(here[1] - there[1]);
            other[k] = square(here[0] - there[0]) + square(here[1] + there[1]);
        }
    }
}
