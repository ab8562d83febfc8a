#include "histogram.h"

#include <string.h>

enum { PER_OCTAVE = 1 << HISTOGRAM_BITS };

void histogram_clear(struct histogram *histogram) {
    memset(histogram, 0, sizeof *histogram);
}

void histogram_add(struct histogram *histogram, uint64_t nanoseconds) {
    if (nanoseconds > histogram->largest) histogram->largest = nanoseconds;
    histogram->count++;
    if (nanoseconds >> HISTOGRAM_LARGEST_BIT) nanoseconds = (1ULL << HISTOGRAM_LARGEST_BIT) - 1;
    /* The times below 2^(BITS+1) have a bucket each; above, the topmost BITS+1 bits choose. */
    unsigned bit = 63 - (unsigned)__builtin_clzll(nanoseconds | PER_OCTAVE);
    unsigned shift = bit - HISTOGRAM_BITS;
    histogram->buckets[shift * PER_OCTAVE + (nanoseconds >> shift)]++;
}

/* The middle of a bucket, in nanoseconds. */
static double bucket_middle(unsigned index) {
    unsigned shift = index < 2 * PER_OCTAVE ? 0 : index / PER_OCTAVE - 1;
    uint64_t lowest = (uint64_t)(index - shift * PER_OCTAVE) << shift;
    return (double)lowest + (double)((1ULL << shift) - 1) / 2;
}

double histogram_percentile_us(const struct histogram *histogram, double share) {
    uint64_t seen = 0;
    double wanted = share * (double)histogram->count;
    for (unsigned index = 0; index < HISTOGRAM_BUCKETS; index++) {
        seen += histogram->buckets[index];
        if (seen && (double)seen >= wanted) return bucket_middle(index) / 1000;
    }
    return 0;
}

double histogram_largest_us(const struct histogram *histogram) {
    return (double)histogram->largest / 1000;
}
