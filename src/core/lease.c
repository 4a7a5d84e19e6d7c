#include "core/lease.h"

/* Three pings fit into a TTL, so that one lost or slow answer costs nothing. */
enum { PINGS_PER_TTL = 3, MARGIN_DIVISOR = 5 };

void lease_init(struct lease *lease, int64_t ttl_us)
{
    *lease = (struct lease){.ttl_us = ttl_us, .margin_us = ttl_us / MARGIN_DIVISOR};
}

void lease_taken(struct lease *lease, int64_t sent_us, int64_t now_us)
{
    int64_t trust_us = lease->ttl_us - lease->margin_us;
    lease->trusted_until_us = sent_us + trust_us;
    lease->doubt_at_us = (now_us - sent_us < trust_us ? sent_us : now_us) + trust_us;
    lease->sent_us = 0;
    /* From when it was sent, as the trust: after a slow answer the first ping is due at once. */
    int64_t interval_us = lease->ttl_us / PINGS_PER_TTL;
    lease->next_us = now_us - sent_us < interval_us ? sent_us + interval_us : now_us;
}

void lease_lost(struct lease *lease)
{
    lease->trusted_until_us = 0;
    lease->doubt_at_us = 0;
    lease->sent_us = 0;
    lease->next_us = 0;
}

bool lease_ping_due(const struct lease *lease, int64_t now_us)
{
    return lease->trusted_until_us != 0 && lease->sent_us == 0 && now_us >= lease->next_us;
}

void lease_ping_sent(struct lease *lease, int64_t now_us)
{
    lease->sent_us = now_us;
    lease->next_us = now_us + lease->ttl_us / PINGS_PER_TTL;
}

void lease_ping_answered(struct lease *lease)
{
    if (lease->trusted_until_us == 0 || lease->sent_us == 0)
        return;
    lease->trusted_until_us = lease->sent_us + lease->ttl_us - lease->margin_us;
    lease->doubt_at_us = lease->trusted_until_us;
    lease->sent_us = 0;
}

bool lease_trusted(const struct lease *lease, int64_t now_us)
{
    return now_us < lease->trusted_until_us;
}

bool lease_doubtful(const struct lease *lease, int64_t now_us)
{
    return now_us >= lease->doubt_at_us;
}

int64_t lease_remaining_us(const struct lease *lease, int64_t now_us)
{
    return lease_trusted(lease, now_us) ? lease->trusted_until_us - now_us : 0;
}

int64_t lease_next_us(const struct lease *lease)
{
    if (lease->trusted_until_us == 0)
        return INT64_MAX;
    if (lease->sent_us != 0 || lease->doubt_at_us < lease->next_us)
        return lease->doubt_at_us;
    return lease->next_us;
}
