#pragma once
#include "base/error.h"

#include <stdbool.h>

/* Where the events of a device go, for `holdfast explain`. It blocks, so it is for that one-shot
 * command, never for a node's loop. */

struct configuration;

struct store_explanation {
    char *fleet;
    char *thing;   /* NULL: unbound */
    char *binding; /* how it comes to that */
    struct configuration *configuration;
};

/* `conninfo` is all that libpq understands; its user is a reader or an administrator. `fleet` NULL:
 * found by the device. Free with store_explanation_free, also after a failure. */
bool store_explain(const char *conninfo, const char *device, const char *module, const char *fleet,
                   struct store_explanation *to, struct error *err);
void store_explanation_free(struct store_explanation *explanation);
