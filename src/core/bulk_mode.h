#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Whether a destination has the bulk service, and when to ask again. Until it is known, and
 * whenever it is not there, each Thing gets requests of its own. */
enum bulk_presence { BULK_UNKNOWN, BULK_PRESENT, BULK_ABSENT };

enum bulk_verdict {
    BULK_ANSWERED, /* it answered as the service does */
    BULK_REFUSED,  /* it is not there, may not be invoked, or is something else */
    BULK_NO_ANSWER /* nothing is known: the platform or the network failed */
};

struct bulk_mode {
    bool wanted;
    enum bulk_presence presence;
    bool asking;       /* a request without rows is under way */
    int64_t ask_at_us; /* not before */
};

/* What the administrator wants. Forgets what is known if that changes. */
void bulk_mode_want(struct bulk_mode *b, bool wanted);
/* Whether rows may go by the service. */
bool bulk_mode_usable(const struct bulk_mode *b);
/* Whether it is time to ask with a request without rows; `asking` is the caller's to set. */
bool bulk_mode_ask(const struct bulk_mode *b, int64_t now_us);
/* When it will be; INT64_MAX if never. */
int64_t bulk_mode_due_us(const struct bulk_mode *b);
/* What a request has shown, one with rows too. True if the presence changed. */
bool bulk_mode_answered(struct bulk_mode *b, enum bulk_verdict verdict, int64_t now_us);

const char *bulk_presence_name(enum bulk_presence presence);
