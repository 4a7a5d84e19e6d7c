#include "core/bulk_mode.h"

#define ABSENT_US ((int64_t)60 * 1000000)   /* an administrator may import it at any time */
#define NO_ANSWER_US ((int64_t)1 * 1000000) /* the breaker decides whether anything is sent */

void bulk_mode_want(struct bulk_mode *b, bool wanted)
{
    if (b->wanted != wanted)
        *b = (struct bulk_mode){.wanted = wanted, .asking = b->asking};
}

bool bulk_mode_usable(const struct bulk_mode *b)
{
    return b->wanted && b->presence == BULK_PRESENT;
}

int64_t bulk_mode_due_us(const struct bulk_mode *b)
{
    return b->wanted && !b->asking && b->presence != BULK_PRESENT ? b->ask_at_us : INT64_MAX;
}

bool bulk_mode_ask(const struct bulk_mode *b, int64_t now_us)
{
    return bulk_mode_due_us(b) <= now_us;
}

bool bulk_mode_answered(struct bulk_mode *b, enum bulk_verdict verdict, int64_t now_us)
{
    enum bulk_presence before = b->presence;
    switch (verdict) {
    case BULK_ANSWERED:
        b->presence = BULK_PRESENT;
        break;
    case BULK_REFUSED:
        b->presence = BULK_ABSENT;
        b->ask_at_us = now_us + ABSENT_US;
        break;
    case BULK_NO_ANSWER:
        b->ask_at_us = now_us + NO_ANSWER_US;
        break;
    }
    return b->presence != before;
}

const char *bulk_presence_name(enum bulk_presence presence)
{
    static const char *const names[] = {"unknown", "present", "absent"};
    return names[presence];
}
