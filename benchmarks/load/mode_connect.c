/* Connections that are opened and held: how fast they open, or how the server does with so many of them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "measure.h"
#include "memory.h"
#include "mode.h"
#include "opening.h"

struct connections {
    struct opening opening; /* first, so that an opening is the connections it belongs to */
    struct loop *loop;
    struct role role;
    struct websocket *sockets;
    struct histogram latency;
    uint64_t last_opened;
};

/* Standard input, which tells when the connections have been held long enough. */
struct release {
    struct watch watch; /* first, so that a watch is the release it belongs to */
    bool released;
};

static void opened(struct websocket *socket) {
    struct connections *connections = socket->role->context;
    connections->last_opened = now_ns();
    histogram_add(&connections->latency, connections->last_opened - socket->started);
    opening_opened(&connections->opening);
}

static void start(struct opening *opening, unsigned number) {
    struct connections *connections = (struct connections *)opening;
    websocket_open(&connections->sockets[number], connections->loop, &connections->role, number);
}

static struct connections *prepare(struct loop *loop, const struct options *options, struct verdict *verdict) {
    struct connections *connections = memory_zeroed(1, sizeof *connections);
    connections->loop = loop;
    connections->opening = (struct opening){.start = start, .total = options->sockets};
    connections->role = (struct role){.options = options, .verdict = verdict, .path = options->path,
                                      .port = options->port,
                                      .steps = options->steps, .step_count = options->step_count,
                                      .context = connections, .opened = opened, .message = websocket_ignore};
    connections->sockets = memory_zeroed(options->sockets, sizeof *connections->sockets);
    return connections;
}

void run_connect(struct loop *loop, const struct options *options, struct verdict *verdict) {
    struct connections *connections = prepare(loop, options, verdict);
    measure_say("ready");
    measure_say("begin");
    uint64_t begun = now_ns();
    opening_run(&connections->opening, loop, options);
    measure_say("end");
    double seconds = (double)(connections->last_opened - begun) / 1e9;
    printf("{\"mode\": \"connect\", \"connections\": %u, \"seconds\": %.6f, \"rate\": %.1f, \"p50_us\": %.1f, "
           "\"p99_us\": %.1f, \"wrong\": %" PRIu64 "}\n",
           options->sockets, seconds, options->sockets / seconds, histogram_percentile_us(&connections->latency, 0.5),
           histogram_percentile_us(&connections->latency, 0.99), verdict->wrong);
}

static void input_ready(struct watch *watch, uint32_t events) {
    (void)events;
    char text[256];
    ssize_t length = read(watch->fd, text, sizeof text);
    struct release *release = (struct release *)watch;
    if (length <= 0 || memchr(text, '\n', (size_t)length)) release->released = true;
}

void run_hold(struct loop *loop, const struct options *options, struct verdict *verdict) {
    struct connections *connections = prepare(loop, options, verdict);
    opening_run(&connections->opening, loop, options);
    struct release release = {.watch = {.fd = STDIN_FILENO, .ready = input_ready}};
    int error = loop_add(loop, &release.watch, EPOLLIN);
    if (error == EPERM) release.released = true; /* a file, whose end is always there to be read */
    else if (error) fail("standard input cannot be watched: %s", strerror(error));
    measure_say("ready");
    while (!release.released) loop_step(loop, UINT64_MAX);
    printf("{\"mode\": \"hold\", \"connections\": %u}\n", options->sockets);
}
