#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>

#include "verdict.h"

enum { EVENTS_AT_ONCE = 1024 };

uint64_t seconds_to_ns(double seconds) {
    return (uint64_t)(seconds * 1e9);
}

void loop_create(struct loop *loop) {
    *loop = (struct loop){.epoll = epoll_create1(EPOLL_CLOEXEC)};
    if (loop->epoll < 0) fail("epoll_create1: %m");
}

static int control(struct loop *loop, int operation, struct watch *watch, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = watch};
    return epoll_ctl(loop->epoll, operation, watch->fd, &event) ? errno : 0;
}

int loop_add(struct loop *loop, struct watch *watch, uint32_t events) {
    return control(loop, EPOLL_CTL_ADD, watch, events);
}

int loop_modify(struct loop *loop, struct watch *watch, uint32_t events) {
    return control(loop, EPOLL_CTL_MOD, watch, events);
}

uint64_t loop_step(struct loop *loop, uint64_t deadline) {
    struct epoll_event events[EVENTS_AT_ONCE];
    uint64_t now = now_ns();
    /* Rounded up, so that the last millisecond is slept through and not spun through. */
    uint64_t milliseconds = deadline > now ? (deadline - now + 999999) / 1000000 : 0;
    int timeout = milliseconds > INT_MAX ? INT_MAX : (int)milliseconds;
    int count = epoll_wait(loop->epoll, events, EVENTS_AT_ONCE, timeout);
    if (count < 0 && errno != EINTR) fail("epoll_wait: %m");
    for (int i = 0; i < count; i++) {
        struct watch *watch = events[i].data.ptr;
        watch->ready(watch, events[i].events);
    }
    return now_ns();
}
