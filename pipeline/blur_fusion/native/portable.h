/* What differs between compilers and processors. */
#ifndef BLUR_PORTABLE_H
#define BLUR_PORTABLE_H

#include <stddef.h>
#include <stdint.h>

#ifdef _WIN32
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

/* The loader picks the widest vectors that the processor has. Whole numbers, or the same roundings
   in the same order: all versions answer alike. */
#ifdef WIDE /* as told */
#elif defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && __GNUC__ >= 12 && \
    !defined(__clang__)
#define WIDE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define WIDE
#endif

#endif
