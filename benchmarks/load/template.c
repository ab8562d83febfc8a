#include "template.h"

#include <stdlib.h>

#include "frame.h"
#include "memory.h"

static const char MARK[DIGITS + 1] = "########";

struct digits digits_zero(void) {
    struct digits digits;
    memset(digits.digit, '0', DIGITS);
    return digits;
}

struct template template_plain(const struct bytes *text) {
    struct template template = {.length = text->length};
    template.data = memory_resized(NULL, text->length, 1);
    if (text->length) memcpy(template.data, text->data, text->length);
    size_t start = 0;
    const uint8_t *found;
    while ((found = memmem(template.data + start, template.length - start, MARK, DIGITS))) {
        template.slots = memory_resized(template.slots, template.slot_count + 1, sizeof *template.slots);
        size_t offset = (size_t)(found - template.data);
        template.slots[template.slot_count++] = (struct slot){.offset = offset};
        start = offset + DIGITS;
    }
    return template;
}

struct template template_client_frame(const struct bytes *text, uint8_t opcode) {
    struct template template = template_plain(text);
    struct bytes frame = {0};
    frame_append_masked(&frame, opcode, text->data, text->length);
    size_t header = frame.length - text->length;
    for (size_t i = 0; i < template.slot_count; i++) {
        struct slot *slot = &template.slots[i];
        uint8_t zero[DIGITS] = {0};
        frame_mask(zero, DIGITS, slot->offset);
        memcpy(&slot->mask, zero, DIGITS);
        slot->offset += header;
    }
    free(template.data);
    template.data = frame.data;
    template.length = frame.length;
    return template;
}
