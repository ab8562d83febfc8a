/* A client's WebSocket: handshake, the steps before it counts as open, then its messages. */
#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include "frame.h"
#include "stream.h"
#include "template.h"
#include "verdict.h"

struct websocket;

/* What a kind of sockets does, the same for all of them. */
struct role {
    const struct options *options;
    struct verdict *verdict;
    const char *path;
    uint16_t port;
    const struct step *steps;
    size_t step_count;
    void *context; /* of the mode, for the functions below */
    void (*opened)(struct websocket *socket);
    void (*message)(struct websocket *socket, const struct frame *frame); /* text or binary, when open */
    void (*read_done)(struct websocket *socket); /* after the messages of one read; may be NULL */
};

enum websocket_state { WEBSOCKET_UPGRADING, WEBSOCKET_PREPARING, WEBSOCKET_OPEN };

struct websocket {
    struct stream stream; /* first, so that a stream is the socket it belongs to */
    const struct role *role;
    enum websocket_state state;
    size_t step;
    uint64_t started; /* when it began to connect, in nanoseconds */
};

void websocket_open(struct websocket *socket, struct loop *loop, const struct role *role, unsigned number);

/* Is the message what should have come? */
static inline bool websocket_matches(const struct websocket *socket, const struct frame *frame,
                                     const struct template *expected) {
    return frame->opcode == socket->role->options->opcode && template_matches(expected, frame->payload, frame->length);
}

/* For a message that is not what should have come (NULL: nothing should): true where it belongs to those that are
 * skipped or answered whenever they come, else it is counted as wrong. */
bool websocket_mismatch(struct websocket *socket, const struct frame *frame, const struct template *expected);

/* The `message` of a role whose messages do not matter: only those that are to be answered are. */
void websocket_ignore(struct websocket *socket, const struct frame *frame);

#endif
