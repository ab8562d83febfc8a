#include "times.h"

#include <stdlib.h>

#include "memory.h"

static void grow(struct times *times, unsigned needed) {
    unsigned capacity = times->capacity ? times->capacity : 4;
    while (capacity < needed) capacity *= 2;
    uint64_t *ring = memory_resized(NULL, capacity, sizeof *ring);
    unsigned count = times->end - times->first;
    for (unsigned i = 0; i < count; i++) ring[i] = times->ring[(times->first + i) & (times->capacity - 1)];
    free(times->ring);
    *times = (struct times){.ring = ring, .capacity = capacity, .end = count};
}

void times_push(struct times *times, uint64_t time, unsigned count) {
    unsigned needed = times->end - times->first + count;
    if (needed > times->capacity) grow(times, needed);
    for (unsigned i = 0; i < count; i++) times->ring[times->end++ & (times->capacity - 1)] = time;
}
