#pragma once
#include <stddef.h>

/* The life of one grant: one partition, owned by this session under one token. A table of states;
 * the node carries out the actions. A new token is a new grant, never an old one that goes on. */
enum ownership_state {
    OWNERSHIP_WAITING, /* granted, nobody reads: the hub is away, or a back-off runs */
    OWNERSHIP_OPENING, /* the reader has asked to attach */
    OWNERSHIP_READING,
    OWNERSHIP_DRAINING,   /* a planned end: nothing new is read, what was begun is finished */
    OWNERSHIP_SAVING,     /* drained: the last checkpoint is on its way */
    OWNERSHIP_RELEASING,  /* the database is asked to hand it over */
    OWNERSHIP_KEEPING,    /* the move was called off: the database is asked to let us keep it */
    OWNERSHIP_FINISHING,  /* we cannot read it: what was begun is finished before it goes back */
    OWNERSHIP_STORING,    /* and the last checkpoint is on its way */
    OWNERSHIP_DECLINING,  /* we cannot read it: the database is asked to take it back */
    OWNERSHIP_ABANDONING, /* its offset does not exist: the database is asked to begin anew */
    OWNERSHIP_IN_DOUBT,   /* thrown out by a higher token: nothing until the database confirms */
    OWNERSHIP_ENDED
};

enum ownership_event {
    OWNERSHIP_OPENABLE, /* the hub is up and no back-off runs */
    OWNERSHIP_OPENED,
    OWNERSHIP_LOST,       /* the reader ended: connection or link lost */
    OWNERSHIP_STOLEN,     /* the reader ended: a higher token reads */
    OWNERSHIP_UNREADABLE, /* the reader ended: this node may not or cannot read it */
    OWNERSHIP_BAD_OFFSET, /* the reader ended: the checkpoint's offset is not in the log */
    OWNERSHIP_MOVE,       /* the database wants it handed over, or the node stops */
    OWNERSHIP_DRAINED,    /* everything begun is completed */
    OWNERSHIP_SAVED,      /* the last checkpoint is in the database */
    OWNERSHIP_OVERDUE,    /* giving it away takes too long, or the successor died */
    OWNERSHIP_RELEASED,
    OWNERSHIP_KEPT,
    OWNERSHIP_CONFIRMED,  /* the database says that the grant is ours */
    OWNERSHIP_REVOKED,    /* the database says that it is not, or a write was refused as stale */
    OWNERSHIP_UNANSWERED, /* the database could not answer */
    OWNERSHIP_WOKEN /* the process was stopped or suspended: who knows what happened meanwhile */
};

enum ownership_action {
    OWNERSHIP_DO_NOTHING = 0,
    OWNERSHIP_DO_STOP = 1,        /* close the reader */
    OWNERSHIP_DO_DROP_ALL = 2,    /* forget everything of it that is not on the wire */
    OWNERSHIP_DO_DROP_UNSENT = 4, /* forget what comes after the last value that was sent */
    OWNERSHIP_DO_OPEN = 8,        /* read on from where the tracker stands */
    OWNERSHIP_DO_BACK_OFF = 16,
    OWNERSHIP_DO_SAVE = 32,
    OWNERSHIP_DO_RELEASE = 64,
    OWNERSHIP_DO_KEEP = 128,
    OWNERSHIP_DO_DECLINE = 256,
    OWNERSHIP_DO_ASK = 512, /* ask the database whose it is */
    OWNERSHIP_DO_END = 1024,
    OWNERSHIP_DO_ABANDON = 2048
};

struct ownership_edge {
    enum ownership_state from;
    enum ownership_event event;
    enum ownership_state to;
    unsigned actions; /* enum ownership_action, or-ed; carried out in the order of their values */
    const char *sentence;
};

/* The edge to take. NULL: the event means nothing in this state and is ignored. */
const struct ownership_edge *ownership_step(enum ownership_state state, enum ownership_event event);
const char *ownership_state_name(enum ownership_state state);
const char *ownership_event_name(enum ownership_event event);
const struct ownership_edge *ownership_edges(size_t *count);
