#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Decides how many of a queue's first rows go into the next request, so that a row that is refused
 * is found alone while the rows keep their order. Knows numbers only. All zero is the beginning. */
struct bisect {
    uint32_t limit;   /* the next request has exactly these first rows at most; 0: no such limit */
    uint32_t suspect; /* among these first rows is at least one that is refused */
    uint32_t guarded; /* these first rows were refused together; nothing newer joins them */
};

/* The most rows that the next request may have; UINT32_MAX if all. */
uint32_t bisect_allowed(const struct bisect *b);
/* The first n rows were accepted and are gone. */
void bisect_accepted(struct bisect *b, uint32_t n);
/* The same n rows go again. */
void bisect_again(struct bisect *b, uint32_t n);
/* The first n rows are too large together; n > 1. */
void bisect_split(struct bisect *b, uint32_t n);
/* One of the first n rows is refused. True if n is 1: that row is found and is gone. */
bool bisect_refused(struct bisect *b, uint32_t n);
/* n rows behind the first `position` rows are gone without an answer. */
void bisect_removed(struct bisect *b, uint32_t position, uint32_t n);
/* Rows from this position on do not matter to bisect_removed. */
uint32_t bisect_horizon(const struct bisect *b);
