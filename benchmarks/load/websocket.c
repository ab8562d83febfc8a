#include "websocket.h"

#include <stdlib.h>

#include "handshake.h"

static void send_frame(struct websocket *socket, uint8_t opcode, const uint8_t *payload, size_t length) {
    struct bytes frame = {0};
    frame_append_masked(&frame, opcode, payload, length);
    stream_send(&socket->stream, frame.data, frame.length);
    free(frame.data);
}

static void say(struct websocket *socket, const struct bytes *message) {
    struct bytes numbered = {0};
    bytes_append_numbered(&numbered, message->data, message->length, socket->stream.number);
    send_frame(socket, socket->role->options->opcode, numbered.data, numbered.length);
    free(numbered.data);
}

/* Carry out the steps up to the next that waits for a message. */
static void advance(struct websocket *socket) {
    const struct role *role = socket->role;
    for (; socket->step < role->step_count && role->steps[socket->step].say; socket->step++)
        say(socket, &role->steps[socket->step].bytes);
    if (socket->step < role->step_count) return;
    socket->state = WEBSOCKET_OPEN;
    role->opened(socket);
}

static bool is_skipped(struct websocket *socket, const struct frame *frame) {
    const struct options *options = socket->role->options;
    if (options->answers_text && frame->opcode == OPCODE_TEXT &&
        bytes_equal(frame->payload, frame->length, &options->answered_text)) {
        send_frame(socket, OPCODE_TEXT, options->answer_text.data, options->answer_text.length);
        return true;
    }
    for (size_t i = 0; i < options->ignored_count; i++)
        if (bytes_start_with(frame->payload, frame->length, &options->ignored[i])) return true;
    return false;
}

static struct shown shown_frame(const struct frame *frame) {
    return (struct shown){opcode_name(frame->opcode), frame->payload, frame->length};
}

bool websocket_mismatch(struct websocket *socket, const struct frame *frame, const struct template *expected) {
    if (is_skipped(socket, frame)) return true;
    const struct role *role = socket->role;
    struct shown wanted = {.kind = opcode_name(role->options->opcode)};
    if (expected) {
        wanted.data = expected->data;
        wanted.length = expected->length;
    }
    verdict_wrong(role->verdict, socket->stream.number, shown_frame(frame), expected ? &wanted : NULL);
    return false;
}

void websocket_ignore(struct websocket *socket, const struct frame *frame) {
    is_skipped(socket, frame);
}

static void prepare(struct websocket *socket, const struct frame *frame) {
    if (is_skipped(socket, frame)) return;
    const struct bytes *awaited = &socket->role->steps[socket->step].bytes;
    if (!bytes_start_with(frame->payload, frame->length, awaited)) {
        struct shown wanted = {"a message that starts so,", awaited->data, awaited->length};
        verdict_wrong(socket->role->verdict, socket->stream.number, shown_frame(frame), &wanted);
        fail("connection %u did not open", socket->stream.number);
    }
    socket->step++;
    advance(socket);
}

static void fail_closed(const struct websocket *socket, const struct frame *frame) {
    unsigned code = frame->length < 2 ? 1005 : (unsigned)(frame->payload[0] << 8 | frame->payload[1]);
    int reason = frame->length < 2 ? 0 : (int)frame->length - 2;
    fail("connection %u was closed by the server: code %u %.*s", socket->stream.number, code, reason,
         (const char *)frame->payload + 2);
}

static void control(struct websocket *socket, const struct frame *frame) {
    switch (frame->opcode) {
    case OPCODE_PING: send_frame(socket, OPCODE_PONG, frame->payload, frame->length); break;
    case OPCODE_PONG: break;
    case OPCODE_CLOSE: fail_closed(socket, frame); break;
    default: fail("connection %u got a frame of opcode %u", socket->stream.number, frame->opcode);
    }
}

/* Handle every whole frame: how many bytes they take. */
static size_t frames(struct websocket *socket, const uint8_t *data, size_t length) {
    size_t position = 0;
    struct frame frame;
    enum frame_result result;
    while ((result = frame_parse(data + position, length - position, &frame)) == FRAME_COMPLETE) {
        position += frame.whole;
        if (frame.opcode != OPCODE_TEXT && frame.opcode != OPCODE_BINARY) control(socket, &frame);
        else if (socket->state == WEBSOCKET_OPEN) socket->role->message(socket, &frame);
        else prepare(socket, &frame);
    }
    if (result == FRAME_BROKEN) {
        struct shown rest = {"no frame", data + position, length - position};
        verdict_wrong(socket->role->verdict, socket->stream.number, rest, NULL);
        fail("connection %u got something that is no whole unmasked frame in its shortest form", socket->stream.number);
    }
    if (position && socket->role->read_done) socket->role->read_done(socket);
    return position;
}

static size_t input(struct stream *stream, uint8_t *data, size_t length) {
    struct websocket *socket = (struct websocket *)stream;
    size_t head = 0;
    if (socket->state == WEBSOCKET_UPGRADING) {
        head = handshake_read_answer(data, length, stream->number);
        if (!head) return 0;
        socket->state = WEBSOCKET_PREPARING;
        advance(socket);
    }
    return head + frames(socket, data + head, length - head);
}

static void connected(struct stream *stream) {
    struct websocket *socket = (struct websocket *)stream;
    struct bytes request = {0};
    const struct role *role = socket->role;
    handshake_append_request(&request, role->options, role->port, role->path, stream->number);
    stream_send(stream, request.data, request.length);
    free(request.data);
}

void websocket_open(struct websocket *socket, struct loop *loop, const struct role *role, unsigned number) {
    static const struct stream_handler HANDLER = {connected, input};
    *socket = (struct websocket){.role = role, .started = now_ns()};
    stream_open(&socket->stream, loop, role->options, role->port, &HANDLER, number);
}
