/* A log-linear histogram of times in nanoseconds: each bucket is narrower than 1% of the times in it. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

/* 128 buckets for each power of two, so a bucket is at most 1/128 wide; times up to 2^40 ns (18 minutes). */
enum { HISTOGRAM_BITS = 7, HISTOGRAM_LARGEST_BIT = 40 };
enum { HISTOGRAM_BUCKETS = (HISTOGRAM_LARGEST_BIT - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS };

struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t largest;
};

void histogram_clear(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t nanoseconds);

/* The time that `share` (0 to 1) of the entries do not exceed, in microseconds; 0 without entries. */
double histogram_percentile_us(const struct histogram *histogram, double share);
double histogram_largest_us(const struct histogram *histogram);

#endif
