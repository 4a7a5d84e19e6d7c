#include "source/eventhubs/whereabouts.h"

#include "base/random.h"
#include "source/eventhubs/limits.h"

bool whereabouts_missed(struct whereabouts *w, int64_t now_us)
{
    /* An old answer says nothing about what has happened since. */
    if (now_us - w->missed_us > EVENTHUBS_MISSED_FORGET_US)
        w->same = 0;
    w->missed_us = now_us;
    w->missing = true;
    return w->same < EVENTHUBS_SAME_ANSWERS;
}

bool whereabouts_due(const struct whereabouts *w, int64_t now_us)
{
    return w->missing && now_us >= w->ask_at_us;
}

void whereabouts_same(struct whereabouts *w, int64_t now_us, struct random *random)
{
    int64_t most_us = EVENTHUBS_ASK_SAME_CAP_US;
    if (!w->missing)
        return;
    if (w->same < EVENTHUBS_SAME_ANSWERS)
        most_us = EVENTHUBS_ASK_SAME_BASE_US << w->same++;
    w->ask_at_us = now_us + most_us / 2 + (int64_t)random_below(random, (uint64_t)most_us / 2);
    w->missing = w->same < EVENTHUBS_SAME_ANSWERS;
}

void whereabouts_unanswered(struct whereabouts *w, int64_t now_us)
{
    w->ask_at_us = now_us + EVENTHUBS_ASK_AGAIN_US;
}

void whereabouts_arrived(struct whereabouts *w)
{
    w->missing = false;
    w->same = 0;
}
