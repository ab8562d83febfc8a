/* Byte strings that grow. */
#ifndef BYTES_H
#define BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    uint8_t *data;
    size_t length;
    size_t capacity;
};

/* Make room for `more` bytes behind the present ones: where they belong. Length is left to the caller. */
uint8_t *bytes_room(struct bytes *bytes, size_t more);

void bytes_append(struct bytes *bytes, const void *data, size_t length);
void bytes_append_text(struct bytes *bytes, const char *text);

/* Append `source`, with each "{n}" in it replaced by the decimal `number`. */
void bytes_append_numbered(struct bytes *bytes, const uint8_t *source, size_t length, unsigned number);

/* Remove the first `length` bytes. */
void bytes_drop(struct bytes *bytes, size_t length);

/* Append what the hexadecimal digits say: false when they are no pairs of such digits. */
bool bytes_append_hex(struct bytes *bytes, const char *hex);

bool bytes_start_with(const uint8_t *data, size_t length, const struct bytes *prefix);
bool bytes_equal(const uint8_t *data, size_t length, const struct bytes *other);

#endif
