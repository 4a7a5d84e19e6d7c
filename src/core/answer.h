#pragma once
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* What an answer of ThingWorx means for the batch that was sent. */
enum answer_class {
    ANSWER_ACCEPTED,      /* the values are ThingWorx's now */
    ANSWER_RETRY,         /* nothing to do with the data: send the same again later */
    ANSWER_THROTTLED,     /* the same, and slower: honour Retry-After */
    ANSWER_CONFIGURATION, /* key, rights or URL are wrong: pause the destination, keep the data */
    ANSWER_SUSPECT,       /* the data may be at fault, or the platform is not what it should be */
    ANSWER_TOO_LARGE,     /* send less at once */
    ANSWER_CLASSES        /* how many there are */
};

/* One row of the table of answers. Statuses from `low` to `high`. */
struct answer_rule {
    int low, high;
    enum answer_class class;
    const char *meaning; /* what happened, for the operator */
    const char *hint;    /* what to do about it; "" if accepted */
};

/* The rule for one answer. `transport_failed`: no complete answer came (refused, reset, timed
 * out), `status` is ignored then. `html_body`: the body is an HTML page, which on 2xx is a login
 * page or a proxy's, never ThingWorx. Never NULL; the strings are constants. */
const struct answer_rule *answer_rule(int status, bool transport_failed, bool html_body);

/* Only the class of that rule. */
enum answer_class answer_classify(int status, bool transport_failed, bool html_body);

/* "accepted", "retry", ...: for metrics and logs. */
const char *answer_class_name(enum answer_class class);

/* Writes the first bytes of an answer's body as one line of printable UTF-8, terminated, at most
 * size - 1 bytes: runs of blanks and control characters become one space, anything that is not
 * UTF-8 becomes '?'. size is at least 1. */
void answer_text(struct slice body, char *out, size_t size);

/* Whether the text of a 404 says that the Thing itself was not found, and not one of its
 * properties: "Entity Not Found : [name]". */
bool answer_names_missing(struct slice text, struct slice thing);
