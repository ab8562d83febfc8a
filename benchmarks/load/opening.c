#include "opening.h"

static void start_next(struct opening *opening) {
    if (opening->started < opening->total) opening->start(opening, opening->started++);
}

void opening_opened(struct opening *opening) {
    opening->opened++;
    start_next(opening);
}

void opening_run(struct opening *opening, struct loop *loop, const struct options *options) {
    for (unsigned i = 0; i < options->window; i++) start_next(opening);
    uint64_t patience = seconds_to_ns(options->timeout);
    uint64_t deadline = now_ns() + patience;
    while (opening->opened < opening->total) {
        unsigned before = opening->opened;
        uint64_t now = loop_step(loop, deadline);
        if (opening->opened > before) deadline = now + patience;
        else if (now >= deadline)
            fail("%u of %u connections are open, and no other has opened within %g s", opening->opened,
                 opening->total, options->timeout);
    }
}
