/* Numbers as text, shared by the report's formats. */
#ifndef DTQ_REPORT_NUMBER_H
#define DTQ_REPORT_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

enum { NUMBER_MAX = 40 }; /* bytes that any of these needs, with the terminating zero */

/** The shortest decimal text that reads back as `value`; whole numbers below 2^53 without exponent or point. False and
 *  an empty text if `value` is not finite. */
bool number_shortest(double value, char out[NUMBER_MAX]);

/** `value` rounded to a whole number, its digits grouped by commas: 1,234,567. */
const char *number_grouped(double value, char out[NUMBER_MAX]);

/** Bytes in decimal units: "812 B", "4.72 MB". */
const char *number_bytes(double bytes, char out[NUMBER_MAX]);

#endif
