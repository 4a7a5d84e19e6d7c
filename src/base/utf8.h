#pragma once
#include "base/slice.h"

/* The length in bytes of the UTF-8 sequence that `text` begins with, 1 to 4; 0 if it begins with
 * none: empty, cut short, an overlong form, a surrogate, or beyond U+10FFFF. */
size_t utf8_length(struct slice text);
