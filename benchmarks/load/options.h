/* What the command line says. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>

#include "bytes.h"

struct mode;

/* Something to do before a socket counts as open, in the order of the command line. */
struct step {
    bool say; /* send the bytes; otherwise await a message that starts with them */
    struct bytes bytes;
};

struct options {
    const struct mode *mode;
    struct in_addr host;
    uint16_t port;
    const char *host_text;
    const char *path;
    const char *trigger_path;
    uint16_t trigger_port;
    struct bytes headers; /* whole lines */
    struct bytes request;
    struct bytes reply;
    struct bytes push;
    struct bytes acknowledge;
    uint8_t opcode;
    unsigned sockets;
    unsigned depth;
    unsigned requests_in_flight; /* 0: depth counts */
    unsigned burst;
    unsigned window;
    unsigned sources;
    double seconds;
    double warmup;
    double timeout;
    struct step *steps;
    size_t step_count;
    struct bytes *ignored; /* messages that start with one of these are skipped */
    size_t ignored_count;
    bool answers_text;
    struct bytes answered_text; /* this text message is answered with the next */
    struct bytes answer_text;
};

/* Ends the program with exit code 2 where the arguments make no sense. */
void options_parse(struct options *options, int argc, char **argv);

#endif
