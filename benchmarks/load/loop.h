/* The event loop: one epoll set, and one buffer that everything is read into. */
#ifndef LOOP_H
#define LOOP_H

#include <stdint.h>
#include <time.h>

#include "bytes.h"

/* At most so much is taken from a socket at a time, so that none waits long while another is served. */
enum { READ_SIZE = 256 * 1024 };

struct loop {
    int epoll;
    struct bytes input;
};

/* A file descriptor and what to do when epoll says something about it. */
struct watch {
    int fd;
    void (*ready)(struct watch *watch, uint32_t events);
};

static inline uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint64_t seconds_to_ns(double seconds);

void loop_create(struct loop *loop);

/* Both return 0, or the errno. */
int loop_add(struct loop *loop, struct watch *watch, uint32_t events);
int loop_modify(struct loop *loop, struct watch *watch, uint32_t events);

/* Wait until something happens, at most until `deadline`, and do what belongs to it. Returns the time afterwards. */
uint64_t loop_step(struct loop *loop, uint64_t deadline);

#endif
