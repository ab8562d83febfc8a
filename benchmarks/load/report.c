#include "report.h"

#include <inttypes.h>
#include <stdio.h>

void report_answers(const char *mode, const struct measure *measure, const struct verdict *verdict) {
    printf("{\"mode\": \"%s\", \"answers\": %" PRIu64 ", \"seconds\": %.6f, \"rate\": %.1f, \"p50_us\": %.1f, "
           "\"p99_us\": %.1f, \"max_us\": %.1f, \"wrong\": %" PRIu64 "}\n",
           mode, measure->count, measure->seconds, measure_rate(measure),
           histogram_percentile_us(&measure->latency, 0.5), histogram_percentile_us(&measure->latency, 0.99),
           histogram_largest_us(&measure->latency), verdict->wrong);
}
