#include "core/verbosity.h"

void verbosity_init(struct verbosity *v, enum log_level own)
{
    *v = (struct verbosity){.own = own};
}

void verbosity_ask(struct verbosity *v, const struct verbosity_wish *wish, int64_t now_us)
{
    if (wish->id == v->wish_id)
        return;
    v->wish_id = wish->id;
    v->until_us = 0;
    if (wish->id == 0 || wish->for_us <= 0)
        return;
    v->wish = wish->level;
    v->until_us = now_us + wish->for_us;
}

void verbosity_step(struct verbosity *v, bool more, int64_t now_us)
{
    int level = (int)verbosity_now(v, now_us) + (more ? -1 : 1);
    if (level < (int)LOG_DEBUG)
        level = LOG_DEBUG;
    if (level > (int)LOG_ERROR)
        level = LOG_ERROR;
    v->own = (enum log_level)level;
    v->until_us = 0;
}

enum log_level verbosity_now(struct verbosity *v, int64_t now_us)
{
    if (v->until_us != 0 && now_us >= v->until_us)
        v->until_us = 0;
    return v->until_us != 0 ? v->wish : v->own;
}
