#include "core/inherit.h"

bool inherit_prefix(const struct inherit_past *past, int64_t stored)
{
    /* Before the former grant others delivered, and their dead letters may be lost. */
    if (stored < past->began)
        return false;
    /* A dead letter counts only where it is stored. What the checkpoint has passed is stored. */
    if (stored < past->lettered)
        return false;
    return past->prefix > stored;
}
