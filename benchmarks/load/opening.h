/* Opening many sockets, some at once. */
#ifndef OPENING_H
#define OPENING_H

#include "websocket.h"

struct opening {
    void (*start)(struct opening *opening, unsigned number); /* begin to open one */
    unsigned total;
    unsigned started;
    unsigned opened;
};

/* Open `total` sockets, `window` at once: returns when all are open, ends the program when none opens any more. */
void opening_run(struct opening *opening, struct loop *loop, const struct options *options);

/* To be called for each socket that has opened. */
void opening_opened(struct opening *opening);

#endif
