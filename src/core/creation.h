#pragma once
#include "base/slice.h"
#include "core/answer.h"

#include <stdbool.h>
#include <stdint.h>

/* The making of one Thing, or of properties of one that is there: which service is called next, by
 * what the last one answered. Whoever comes second finds that there is nothing left to do, so it
 * may be begun again at any point, by any node, and by several at once.
 * Other nodes of a ThingWorx cluster see a new Thing a little later: a 404 soon after a step that
 * was accepted is no answer. */

enum creation_step {
    CREATION_CREATE,   /* EntityServices/CreateThing */
    CREATION_ENABLE,   /* EnableThing */
    CREATION_PROPERTY, /* AddPropertyDefinition, one after the other */
    CREATION_RESTART,  /* RestartThing */
    CREATION_DONE
};

enum creation_news {
    CREATION_NOTHING,
    CREATION_CREATED, /* the Thing was made */
    CREATION_ADDED,   /* the property was defined */
    CREATION_FINISHED,
    CREATION_REFUSED /* by rights or a template: tried again, later; said once */
};

/* How long a 404 may be the platform's own. */
#define CREATION_SYNC_MS 30000

struct creation {
    enum creation_step step;
    bool missing; /* the Thing, when this was begun */
    bool made;    /* by this */
    bool alarmed;
    uint32_t property; /* the next one */
    uint32_t properties;
    unsigned attempts; /* of this step */
    int status;        /* of CreateThing, if it was refused */
    int64_t accepted_us, next_us, done_us;
};

void creation_begin(struct creation *c, bool missing, uint32_t properties, int64_t now_us);
enum creation_news creation_answered(struct creation *c, enum answer_class class, int status,
                                     int64_t now_us);

/* What of a row a property is defined by: its name and base type, as they stand in JSON. False if
 * the row has none. */
bool creation_learn(struct slice row, struct slice *name, struct slice *base_type);
