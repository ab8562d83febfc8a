/* The head of an HTTP response: status line and headers. */
#ifndef HEAD_H
#define HEAD_H

#include "bytes.h"

/* Its length with the empty line that ends it: 0 as long as that has not come. Ends the program where none comes. */
size_t head_length(const uint8_t *data, size_t length, unsigned number);

/* The code in the status line: 0 where there is none. */
unsigned head_status(const uint8_t *head, size_t length);

/* The value of a header, without the spaces around it, and its length: NULL where the header is missing. */
const char *head_value(const uint8_t *head, size_t length, const char *name, size_t *value_length);

#endif
