#include "verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_BYTES = 400, SHOWN_BEFORE_DIFFERENCE = 200 };

static void print_line(const char *format, va_list arguments) {
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

_Noreturn void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print_line(format, arguments);
    va_end(arguments);
    exit(EXIT_WRONG);
}

_Noreturn void fail_usage(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print_line(format, arguments);
    va_end(arguments);
    exit(EXIT_USAGE);
}

static size_t first_difference(struct shown one, struct shown other) {
    size_t shorter = one.length < other.length ? one.length : other.length;
    size_t position = 0;
    while (position < shorter && one.data[position] == other.data[position]) position++;
    return position;
}

/* A stretch of at most SHOWN_BYTES from `start`, with everything escaped that is not printable ASCII. */
static void print_shown(const char *label, struct shown shown, size_t start) {
    size_t end = shown.length - start > SHOWN_BYTES ? start + SHOWN_BYTES : shown.length;
    fprintf(stderr, "  %s: %s of %zu bytes: %s", label, shown.kind, shown.length, start ? "... " : "");
    for (size_t i = start; i < end; i++) {
        uint8_t byte = shown.data[i];
        if (byte >= 0x20 && byte < 0x7f && byte != '\\') fputc(byte, stderr);
        else fprintf(stderr, "\\x%02x", byte);
    }
    fprintf(stderr, "%s\n", end < shown.length ? " ..." : "");
}

void verdict_wrong(struct verdict *verdict, unsigned socket, struct shown received, const struct shown *expected) {
    if (verdict->wrong++) return;
    fprintf(stderr, "load: wrong answer on socket %u\n", socket);
    if (!expected) {
        print_shown("received", received, 0);
        fputs("  expected: nothing\n", stderr);
        return;
    }
    size_t difference = first_difference(received, *expected);
    size_t start = difference > SHOWN_BEFORE_DIFFERENCE ? difference - SHOWN_BEFORE_DIFFERENCE : 0;
    print_shown("received", received, start);
    print_shown("expected", *expected, start);
    if (received.length == expected->length && difference == received.length)
        fprintf(stderr, "  the bytes are the same, but %s came instead of %s\n", received.kind, expected->kind);
    else
        fprintf(stderr, "  first difference at byte %zu\n", difference);
}

int verdict_exit_code(const struct verdict *verdict) {
    return verdict->wrong ? EXIT_WRONG : 0;
}
