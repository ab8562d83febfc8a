/* The opening handshake of a WebSocket, RFC 6455 section 4. */
#ifndef HANDSHAKE_H
#define HANDSHAKE_H

#include "options.h"

/* Append the upgrade request of one socket; "{n}" in the path becomes its number. */
void handshake_append_request(struct bytes *output, const struct options *options, uint16_t port, const char *path,
                              unsigned number);

/* Read the answer: its length, or 0 as long as its end has not come. Ends the program unless it accepts. */
size_t handshake_read_answer(const uint8_t *data, size_t length, unsigned number);

#endif
