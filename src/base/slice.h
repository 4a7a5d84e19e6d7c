#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* A borrowed run of bytes: not terminated, not owned. Valid as long as what it points into. */
struct slice {
    const char *p;
    size_t n;
};

static inline struct slice slice_from(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

#define SLICE_LITERAL(text) ((struct slice){(text), sizeof(text) - 1})
