#include "stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "verdict.h"

static _Noreturn void lost(const struct stream *stream, const char *why) {
    fail("connection %u was lost: %s", stream->number, why);
}

/* How much of it the kernel takes now. Where the connection is gone that is said to be all: what is still to be read
 * from it, maybe a close frame, tells better why than the failed write. */
static size_t send_some(const struct stream *stream, const uint8_t *data, size_t length) {
    ssize_t sent = send(stream->watch.fd, data, length, MSG_NOSIGNAL);
    if (sent >= 0) return (size_t)sent;
    if (errno == EAGAIN) return 0;
    if (errno == EPIPE || errno == ECONNRESET) return length;
    lost(stream, strerror(errno));
}

static void send_unsent(struct stream *stream) {
    bytes_drop(&stream->unsent, send_some(stream, stream->unsent.data, stream->unsent.length));
    if (stream->unsent.length) return;
    stream->awaiting_room = false;
    loop_modify(stream->loop, &stream->watch, EPOLLIN);
}

void stream_send(struct stream *stream, const uint8_t *data, size_t length) {
    if (!stream->awaiting_room) {
        size_t sent = send_some(stream, data, length);
        if (sent == length) return;
        data += sent;
        length -= sent;
        stream->awaiting_room = true;
        loop_modify(stream->loop, &stream->watch, EPOLLIN | EPOLLOUT);
    }
    bytes_append(&stream->unsent, data, length);
}

static void receive(struct stream *stream) {
    struct bytes *input = &stream->loop->input;
    input->length = 0;
    bytes_append(input, stream->unread.data, stream->unread.length);
    ssize_t received = recv(stream->watch.fd, bytes_room(input, READ_SIZE), READ_SIZE, 0);
    if (received < 0) {
        if (errno == EAGAIN) return;
        lost(stream, strerror(errno));
    }
    if (received == 0) lost(stream, "the server closed it");
    input->length += (size_t)received;
    size_t consumed = stream->handler->input(stream, input->data, input->length);
    stream->unread.length = 0;
    bytes_append(&stream->unread, input->data + consumed, input->length - consumed);
}

static void finish_connecting(struct stream *stream) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(stream->watch.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) fail("connection %u could not be opened: %s", stream->number, strerror(error));
    stream->connected = true;
    loop_modify(stream->loop, &stream->watch, EPOLLIN);
    stream->handler->connected(stream);
}

static void ready(struct watch *watch, uint32_t events) {
    struct stream *stream = (struct stream *)watch;
    if (!stream->connected) {
        finish_connecting(stream);
        return;
    }
    if (events & EPOLLOUT) send_unsent(stream);
    if (events & ~(uint32_t)EPOLLOUT) receive(stream);
}

/* Spread connections over 127.0.0.1 .. 127.0.0.N, each with all ports of its own. The port is chosen when connecting:
 * at bind() it would have to be free for every destination. */
static void bind_source(int fd, unsigned number, const struct options *options) {
    int on = 1;
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + number % options->sources);
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on)) fail("IP_BIND_ADDRESS_NO_PORT: %m");
    if (bind(fd, (struct sockaddr *)&source, sizeof source)) fail("connection %u has no source address: %m", number);
}

void stream_open(struct stream *stream, struct loop *loop, const struct options *options, uint16_t port,
                 const struct stream_handler *handler, unsigned number) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("connection %u has no socket: %m (try a higher `ulimit -n`)", number);
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* A reset leaves no port in TIME_WAIT for the next run to stumble over. */
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (options->sources > 1) bind_source(fd, number, options);
    *stream = (struct stream){
        .watch = {.fd = fd, .ready = ready}, .loop = loop, .handler = handler, .number = number};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = options->host};
    if (connect(fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS)
        fail("connection %u could not be opened: %m%s", number,
             errno == EADDRNOTAVAIL ? " (no free port: raise --sources)" : "");
    int error = loop_add(loop, &stream->watch, EPOLLOUT);
    if (error) fail("connection %u cannot be watched: %s", number, strerror(error));
}

void stream_raise_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}
