/* Warming up, measuring, and waiting for the last answers: the same for every mode that lasts a given time. */
#ifndef MEASURE_H
#define MEASURE_H

#include "histogram.h"
#include "loop.h"
#include "options.h"

struct measure {
    uint64_t count;       /* what has been received since the measurement began */
    uint64_t outstanding; /* what is still to come for the requests under way */
    bool stopping;        /* no more requests */
    double seconds;       /* how long it really was, from the first event counted to the last */
    struct histogram latency;
};

/* Print a line to the orchestrator: it is there when this returns. */
void measure_say(const char *line);

/* Run the loop through warm-up and measurement, then until nothing is outstanding; the first requests are sent. */
void measure_run(struct measure *measure, struct loop *loop, const struct options *options);

double measure_rate(const struct measure *measure);

#endif
