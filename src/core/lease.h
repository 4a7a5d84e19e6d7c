#pragma once
#include <stdbool.h>
#include <stdint.h>

/* How long a node may trust its lease. The server frees the lock when it has not heard the node
 * for the TTL, so a ping that is answered proves the lock up to TTL after the ping was *sent*;
 * the node stops trusting a margin earlier. One clock only: the node's own. */
struct lease {
    int64_t ttl_us, margin_us;
    int64_t trusted_until_us; /* 0: not held */
    int64_t doubt_at_us; /* when it is given up; later only after a slow join, see lease_taken */
    int64_t sent_us;     /* of the ping on the wire; 0: none */
    int64_t next_us;     /* when the next ping is due */
};

/* The margin covers the time between looking at the clock and acting on it. */
void lease_init(struct lease *lease, int64_t ttl_us);
/* The lock was taken by a call that was sent at `sent_us`. An answer that took so long that it
 * proves nothing any more is no reason to give up and to join again, which would take as long: the
 * lease is not trusted, but held until the first ping, due at once, has had its time. */
void lease_taken(struct lease *lease, int64_t sent_us, int64_t now_us);
void lease_lost(struct lease *lease);

bool lease_ping_due(const struct lease *lease, int64_t now_us);
void lease_ping_sent(struct lease *lease, int64_t now_us);
/* The ping on the wire was answered: extends the trust from when it was sent, not from now. */
void lease_ping_answered(struct lease *lease);

bool lease_trusted(const struct lease *lease, int64_t now_us);
/* Whether it is in doubt: no answer in time. */
bool lease_doubtful(const struct lease *lease, int64_t now_us);
int64_t lease_remaining_us(const struct lease *lease, int64_t now_us); /* never negative */
/* When to look again: the next ping or the doubt. INT64_MAX when not held. */
int64_t lease_next_us(const struct lease *lease);
