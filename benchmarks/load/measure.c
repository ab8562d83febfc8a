#include "measure.h"

#include <inttypes.h>
#include <stdio.h>

#include "verdict.h"

void measure_say(const char *line) {
    if (puts(line) < 0) fail("stdout cannot be written: %m");
}

static uint64_t run_until(struct loop *loop, uint64_t deadline) {
    uint64_t now;
    while ((now = loop_step(loop, deadline)) < deadline) continue;
    return now;
}

/* Every request must be answered, not only those answered in time to be counted. */
static void await_outstanding(struct measure *measure, struct loop *loop, double timeout) {
    uint64_t deadline = now_ns() + seconds_to_ns(timeout);
    while (measure->outstanding)
        if (loop_step(loop, deadline) >= deadline && measure->outstanding)
            fail("%" PRIu64 " answers are missing %g s after the last request", measure->outstanding, timeout);
}

void measure_run(struct measure *measure, struct loop *loop, const struct options *options) {
    run_until(loop, now_ns() + seconds_to_ns(options->warmup));
    measure_say("begin");
    measure->count = 0;
    histogram_clear(&measure->latency);
    uint64_t begun = now_ns();
    uint64_t ended = run_until(loop, begun + seconds_to_ns(options->seconds));
    double seconds = (double)(ended - begun) / 1e9;
    uint64_t count = measure->count;
    struct histogram latency = measure->latency;
    measure_say("end");
    measure->stopping = true;
    await_outstanding(measure, loop, options->timeout);
    measure->seconds = seconds;
    measure->count = count;
    measure->latency = latency;
}

double measure_rate(const struct measure *measure) {
    return measure->seconds > 0 ? (double)measure->count / measure->seconds : 0;
}
