/* The last line on stdout: the result as JSON. */
#ifndef REPORT_H
#define REPORT_H

#include "measure.h"
#include "verdict.h"

/* The result of a mode that counts single answers. */
void report_answers(const char *mode, const struct measure *measure, const struct verdict *verdict);

#endif
