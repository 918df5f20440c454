/* What setuptools' linker wants of an extension on Windows. Nothing imports it: ctypes loads it. */

#include "portable.h"

EXPORTED void *PyInit_kernels(void);

void *PyInit_kernels(void) { return NULL; }
