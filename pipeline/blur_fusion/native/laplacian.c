/* Sum and sum of squares of the four-neighbour Laplacian: model/detector.py. */

#include "portable.h"

enum { STRIP = 1024 }; /* as many squares of at most 1020 fit 32 bits */

WIDE static void strip(const uint8_t *here, const uint8_t *above, const uint8_t *below, int count,
                       int32_t *sum, uint32_t *squares)
{
    int32_t total = 0;
    uint32_t energy = 0;
    for (int x = 0; x < count; x++) {
        int value = above[x] + below[x] + here[x - 1] + here[x + 1] - 4 * here[x];
        total += value;
        energy += (uint32_t)(value * value);
    }
    *sum = total, *squares = energy;
}

/* Of `image` (height, width), both at least 2, its rows `stride` bytes apart and mirrored about the
   pixels at the border, to `found` (2). */
EXPORTED void blur_laplacian(const uint8_t *image, ptrdiff_t stride, int32_t height, int32_t width,
                             int64_t *found)
{
    found[0] = found[1] = 0;
    for (int32_t y = 0; y < height; y++) {
        const uint8_t *here = image + y * stride;
        const uint8_t *above = y > 0 ? here - stride : here + stride;
        const uint8_t *below = y < height - 1 ? here + stride : here - stride;
        for (int32_t left = 1; left < width - 1; left += STRIP) {
            int count = width - 1 - left < STRIP ? width - 1 - left : STRIP;
            int32_t sum;
            uint32_t squares;
            strip(here + left, above + left, below + left, count, &sum, &squares);
            found[0] += sum, found[1] += squares;
        }
        for (int32_t x = 0; x < width; x += width - 1) {
            int beside = x > 0 ? here[x - 1] : here[1];
            int64_t value = above[x] + below[x] + 2 * beside - 4 * here[x];
            found[0] += value, found[1] += value * value;
        }
    }
}
