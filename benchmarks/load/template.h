/* Messages that differ in nothing but their number: prepared once, then only the digits are written. */
#ifndef TEMPLATE_H
#define TEMPLATE_H

#include <string.h>

#include "bytes.h"

enum { DIGITS = 8 };

/* A number as eight decimal digits, counted up in place: cheaper than rendering each number anew. */
struct digits {
    uint8_t digit[DIGITS];
};

struct digits digits_zero(void);

/* The next number; after 99999999 comes 00000000. */
static inline void digits_increment(struct digits *digits) {
    for (int i = DIGITS - 1; i >= 0; i--) {
        if (digits->digit[i] != '9') {
            digits->digit[i]++;
            return;
        }
        digits->digit[i] = '0';
    }
}

/* Where a number stands, and what its digits are XORed with because the frame is masked (0: plain). */
struct slot {
    size_t offset;
    uint64_t mask;
};

struct template {
    uint8_t *data;
    size_t length;
    struct slot *slots;
    size_t slot_count;
};

/* The text itself is sent or expected, as HTTP and the payload of an answer. */
struct template template_plain(const struct bytes *text);

/* The whole masked frame that a client sends with this text as its payload. */
struct template template_client_frame(const struct bytes *text, uint8_t opcode);

/* Write the template with its number to `target`, which has room for its length. */
static inline void template_write(const struct template *template, const struct digits *number, uint8_t *target) {
    memcpy(target, template->data, template->length);
    uint64_t digits;
    memcpy(&digits, number->digit, DIGITS);
    for (size_t i = 0; i < template->slot_count; i++) {
        uint64_t masked = digits ^ template->slots[i].mask;
        memcpy(target + template->slots[i].offset, &masked, DIGITS);
    }
}

/* Let the template's own bytes hold this number. */
static inline void template_set(struct template *template, const struct digits *number) {
    for (size_t i = 0; i < template->slot_count; i++)
        memcpy(template->data + template->slots[i].offset, number->digit, DIGITS);
}

/* Compare with the plain template as `template_set` left it. */
static inline bool template_matches(const struct template *template, const uint8_t *data, size_t length) {
    return length == template->length && !memcmp(data, template->data, length);
}

#endif
