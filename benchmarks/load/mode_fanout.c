/* One socket makes the server send to many: its next request goes out when all have what the last one was for. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "measure.h"
#include "memory.h"
#include "mode.h"
#include "opening.h"

struct fanout {
    struct opening opening; /* first, so that an opening is the fan-out it belongs to */
    struct loop *loop;
    const struct options *options;
    struct role receiver_role;
    struct role trigger_role;
    struct websocket *receivers;
    struct websocket trigger;
    struct template request;
    struct template push;
    struct bytes output;
    struct digits number; /* of the request under way */
    uint64_t requested_at;
    unsigned *received; /* by each receiver, of what belongs to that request */
    struct measure measure;
};

static void request(struct fanout *fanout) {
    uint64_t receivers = fanout->options->sockets;
    memset(fanout->received, 0, receivers * sizeof *fanout->received);
    fanout->measure.outstanding = receivers * fanout->options->burst;
    template_set(&fanout->push, &fanout->number);
    template_write(&fanout->request, &fanout->number, fanout->output.data);
    fanout->requested_at = now_ns();
    stream_send(&fanout->trigger.stream, fanout->output.data, fanout->request.length);
}

static void message(struct websocket *socket, const struct frame *frame) {
    struct fanout *fanout = socket->role->context;
    struct measure *measure = &fanout->measure;
    unsigned *received = &fanout->received[socket->stream.number];
    if (!measure->outstanding || *received == fanout->options->burst) {
        websocket_mismatch(socket, frame, NULL);
        return;
    }
    bool right = websocket_matches(socket, frame, &fanout->push);
    if (!right && websocket_mismatch(socket, frame, &fanout->push)) return;
    ++*received;
    measure->count++;
    if (--measure->outstanding) return;
    histogram_add(&measure->latency, now_ns() - fanout->requested_at);
    digits_increment(&fanout->number);
    if (!measure->stopping) request(fanout);
}

static void opened(struct websocket *socket) {
    struct fanout *fanout = socket->role->context;
    opening_opened(&fanout->opening);
}

static void start(struct opening *opening, unsigned number) {
    struct fanout *fanout = (struct fanout *)opening;
    if (number < fanout->options->sockets)
        websocket_open(&fanout->receivers[number], fanout->loop, &fanout->receiver_role, number);
    else
        websocket_open(&fanout->trigger, fanout->loop, &fanout->trigger_role, number);
}

static void report(const struct measure *measure, const struct verdict *verdict) {
    printf("{\"mode\": \"fanout\", \"deliveries\": %" PRIu64 ", \"seconds\": %.6f, \"rate\": %.1f, "
           "\"rounds\": %" PRIu64 ", \"p50_us\": %.1f, \"p99_us\": %.1f, \"wrong\": %" PRIu64 "}\n",
           measure->count, measure->seconds, measure_rate(measure), measure->latency.count,
           histogram_percentile_us(&measure->latency, 0.5), histogram_percentile_us(&measure->latency, 0.99),
           verdict->wrong);
}

void run_fanout(struct loop *loop, const struct options *options, struct verdict *verdict) {
    struct fanout *fanout = memory_zeroed(1, sizeof *fanout);
    fanout->loop = loop;
    fanout->options = options;
    fanout->opening = (struct opening){.start = start, .total = options->sockets + 1};
    fanout->receiver_role = (struct role){.options = options, .verdict = verdict, .path = options->path,
                                          .port = options->port,
                                          .steps = options->steps, .step_count = options->step_count,
                                          .context = fanout, .opened = opened, .message = message};
    fanout->trigger_role = (struct role){.options = options, .verdict = verdict, .path = options->trigger_path,
                                         .port = options->trigger_port, .context = fanout, .opened = opened,
                                         .message = websocket_ignore};
    fanout->receivers = memory_zeroed(options->sockets, sizeof *fanout->receivers);
    fanout->received = memory_zeroed(options->sockets, sizeof *fanout->received);
    fanout->request = template_client_frame(&options->request, options->opcode);
    fanout->push = template_plain(&options->push);
    fanout->number = digits_zero();
    bytes_room(&fanout->output, fanout->request.length);
    opening_run(&fanout->opening, loop, options);
    measure_say("ready");
    request(fanout);
    measure_run(&fanout->measure, loop, options);
    report(&fanout->measure, verdict);
}
