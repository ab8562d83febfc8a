/* Memory that is there: where there is none the program ends. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>

/* `count` elements of `size` bytes, all zero. */
void *memory_zeroed(size_t count, size_t size);

/* Resize an array to `count` elements; what is new in it is not set. */
void *memory_resized(void *array, size_t count, size_t size);

#endif
