/* The fixed beginning of the network: logarithms of a DCT of overlapping 8 x 8 blocks, as
   cnn/network.py has it. */

#include "portable.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 8, STRIDE = 4 };

/* Natural logarithm of a normal positive number, within 2 units of the last place: the polynomial
   of Moshier's Cephes library, `logf`. */
static inline float logarithm(float value)
{
    const int32_t root = 0x3f3504f3; /* sqrt(1/2) */
    int32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits -= root;
    float power = (float)(bits >> 23), mantissa;
    bits = (bits & 0x007fffff) + root;
    memcpy(&mantissa, &bits, sizeof mantissa);
    float x = mantissa - 1, square = x * x;
    float sum = 7.0376836292e-2f;
    sum = sum * x - 1.1514610310e-1f;
    sum = sum * x + 1.1676998740e-1f;
    sum = sum * x - 1.2420140846e-1f;
    sum = sum * x + 1.4249322787e-1f;
    sum = sum * x - 1.6668057665e-1f;
    sum = sum * x + 2.0000714765e-1f;
    sum = sum * x - 2.4999993993e-1f;
    sum = sum * x + 3.3333331174e-1f;
    sum = sum * x * square + power * -2.12194440e-4f - square / 2;
    return x + sum + power * 0.693359375f;
}

/* Column 4 m + k - before of `row` to place m of part k; zeros beyond the picture. */
static void deal(const float *row, int width, int before, int room, float *parts)
{
    memset(parts, 0, sizeof *parts * STRIDE * (size_t)room);
    for (int part = 0; part < STRIDE; part++) {
        int first = part < before ? 1 : 0, x = first * STRIDE + part - before;
        float *into = parts + part * room;
        for (int place = first; x < width; place++, x += STRIDE)
            into[place] = row[x];
    }
}

/* One vertical wave over eight rows. */
WIDE static void project(const float *const rows[SIDE], const float wave[SIDE], int count,
                         float *restrict found)
{
    const float *a = rows[0], *b = rows[1], *c = rows[2], *d = rows[3];
    const float *e = rows[4], *f = rows[5], *g = rows[6], *h = rows[7];
    for (int x = 0; x < count; x++)
        found[x] = ((wave[0] * a[x] + wave[1] * b[x]) + (wave[2] * c[x] + wave[3] * d[x])) +
                   ((wave[4] * e[x] + wave[5] * f[x]) + (wave[6] * g[x] + wave[7] * h[x]));
}

/* One horizontal wave over what `project` gave, and the logarithm of its size. */
WIDE static void respond(const float *parts, int room, const float wave[SIDE], int count,
                         float floor, float offset, float *restrict found)
{
    const float *a = parts, *b = a + room, *c = b + room, *d = c + room;
    for (int x = 0; x < count; x++) {
        float early = (wave[0] * a[x] + wave[1] * b[x]) + (wave[2] * c[x] + wave[3] * d[x]);
        float late = (wave[4] * a[x + 1] + wave[5] * b[x + 1]) +
                     (wave[6] * c[x + 1] + wave[7] * d[x + 1]);
        found[x] = logarithm(fabsf(early + late) + floor) + offset;
    }
}

/* Responses of `image` (height, width) to `count` patterns, each a row and a column of `waves`
   (SIDE, SIDE), to `found` (count, down, across), a quarter of the height and width rounded up:
   log(|response| + floor) + offset. Nonzero without memory. */
EXPORTED int blur_local_spectrum(const float *image, int32_t height, int32_t width,
                                 const float *waves, const int32_t *patterns, int32_t count,
                                 float floor, float offset, float *found)
{
    const int down = (height + STRIDE - 1) / STRIDE, across = (width + STRIDE - 1) / STRIDE;
    const int above = (SIDE - STRIDE + down * STRIDE - height) / 2;
    const int before = (SIDE - STRIDE + across * STRIDE - width) / 2;
    const int room = across + 1, line = STRIDE * room;
    const size_t size = sizeof(float) * (size_t)line;
    float *dealt = malloc(size * (size_t)(height + 1)), *projected = malloc(size * SIDE);
    const int failed = dealt == NULL || projected == NULL;
    if (!failed) {
        float *empty = dealt + (ptrdiff_t)height * line;
        memset(empty, 0, size);
        for (int y = 0; y < height; y++)
            deal(image + (ptrdiff_t)y * width, width, before, room, dealt + (ptrdiff_t)y * line);
        for (int block = 0; block < down; block++) {
            const float *rows[SIDE];
            for (int k = 0; k < SIDE; k++) {
                int y = block * STRIDE - above + k;
                rows[k] = y < 0 || y >= height ? empty : dealt + (ptrdiff_t)y * line;
            }
            for (int k = 0; k < SIDE; k++)
                project(rows, waves + k * SIDE, line, projected + k * line);
            for (int k = 0; k < count; k++)
                respond(projected + patterns[2 * k] * line, room,
                        waves + patterns[2 * k + 1] * SIDE, across, floor, offset,
                        found + ((ptrdiff_t)k * down + block) * across);
        }
    }
    free(dealt), free(projected);
    return failed;
}
