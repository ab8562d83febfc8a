#include "handshake.h"

#include <stdio.h>
#include <string.h>

#include "head.h"
#include "verdict.h"

/* The key and the answer to it are those of RFC 6455 section 1.3: with a fixed key no SHA-1 is needed to check it. */
static const char KEY[] = "dGhlIHNhbXBsZSBub25jZQ==";
static const char ACCEPT[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

void handshake_append_request(struct bytes *output, const struct options *options, uint16_t port, const char *path,
                              unsigned number) {
    char host[64];
    snprintf(host, sizeof host, "Host: %s:%u\r\n", options->host_text, port);
    bytes_append_text(output, "GET ");
    bytes_append_numbered(output, (const uint8_t *)path, strlen(path), number);
    bytes_append_text(output, " HTTP/1.1\r\n");
    bytes_append_text(output, host);
    bytes_append_text(output, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
    bytes_append_text(output, "Sec-WebSocket-Key: ");
    bytes_append_text(output, KEY);
    bytes_append_text(output, "\r\n");
    bytes_append(output, options->headers.data, options->headers.length);
    bytes_append_text(output, "\r\n");
}

/* The status line says most; what follows the head often says why. */
static void fail_refused(const uint8_t *data, size_t length, size_t head, unsigned number) {
    const char *line = (const char *)data;
    int shown = (int)strcspn(line, "\r\n");
    size_t rest = length - head;
    fail("connection %u was not upgraded: %.*s %.*s", number, shown, line, (int)(rest > 200 ? 200 : rest),
         line + head);
}

size_t handshake_read_answer(const uint8_t *data, size_t length, unsigned number) {
    size_t head = head_length(data, length, number);
    if (!head) return 0;
    if (head_status(data, head) != 101) fail_refused(data, length, head, number);
    size_t value_length;
    const char *value = head_value(data, head, "Sec-WebSocket-Accept", &value_length);
    if (!value || value_length != sizeof ACCEPT - 1 || memcmp(value, ACCEPT, value_length))
        fail("connection %u: wrong Sec-WebSocket-Accept in the server's answer", number);
    if (head_value(data, head, "Sec-WebSocket-Extensions", &value_length))
        fail("connection %u: the server uses an extension that was not offered", number);
    return head;
}
