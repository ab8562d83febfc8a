#include "options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "memory.h"
#include "mode.h"
#include "verdict.h"

static const char USAGE[] =
    "usage: load MODE --port P [options]\n"
    "modes: command fanout push connect hold http\n"
    "options, HEX being bytes in hexadecimal, with ######## where the number of the message belongs:\n"
    "  --host ADDRESS             IPv4, default 127.0.0.1\n"
    "  --path PATH                default /; {n} becomes the socket's number\n"
    "  --header 'Name: value'     in the upgrade request; repeatable\n"
    "  --opcode 1|2               of requests and answers; default 1\n"
    "  --await HEX, --say HEX     in this order, before a socket counts as open; repeatable\n"
    "  --answer-text HEX HEX      answer a text message with another whenever it comes\n"
    "  --ignore-prefix HEX        skip messages that start so; repeatable\n"
    "  --sockets N                default 1 (fanout: the receivers)\n"
    "  --window K                 connections opened at once, default 50\n"
    "  --sources N                connect from 127.0.0.1 to 127.0.0.N, default 1\n"
    "  --timeout S                how long opening may stand still and the last answers may take, default 10\n"
    "  --seconds S, --warmup W    how long is measured (1), after what time (0)\n"
    "  --request HEX, --reply HEX, --push HEX\n"
    "  --depth D                  command: requests in flight per socket, push: in all; default 1\n"
    "  --requests-in-flight F     command: requests in flight in all, over the sockets in turn\n"
    "  --burst K                  fanout: pushes to each receiver for one request, default 1\n"
    "  --trigger-path PATH        fanout, push: the path of the socket that sends\n"
    "  --trigger-port P           fanout, push: the port that it connects to, default that of --port\n"
    "  --acknowledge HEX          push: what the receiver says after each read. @@@@@@@@@@@@@@@@ in it is the last id it\n"
    "                             got: there @@@@@@@@@@@@@@@@ in --push stands for an id that rises\n";

enum option_number {
    HOST = 1, PORT, PATH, TRIGGER_PATH, HEADER, OPCODE, AWAIT, SAY, ANSWER_TEXT, IGNORE_PREFIX, SOCKETS, WINDOW,
    SOURCES, TIMEOUT, SECONDS, WARMUP, REQUEST, REPLY, PUSH, DEPTH, REQUESTS_IN_FLIGHT, BURST, TRIGGER_PORT,
    ACKNOWLEDGE,
};

static const struct option OPTIONS[] = {
    {"host", 1, NULL, HOST}, {"port", 1, NULL, PORT}, {"path", 1, NULL, PATH},
    {"trigger-path", 1, NULL, TRIGGER_PATH}, {"header", 1, NULL, HEADER}, {"opcode", 1, NULL, OPCODE},
    {"await", 1, NULL, AWAIT}, {"say", 1, NULL, SAY}, {"answer-text", 1, NULL, ANSWER_TEXT},
    {"ignore-prefix", 1, NULL, IGNORE_PREFIX}, {"sockets", 1, NULL, SOCKETS}, {"window", 1, NULL, WINDOW},
    {"sources", 1, NULL, SOURCES}, {"timeout", 1, NULL, TIMEOUT}, {"seconds", 1, NULL, SECONDS},
    {"warmup", 1, NULL, WARMUP}, {"request", 1, NULL, REQUEST}, {"reply", 1, NULL, REPLY}, {"push", 1, NULL, PUSH},
    {"depth", 1, NULL, DEPTH}, {"requests-in-flight", 1, NULL, REQUESTS_IN_FLIGHT}, {"burst", 1, NULL, BURST},
    {"trigger-port", 1, NULL, TRIGGER_PORT}, {"acknowledge", 1, NULL, ACKNOWLEDGE},
    {0},
};

static unsigned whole_number(const char *name, const char *text, unsigned lowest, unsigned highest) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || *text < '0' || *text > '9' || *end || value < lowest || value > highest)
        fail_usage("--%s %s: a whole number from %u to %u is needed", name, text, lowest, highest);
    return (unsigned)value;
}

static double seconds(const char *name, const char *text) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0 && value <= 1e6))
        fail_usage("--%s %s: a number of seconds is needed", name, text);
    return value;
}

static struct bytes hex(const char *name, const char *text) {
    struct bytes bytes = {0};
    if (!bytes_append_hex(&bytes, text)) fail_usage("--%s %s: pairs of hexadecimal digits are needed", name, text);
    return bytes;
}

static void add_step(struct options *options, bool say, struct bytes bytes) {
    options->steps = memory_resized(options->steps, options->step_count + 1, sizeof *options->steps);
    options->steps[options->step_count++] = (struct step){.say = say, .bytes = bytes};
}

static void add_ignored(struct options *options, struct bytes prefix) {
    if (!prefix.length) fail_usage("--ignore-prefix: an empty one would skip every message");
    options->ignored = memory_resized(options->ignored, options->ignored_count + 1, sizeof *options->ignored);
    options->ignored[options->ignored_count++] = prefix;
}

/* The option with two values: getopt knows the first, the second stands behind it. */
static void set_answer_text(struct options *options, const char *name, const char *value, int argc, char **argv) {
    if (optind >= argc) fail_usage("--%s: two values are needed", name);
    options->answers_text = true;
    options->answered_text = hex(name, value);
    options->answer_text = hex(name, argv[optind++]);
}

static void set_host(struct options *options, const char *value) {
    if (inet_pton(AF_INET, value, &options->host) != 1) fail_usage("--host %s: an IPv4 address is needed", value);
    options->host_text = value;
}

static void set_option(struct options *options, int option, const char *name, char *value) {
    switch (option) {
    case HOST: set_host(options, value); break;
    case PORT: options->port = (uint16_t)whole_number(name, value, 1, 65535); break;
    case PATH: options->path = value; break;
    case TRIGGER_PATH: options->trigger_path = value; break;
    case TRIGGER_PORT: options->trigger_port = (uint16_t)whole_number(name, value, 1, 65535); break;
    case HEADER:
        bytes_append_text(&options->headers, value);
        bytes_append_text(&options->headers, "\r\n");
        break;
    case OPCODE: options->opcode = (uint8_t)whole_number(name, value, OPCODE_TEXT, OPCODE_BINARY); break;
    case AWAIT: add_step(options, false, hex(name, value)); break;
    case SAY: add_step(options, true, hex(name, value)); break;
    case IGNORE_PREFIX: add_ignored(options, hex(name, value)); break;
    case SOCKETS: options->sockets = whole_number(name, value, 1, 10000000); break;
    case WINDOW: options->window = whole_number(name, value, 1, 10000000); break;
    case SOURCES: options->sources = whole_number(name, value, 1, 254); break;
    case TIMEOUT: options->timeout = seconds(name, value); break;
    case SECONDS: options->seconds = seconds(name, value); break;
    case WARMUP: options->warmup = seconds(name, value); break;
    case REQUEST: options->request = hex(name, value); break;
    case REPLY: options->reply = hex(name, value); break;
    case PUSH: options->push = hex(name, value); break;
    case ACKNOWLEDGE: options->acknowledge = hex(name, value); break;
    case DEPTH: options->depth = whole_number(name, value, 1, 1000000); break;
    case REQUESTS_IN_FLIGHT: options->requests_in_flight = whole_number(name, value, 1, 10000000); break;
    case BURST: options->burst = whole_number(name, value, 1, 1000000); break;
    }
}

static void check_required(const struct options *options, const bool *given) {
    if (!options->port) fail_usage("--port is needed");
    for (const struct option *option = OPTIONS; option->name; option++) {
        char word[64];
        snprintf(word, sizeof word, " %s ", option->name);
        if (!given[option->val] && strstr(options->mode->required, word))
            fail_usage("mode %s needs --%s", options->mode->name, option->name);
    }
}

void options_parse(struct options *options, int argc, char **argv) {
    *options = (struct options){.path = "/", .trigger_path = "/", .opcode = OPCODE_TEXT, .sockets = 1, .depth = 1,
                                .burst = 1, .window = 50, .sources = 1, .seconds = 1, .timeout = 10};
    set_host(options, "127.0.0.1");
    if (argc < 2 || !(options->mode = mode_named(argv[1]))) {
        fputs(USAGE, stderr);
        exit(EXIT_USAGE);
    }
    bool given[ACKNOWLEDGE + 1] = {false};
    int option, index;
    optind = 2;
    while ((option = getopt_long(argc, argv, "", OPTIONS, &index)) != -1) {
        if (option == '?') exit(EXIT_USAGE);
        given[option] = true;
        if (option == ANSWER_TEXT) set_answer_text(options, OPTIONS[index].name, optarg, argc, argv);
        else set_option(options, option, OPTIONS[index].name, optarg);
    }
    if (optind < argc) fail_usage("%s: not an option", argv[optind]);
    check_required(options, given);
    if (!options->trigger_port) options->trigger_port = options->port;
}
