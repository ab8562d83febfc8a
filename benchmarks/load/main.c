#include <stdio.h>
#include <string.h>

#include "mode.h"
#include "stream.h"

static const struct mode MODES[] = {
    {"command", " request reply ", run_command},
    {"fanout", " request push trigger-path ", run_fanout},
    {"push", " request push trigger-path ", run_push},
    {"connect", "", run_connect},
    {"hold", "", run_hold},
    {"http", " request reply ", run_http},
};

const struct mode *mode_named(const char *name) {
    for (size_t i = 0; i < sizeof MODES / sizeof *MODES; i++)
        if (!strcmp(MODES[i].name, name)) return &MODES[i];
    return NULL;
}

int main(int argc, char **argv) {
    /* The reader acts on each line when it is written. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct options options;
    options_parse(&options, argc, argv);
    stream_raise_limit();
    struct loop loop;
    loop_create(&loop);
    struct verdict verdict = {0};
    options.mode->run(&loop, &options, &verdict);
    return verdict_exit_code(&verdict);
}
