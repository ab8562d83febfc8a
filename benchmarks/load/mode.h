/* What the program can do: one entry for each mode. */
#ifndef MODE_H
#define MODE_H

#include "loop.h"
#include "options.h"
#include "verdict.h"

struct mode {
    const char *name;
    const char *required; /* names of the options it cannot do without, each between spaces */
    void (*run)(struct loop *loop, const struct options *options, struct verdict *verdict);
};

void run_command(struct loop *loop, const struct options *options, struct verdict *verdict);
void run_fanout(struct loop *loop, const struct options *options, struct verdict *verdict);
void run_push(struct loop *loop, const struct options *options, struct verdict *verdict);
void run_connect(struct loop *loop, const struct options *options, struct verdict *verdict);
void run_hold(struct loop *loop, const struct options *options, struct verdict *verdict);
void run_http(struct loop *loop, const struct options *options, struct verdict *verdict);

/* NULL where there is no such mode. */
const struct mode *mode_named(const char *name);

#endif
