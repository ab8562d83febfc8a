#include "head.h"

#include <string.h>

#include "verdict.h"

enum { LARGEST_HEAD = 64 * 1024 };

size_t head_length(const uint8_t *data, size_t length, unsigned number) {
    const uint8_t *end = memmem(data, length, "\r\n\r\n", 4);
    if (end) return (size_t)(end - data) + 4;
    if (length > LARGEST_HEAD) fail("connection %u: the response has no end of its headers", number);
    return 0;
}

unsigned head_status(const uint8_t *head, size_t length) {
    if (length < 12 || memcmp(head, "HTTP/1.1 ", 9)) return 0;
    unsigned status = 0;
    for (int i = 9; i < 12; i++) {
        if (head[i] < '0' || head[i] > '9') return 0;
        status = status * 10 + (unsigned)(head[i] - '0');
    }
    return status;
}

const char *head_value(const uint8_t *head, size_t length, const char *name, size_t *value_length) {
    const char *line = (const char *)head;
    const char *end = line + length;
    size_t name_length = strlen(name);
    const char *next;
    for (; (next = memchr(line, '\n', (size_t)(end - line))); line = next + 1) {
        if ((size_t)(next - line) <= name_length || line[name_length] != ':') continue;
        if (strncasecmp(line, name, name_length)) continue;
        const char *value = line + name_length + 1;
        while (value < next && (*value == ' ' || *value == '\t')) value++;
        while (next > value && strchr(" \t\r\n", next[-1])) next--;
        *value_length = (size_t)(next - value);
        return value;
    }
    return NULL;
}
