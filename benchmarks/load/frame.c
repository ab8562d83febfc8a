#include "frame.h"

#include <string.h>

/* RFC 6455 wants a fresh key that nobody can predict, against proxies between client and server; there are none here.
 * A fixed key costs the server the same, and lets whole requests be masked once, when their template is made. It is
 * not zero, so that no server can save its unmasking. */
static const uint8_t MASKING_KEY[4] = {0x5a, 0xc3, 0x96, 0x0f};

void frame_mask(uint8_t *data, size_t length, size_t offset) {
    for (size_t i = 0; i < length; i++) data[i] ^= MASKING_KEY[(offset + i) % 4];
}

void frame_append_masked(struct bytes *output, uint8_t opcode, const uint8_t *payload, size_t length) {
    uint8_t header[10] = {0x80 | opcode};
    size_t size = 2;
    if (length < 126) {
        header[1] = 0x80 | (uint8_t)length;
    } else {
        unsigned bytes = length < 65536 ? 2 : 8;
        header[1] = bytes == 2 ? 0x80 | 126 : 0x80 | 127;
        for (unsigned i = 0; i < bytes; i++) header[2 + i] = (uint8_t)((uint64_t)length >> 8 * (bytes - 1 - i));
        size += bytes;
    }
    bytes_append(output, header, size);
    bytes_append(output, MASKING_KEY, sizeof MASKING_KEY);
    bytes_append(output, payload, length);
    frame_mask(output->data + output->length - length, length, 0);
}

const char *opcode_name(uint8_t opcode) {
    switch (opcode) {
    case OPCODE_CONTINUATION: return "continuation";
    case OPCODE_TEXT: return "text";
    case OPCODE_BINARY: return "binary";
    case OPCODE_CLOSE: return "close";
    case OPCODE_PING: return "ping";
    case OPCODE_PONG: return "pong";
    default: return "a frame of a reserved opcode";
    }
}
