#include "core/bisect.h"

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint32_t bisect_allowed(const struct bisect *b)
{
    if (b->limit > 0)
        return b->limit;
    if (b->suspect > 0)
        return b->suspect > 1 ? b->suspect / 2 : 1;
    return b->guarded > 0 ? b->guarded : UINT32_MAX;
}

void bisect_accepted(struct bisect *b, uint32_t n)
{
    b->limit = 0;
    b->suspect -= least(b->suspect, n);
    b->guarded -= least(b->guarded, n);
}

void bisect_again(struct bisect *b, uint32_t n)
{
    b->limit = n;
}

void bisect_split(struct bisect *b, uint32_t n)
{
    b->limit = n / 2;
}

bool bisect_refused(struct bisect *b, uint32_t n)
{
    b->limit = 0;
    if (n == 1) {
        /* The refusal of all that was suspect is explained. */
        b->suspect = 0;
        b->guarded -= least(b->guarded, 1);
        return true;
    }
    b->suspect = n;
    if (b->guarded < n)
        b->guarded = n;
    return false;
}

static void shrink(uint32_t *rows, uint32_t position, uint32_t n)
{
    if (*rows > position)
        *rows -= least(*rows - position, n);
}

void bisect_removed(struct bisect *b, uint32_t position, uint32_t n)
{
    shrink(&b->limit, position, n);
    shrink(&b->suspect, position, n);
    shrink(&b->guarded, position, n);
}

uint32_t bisect_horizon(const struct bisect *b)
{
    return b->limit > b->guarded ? b->limit : b->guarded;
}
