/* WebSocket frames, RFC 6455 section 5: the server's parsed in place, the client's made. */
#ifndef FRAME_H
#define FRAME_H

#include "bytes.h"

enum opcode {
    OPCODE_CONTINUATION = 0x0,
    OPCODE_TEXT = 0x1,
    OPCODE_BINARY = 0x2,
    OPCODE_CLOSE = 0x8,
    OPCODE_PING = 0x9,
    OPCODE_PONG = 0xA,
};

struct frame {
    uint8_t opcode;
    const uint8_t *payload;
    size_t length;
    size_t whole; /* with the header */
};

enum frame_result { FRAME_COMPLETE, FRAME_PARTIAL, FRAME_BROKEN };

/* The frame that starts at `data`. Broken: masked, fragmented, reserved bits, or a length not in its shortest form.
 * No server here has a reason to fragment a small message, so one that does is reported rather than put together. */
static inline enum frame_result frame_parse(const uint8_t *data, size_t length, struct frame *frame) {
    if (length < 2) return FRAME_PARTIAL;
    if ((data[0] & 0xf0) != 0x80) return FRAME_BROKEN;
    frame->opcode = data[0] & 0x0f;
    size_t header = 2;
    uint64_t payload = data[1];
    if (payload >= 126) {
        if (payload & 0x80) return FRAME_BROKEN;
        unsigned bytes = payload == 126 ? 2 : 8;
        header += bytes;
        if (length < header) return FRAME_PARTIAL;
        payload = 0;
        for (unsigned i = 0; i < bytes; i++) payload = payload << 8 | data[2 + i];
        if (payload < (bytes == 2 ? 126 : 65536) || payload >> 32) return FRAME_BROKEN;
    }
    frame->payload = data + header;
    frame->length = payload;
    frame->whole = header + payload;
    return length < frame->whole ? FRAME_PARTIAL : FRAME_COMPLETE;
}

/* Append a final frame of the client. */
void frame_append_masked(struct bytes *output, uint8_t opcode, const uint8_t *payload, size_t length);

/* XOR bytes that stand at `offset` of a payload with the masking key. */
void frame_mask(uint8_t *data, size_t length, size_t offset);

const char *opcode_name(uint8_t opcode);

#endif
