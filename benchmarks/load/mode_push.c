/* One socket makes the server push to another: its next request goes out when the other has a push. */
#include "measure.h"
#include "memory.h"
#include "mode.h"
#include "opening.h"
#include "report.h"
#include "times.h"

enum { RECEIVER, SENDER, SOCKETS };

struct push {
    struct opening opening; /* first, so that an opening is the push it belongs to */
    struct loop *loop;
    struct role roles[SOCKETS];
    struct websocket sockets[SOCKETS];
    struct template request;
    struct template push;
    struct bytes output;
    struct digits next_request;
    struct digits next_push;
    struct times sent;
    unsigned received; /* within the read that is being handled */
    uint64_t read_at;
    struct measure measure;
};

static void request(struct push *push, unsigned count) {
    size_t length = push->request.length;
    push->output.length = 0;
    uint8_t *target = bytes_room(&push->output, count * length);
    for (unsigned i = 0; i < count; i++, target += length) {
        template_write(&push->request, &push->next_request, target);
        digits_increment(&push->next_request);
    }
    times_push(&push->sent, now_ns(), count);
    push->measure.outstanding += count;
    stream_send(&push->sockets[SENDER].stream, push->output.data, count * length);
}

static void message(struct websocket *socket, const struct frame *frame) {
    struct push *push = socket->role->context;
    if (times_empty(&push->sent)) {
        websocket_mismatch(socket, frame, NULL);
        return;
    }
    template_set(&push->push, &push->next_push);
    bool right = websocket_matches(socket, frame, &push->push);
    if (!right && websocket_mismatch(socket, frame, &push->push)) return;
    digits_increment(&push->next_push);
    if (!push->received++) push->read_at = now_ns();
    histogram_add(&push->measure.latency, push->read_at - times_pop(&push->sent));
}

static void read_done(struct websocket *socket) {
    struct push *push = socket->role->context;
    unsigned received = push->received;
    if (!received) return;
    push->received = 0;
    push->measure.count += received;
    push->measure.outstanding -= received;
    if (!push->measure.stopping) request(push, received);
}

static void opened(struct websocket *socket) {
    struct push *push = socket->role->context;
    opening_opened(&push->opening);
}

static void start(struct opening *opening, unsigned number) {
    struct push *push = (struct push *)opening;
    websocket_open(&push->sockets[number], push->loop, &push->roles[number], number);
}

void run_push(struct loop *loop, const struct options *options, struct verdict *verdict) {
    struct push *push = memory_zeroed(1, sizeof *push);
    push->loop = loop;
    push->opening = (struct opening){.start = start, .total = SOCKETS};
    push->roles[RECEIVER] = (struct role){.options = options, .verdict = verdict, .path = options->path,
                                          .steps = options->steps, .step_count = options->step_count,
                                          .context = push, .opened = opened, .message = message,
                                          .read_done = read_done};
    push->roles[SENDER] = (struct role){.options = options, .verdict = verdict, .path = options->trigger_path,
                                        .context = push, .opened = opened, .message = websocket_ignore};
    push->request = template_client_frame(&options->request, options->opcode);
    push->push = template_plain(&options->push);
    push->next_request = push->next_push = digits_zero();
    opening_run(&push->opening, loop, options);
    measure_say("ready");
    request(push, options->depth);
    measure_run(&push->measure, loop, options);
    report_answers("push", &push->measure, verdict);
}
