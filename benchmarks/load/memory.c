#include "memory.h"

#include <stdlib.h>

#include "verdict.h"

void *memory_zeroed(size_t count, size_t size) {
    void *array = calloc(count ? count : 1, size);
    if (!array) fail("out of memory");
    return array;
}

void *memory_resized(void *array, size_t count, size_t size) {
    void *resized = reallocarray(array, count ? count : 1, size);
    if (!resized) fail("out of memory");
    return resized;
}
