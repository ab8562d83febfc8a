/* Requests and their answers over WebSockets, in a closed loop: a new request for each answer. */
#include "measure.h"
#include "memory.h"
#include "mode.h"
#include "opening.h"
#include "report.h"
#include "times.h"

/* What one socket has under way. Its answers come in the order of its requests. */
struct lane {
    struct digits next_request;
    struct digits next_answer;
    struct times sent;
};

struct command {
    struct opening opening; /* first, so that an opening is the command it belongs to */
    struct loop *loop;
    const struct options *options;
    struct role role;
    struct websocket *sockets;
    struct lane *lanes;
    struct template request;
    struct template reply;
    struct bytes output;
    struct measure measure;
    unsigned turn;     /* the socket of the next request, where requests walk over all sockets */
    unsigned answered; /* within the read that is being handled */
    uint64_t read_at;
};

/* Send that many requests over one socket, in one write. */
static void request(struct command *command, unsigned number, unsigned count) {
    struct lane *lane = &command->lanes[number];
    size_t length = command->request.length;
    command->output.length = 0;
    uint8_t *target = bytes_room(&command->output, count * length);
    for (unsigned i = 0; i < count; i++, target += length) {
        template_write(&command->request, &lane->next_request, target);
        digits_increment(&lane->next_request);
    }
    times_push(&lane->sent, now_ns(), count);
    command->measure.outstanding += count;
    stream_send(&command->sockets[number].stream, command->output.data, count * length);
}

/* Send requests over the sockets in turn; those for the same socket together. */
static void request_in_turn(struct command *command, unsigned count) {
    unsigned sockets = command->options->sockets;
    unsigned each = count / sockets;
    unsigned more = count % sockets;
    for (unsigned i = 0; i < (each ? sockets : more); i++) {
        unsigned number = (command->turn + i) % sockets;
        request(command, number, each + (i < more));
    }
    command->turn = (command->turn + more) % sockets;
}

static void message(struct websocket *socket, const struct frame *frame) {
    struct command *command = socket->role->context;
    struct lane *lane = &command->lanes[socket->stream.number];
    if (times_empty(&lane->sent)) {
        websocket_mismatch(socket, frame, NULL);
        return;
    }
    template_set(&command->reply, &lane->next_answer);
    bool right = websocket_matches(socket, frame, &command->reply);
    if (!right && websocket_mismatch(socket, frame, &command->reply)) return;
    digits_increment(&lane->next_answer);
    /* The clock is read for the first answer of a read only: all of them were there when it returned. */
    if (!command->answered++) command->read_at = now_ns();
    histogram_add(&command->measure.latency, command->read_at - times_pop(&lane->sent));
}

static void read_done(struct websocket *socket) {
    struct command *command = socket->role->context;
    unsigned answered = command->answered;
    if (!answered) return;
    command->answered = 0;
    command->measure.count += answered;
    command->measure.outstanding -= answered;
    if (command->measure.stopping) return;
    if (command->options->requests_in_flight) request_in_turn(command, answered);
    else request(command, socket->stream.number, answered);
}

static void opened(struct websocket *socket) {
    struct command *command = socket->role->context;
    opening_opened(&command->opening);
}

static void start(struct opening *opening, unsigned number) {
    struct command *command = (struct command *)opening;
    command->lanes[number].next_request = digits_zero();
    command->lanes[number].next_answer = digits_zero();
    websocket_open(&command->sockets[number], command->loop, &command->role, number);
}

static void send_first_requests(struct command *command) {
    if (command->options->requests_in_flight) {
        request_in_turn(command, command->options->requests_in_flight);
        return;
    }
    for (unsigned number = 0; number < command->options->sockets; number++)
        request(command, number, command->options->depth);
}

void run_command(struct loop *loop, const struct options *options, struct verdict *verdict) {
    struct command *command = memory_zeroed(1, sizeof *command);
    command->loop = loop;
    command->options = options;
    command->opening = (struct opening){.start = start, .total = options->sockets};
    command->role = (struct role){.options = options, .verdict = verdict, .path = options->path,
                                  .port = options->port,
                                  .steps = options->steps, .step_count = options->step_count, .context = command,
                                  .opened = opened, .message = message, .read_done = read_done};
    command->sockets = memory_zeroed(options->sockets, sizeof *command->sockets);
    command->lanes = memory_zeroed(options->sockets, sizeof *command->lanes);
    command->request = template_client_frame(&options->request, options->opcode);
    command->reply = template_plain(&options->reply);
    opening_run(&command->opening, loop, options);
    measure_say("ready");
    send_first_requests(command);
    measure_run(&command->measure, loop, options);
    report_answers("command", &command->measure, verdict);
}
