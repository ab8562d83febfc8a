/* One socket makes the server push to another: its next request goes out when the other has a push. */
#include <string.h>

#include "frame.h"
#include "measure.h"
#include "memory.h"
#include "mode.h"
#include "opening.h"
#include "report.h"
#include "times.h"

enum { RECEIVER, SENDER, SOCKETS };
enum { ID_DIGITS = 16 };

static const char ID_MARK[ID_DIGITS + 1] = "@@@@@@@@@@@@@@@@";

struct push {
    struct opening opening; /* first, so that an opening is the push it belongs to */
    struct loop *loop;
    struct role roles[SOCKETS];
    struct websocket sockets[SOCKETS];
    struct template request;
    struct template push;
    uint8_t *id; /* where in `push` the id of a message stands, NULL where it has none; there is the last one */
    struct bytes acknowledgement;
    uint8_t *acknowledged; /* where in it the id stands */
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

/* Ids are the server's own: any is right that is higher than the last. */
static bool take_id(struct push *push, const struct frame *frame) {
    if (!push->id) return true;
    if (frame->length != push->push.length) return false;
    const uint8_t *id = frame->payload + (push->id - push->push.data);
    for (unsigned i = 0; i < ID_DIGITS; i++)
        if (id[i] < '0' || id[i] > '9') return false;
    if (memcmp(id, push->id, ID_DIGITS) <= 0) return false;
    memcpy(push->id, id, ID_DIGITS);
    return true;
}

static void acknowledge(struct push *push) {
    memcpy(push->acknowledged, push->id, ID_DIGITS);
    push->output.length = 0;
    frame_append_masked(&push->output, push->roles[RECEIVER].options->opcode, push->acknowledgement.data,
                        push->acknowledgement.length);
    stream_send(&push->sockets[RECEIVER].stream, push->output.data, push->output.length);
}

static void message(struct websocket *socket, const struct frame *frame) {
    struct push *push = socket->role->context;
    if (times_empty(&push->sent)) {
        websocket_mismatch(socket, frame, NULL);
        return;
    }
    template_set(&push->push, &push->next_push);
    bool right = take_id(push, frame) && websocket_matches(socket, frame, &push->push);
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
    if (push->acknowledged) acknowledge(push);
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

static void prepare_acknowledging(struct push *push, const struct options *options) {
    push->acknowledgement = options->acknowledge;
    push->id = memmem(push->push.data, push->push.length, ID_MARK, ID_DIGITS);
    if (push->id) memset(push->id, '0', ID_DIGITS);
    if (!options->acknowledge.length) return;
    push->acknowledged = memmem(push->acknowledgement.data, push->acknowledgement.length, ID_MARK, ID_DIGITS);
    if (!push->id || !push->acknowledged) fail_usage("--acknowledge needs %s, and so does --push with it", ID_MARK);
}

void run_push(struct loop *loop, const struct options *options, struct verdict *verdict) {
    struct push *push = memory_zeroed(1, sizeof *push);
    push->loop = loop;
    push->opening = (struct opening){.start = start, .total = SOCKETS};
    push->roles[RECEIVER] = (struct role){.options = options, .verdict = verdict, .path = options->path,
                                          .port = options->port,
                                          .steps = options->steps, .step_count = options->step_count,
                                          .context = push, .opened = opened, .message = message,
                                          .read_done = read_done};
    push->roles[SENDER] = (struct role){.options = options, .verdict = verdict, .path = options->trigger_path,
                                        .port = options->trigger_port, .context = push, .opened = opened,
                                        .message = websocket_ignore};
    push->request = template_client_frame(&options->request, options->opcode);
    push->push = template_plain(&options->push);
    prepare_acknowledging(push, options);
    push->next_request = push->next_push = digits_zero();
    opening_run(&push->opening, loop, options);
    measure_say("ready");
    request(push, options->depth);
    measure_run(&push->measure, loop, options);
    report_answers("push", &push->measure, verdict);
}
