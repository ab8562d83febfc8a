#include "bytes.h"

#include <stdio.h>
#include <string.h>

#include "memory.h"

uint8_t *bytes_room(struct bytes *bytes, size_t more) {
    size_t needed = bytes->length + more;
    if (needed > bytes->capacity) {
        size_t capacity = bytes->capacity * 2 > needed ? bytes->capacity * 2 : needed;
        bytes->data = memory_resized(bytes->data, capacity, 1);
        bytes->capacity = capacity;
    }
    return bytes->data + bytes->length;
}

void bytes_append(struct bytes *bytes, const void *data, size_t length) {
    if (!length) return;
    memcpy(bytes_room(bytes, length), data, length);
    bytes->length += length;
}

void bytes_append_text(struct bytes *bytes, const char *text) {
    bytes_append(bytes, text, strlen(text));
}

void bytes_append_numbered(struct bytes *bytes, const uint8_t *source, size_t length, unsigned number) {
    char digits[16];
    snprintf(digits, sizeof digits, "%u", number);
    const uint8_t *end = source + length;
    const uint8_t *found;
    while ((found = memmem(source, (size_t)(end - source), "{n}", 3))) {
        bytes_append(bytes, source, (size_t)(found - source));
        bytes_append_text(bytes, digits);
        source = found + 3;
    }
    bytes_append(bytes, source, (size_t)(end - source));
}

void bytes_drop(struct bytes *bytes, size_t length) {
    bytes->length -= length;
    if (bytes->length) memmove(bytes->data, bytes->data + length, bytes->length);
}

static int hex_digit(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

bool bytes_append_hex(struct bytes *bytes, const char *hex) {
    for (; *hex; hex += 2) {
        int high = hex_digit(hex[0]);
        int low = high < 0 ? -1 : hex_digit(hex[1]);
        if (low < 0) return false;
        uint8_t byte = (uint8_t)(high << 4 | low);
        bytes_append(bytes, &byte, 1);
    }
    return true;
}

bool bytes_start_with(const uint8_t *data, size_t length, const struct bytes *prefix) {
    return length >= prefix->length && bytes_equal(data, prefix->length, prefix);
}

bool bytes_equal(const uint8_t *data, size_t length, const struct bytes *other) {
    return length == other->length && (!length || !memcmp(data, other->data, length));
}
