/* HTTP/1.1 requests over connections that are kept, one under way on each. */
#include <stdio.h>

#include "head.h"
#include "measure.h"
#include "memory.h"
#include "mode.h"
#include "opening.h"
#include "report.h"
#include "template.h"

struct http {
    struct opening opening; /* first, so that an opening is the load it belongs to */
    struct loop *loop;
    const struct options *options;
    struct verdict *verdict;
    struct client *clients;
    struct template request;
    struct template reply;
    struct bytes output;
    struct measure measure;
};

struct client {
    struct stream stream; /* first, so that a stream is the client it belongs to */
    struct http *http;
    struct digits number; /* of the request under way */
    bool waiting;
    uint64_t sent_at;
};

static void request(struct client *client) {
    struct http *http = client->http;
    template_write(&http->request, &client->number, http->output.data);
    client->waiting = true;
    client->sent_at = now_ns();
    http->measure.outstanding++;
    stream_send(&client->stream, http->output.data, http->request.length);
}

static size_t body_length(const uint8_t *head, size_t length, unsigned number) {
    size_t digits;
    const char *value = head_value(head, length, "Content-Length", &digits);
    if (!value || !digits || digits > 9) fail("connection %u: a response without a usable Content-Length", number);
    size_t body = 0;
    for (size_t i = 0; i < digits; i++) {
        if (value[i] < '0' || value[i] > '9') fail("connection %u: Content-Length is no number", number);
        body = body * 10 + (size_t)(value[i] - '0');
    }
    return body;
}

static void compare(struct client *client, unsigned status, const uint8_t *body, size_t length) {
    struct http *http = client->http;
    template_set(&http->reply, &client->number);
    if (status == 200 && template_matches(&http->reply, body, length)) return;
    char kind[32];
    snprintf(kind, sizeof kind, "status %u, body", status);
    struct shown expected = {"status 200, body", http->reply.data, http->reply.length};
    verdict_wrong(http->verdict, client->stream.number, (struct shown){kind, body, length}, &expected);
}

static size_t input(struct stream *stream, uint8_t *data, size_t length) {
    struct client *client = (struct client *)stream;
    struct measure *measure = &client->http->measure;
    if (!client->waiting) fail("connection %u got a response to no request", stream->number);
    size_t head = head_length(data, length, stream->number);
    if (!head) return 0;
    size_t whole = head + body_length(data, head, stream->number);
    if (length < whole) return 0;
    if (length > whole) fail("connection %u got more than the response to its request", stream->number);
    histogram_add(&measure->latency, now_ns() - client->sent_at);
    measure->count++;
    measure->outstanding--;
    compare(client, head_status(data, head), data + head, whole - head);
    digits_increment(&client->number);
    client->waiting = false;
    if (!measure->stopping) request(client);
    return whole;
}

static void connected(struct stream *stream) {
    struct client *client = (struct client *)stream;
    opening_opened(&client->http->opening);
}

static void start(struct opening *opening, unsigned number) {
    static const struct stream_handler HANDLER = {connected, input};
    struct http *http = (struct http *)opening;
    struct client *client = &http->clients[number];
    client->http = http;
    client->number = digits_zero();
    stream_open(&client->stream, http->loop, http->options, http->options->port, &HANDLER, number);
}

void run_http(struct loop *loop, const struct options *options, struct verdict *verdict) {
    struct http *http = memory_zeroed(1, sizeof *http);
    http->opening = (struct opening){.start = start, .total = options->sockets};
    http->loop = loop;
    http->options = options;
    http->verdict = verdict;
    http->clients = memory_zeroed(options->sockets, sizeof *http->clients);
    http->request = template_plain(&options->request);
    http->reply = template_plain(&options->reply);
    bytes_room(&http->output, http->request.length);
    opening_run(&http->opening, loop, options);
    measure_say("ready");
    for (unsigned number = 0; number < options->sockets; number++) request(&http->clients[number]);
    measure_run(&http->measure, loop, options);
    report_answers("http", &http->measure, verdict);
}
