/* What went wrong: failures end the program at once, wrong answers are counted and the first is shown. */
#ifndef VERDICT_H
#define VERDICT_H

#include <stdint.h>

#include "bytes.h"

enum { EXIT_WRONG = 1, EXIT_USAGE = 2 };

/* Print the message as one line to stderr and end the program with exit code 1. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for arguments that make no sense, with exit code 2. */
_Noreturn void fail_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Something that was received, or should have been: `kind` is a word for what it is, such as "text" or "body". */
struct shown {
    const char *kind;
    const uint8_t *data;
    size_t length;
};

struct verdict {
    uint64_t wrong;
};

/* Count a wrong answer; the first is printed to stderr. `expected` is NULL where nothing should have come. */
void verdict_wrong(struct verdict *verdict, unsigned socket, struct shown received, const struct shown *expected);

int verdict_exit_code(const struct verdict *verdict);

#endif
