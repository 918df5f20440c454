/* Powers of two real tiles that shared one complex transform, as pipeline/features/spectrum.py
   takes them apart. */

#include "portable.h"

static float square(float value) { return value * value; }

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
