/* A non-blocking TCP connection: bytes in order both ways, whatever the pieces they come and go in. */
#ifndef STREAM_H
#define STREAM_H

#include "loop.h"
#include "options.h"

struct stream;

struct stream_handler {
    void (*connected)(struct stream *stream);
    /* What came and was not consumed yet. Returns how much of it is consumed now; the rest is given again with more
     * behind it. The bytes may be overwritten. */
    size_t (*input)(struct stream *stream, uint8_t *data, size_t length);
};

struct stream {
    struct watch watch; /* first, so that a watch is the stream it belongs to */
    struct loop *loop;
    const struct stream_handler *handler;
    unsigned number;
    bool connected;
    bool awaiting_room; /* epoll tells when there is room for `unsent` */
    struct bytes unread;
    struct bytes unsent;
};

/* Begin to connect; the handler is told. A connection that is refused or lost, now or later, ends the program, and the
 * end of the program, whatever its cause, resets all connections. */
void stream_open(struct stream *stream, struct loop *loop, const struct options *options, uint16_t port,
                 const struct stream_handler *handler, unsigned number);

void stream_send(struct stream *stream, const uint8_t *data, size_t length);

/* Allow this process as many open files as the system lets it have. */
void stream_raise_limit(void);

#endif
