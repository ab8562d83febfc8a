/* When the requests under way were sent: a queue of times, oldest first, that grows as it needs to. */
#ifndef TIMES_H
#define TIMES_H

#include <stdbool.h>
#include <stdint.h>

struct times {
    uint64_t *ring;
    unsigned capacity; /* a power of two, or 0 */
    unsigned first;    /* both count up for ever, the ring has them modulo its capacity */
    unsigned end;
};

/* Add the same time `count` times. */
void times_push(struct times *times, uint64_t time, unsigned count);

static inline bool times_empty(const struct times *times) {
    return times->first == times->end;
}

/* Remove the oldest; there must be one. */
static inline uint64_t times_pop(struct times *times) {
    return times->ring[times->first++ & (times->capacity - 1)];
}

#endif
