#include "core/ownership.h"

#define LOSE (OWNERSHIP_DO_STOP | OWNERSHIP_DO_DROP_ALL | OWNERSHIP_DO_END)
#define WAKE (OWNERSHIP_DO_STOP | OWNERSHIP_DO_DROP_ALL | OWNERSHIP_DO_ASK)
#define WOKEN_FROM(state)                                                                          \
    {                                                                                              \
        state, OWNERSHIP_WOKEN, OWNERSHIP_IN_DOUBT, WAKE,                                          \
            "woken up: nothing is sent before the database confirms the grant"                     \
    }
#define ABANDON (OWNERSHIP_DO_DROP_ALL | OWNERSHIP_DO_ABANDON)
#define DOUBT (OWNERSHIP_DO_DROP_ALL | OWNERSHIP_DO_ASK)
#define GIVE_UP (OWNERSHIP_DO_DROP_ALL | OWNERSHIP_DO_DECLINE)

static const struct ownership_edge edges[] = {
    {OWNERSHIP_WAITING, OWNERSHIP_OPENABLE, OWNERSHIP_OPENING, OWNERSHIP_DO_OPEN,
     "opening the partition"},
    {OWNERSHIP_WAITING, OWNERSHIP_MOVE, OWNERSHIP_DRAINING, OWNERSHIP_DO_DROP_UNSENT,
     "handing over: finishing what was begun"},
    {OWNERSHIP_WAITING, OWNERSHIP_UNREADABLE, OWNERSHIP_FINISHING, OWNERSHIP_DO_DROP_UNSENT,
     "this node does not reach the hub"},
    {OWNERSHIP_WAITING, OWNERSHIP_REVOKED, OWNERSHIP_ENDED, LOSE, "another session owns it now"},

    {OWNERSHIP_OPENING, OWNERSHIP_OPENED, OWNERSHIP_READING, OWNERSHIP_DO_NOTHING,
     "partition opened"},
    {OWNERSHIP_OPENING, OWNERSHIP_LOST, OWNERSHIP_WAITING, OWNERSHIP_DO_BACK_OFF,
     "could not open the partition, trying again"},
    {OWNERSHIP_OPENING, OWNERSHIP_STOLEN, OWNERSHIP_IN_DOUBT, DOUBT,
     "a higher token reads the partition: asking the database"},
    {OWNERSHIP_OPENING, OWNERSHIP_UNREADABLE, OWNERSHIP_FINISHING, OWNERSHIP_DO_DROP_UNSENT,
     "this node cannot read the partition"},
    {OWNERSHIP_OPENING, OWNERSHIP_MOVE, OWNERSHIP_DRAINING,
     OWNERSHIP_DO_STOP | OWNERSHIP_DO_DROP_UNSENT, "handing over: finishing what was begun"},
    {OWNERSHIP_OPENING, OWNERSHIP_REVOKED, OWNERSHIP_ENDED, LOSE, "another session owns it now"},

    {OWNERSHIP_READING, OWNERSHIP_LOST, OWNERSHIP_WAITING, OWNERSHIP_DO_BACK_OFF,
     "the partition was detached, opening it again"},
    {OWNERSHIP_READING, OWNERSHIP_STOLEN, OWNERSHIP_IN_DOUBT, DOUBT,
     "a higher token reads the partition: asking the database"},
    {OWNERSHIP_READING, OWNERSHIP_UNREADABLE, OWNERSHIP_FINISHING, OWNERSHIP_DO_DROP_UNSENT,
     "this node cannot read the partition"},
    {OWNERSHIP_READING, OWNERSHIP_MOVE, OWNERSHIP_DRAINING,
     OWNERSHIP_DO_STOP | OWNERSHIP_DO_DROP_UNSENT, "handing over: finishing what was begun"},
    {OWNERSHIP_READING, OWNERSHIP_REVOKED, OWNERSHIP_ENDED, LOSE, "another session owns it now"},

    {OWNERSHIP_DRAINING, OWNERSHIP_DRAINED, OWNERSHIP_SAVING, OWNERSHIP_DO_SAVE,
     "drained, saving the last checkpoint"},
    {OWNERSHIP_DRAINING, OWNERSHIP_OVERDUE, OWNERSHIP_KEEPING, OWNERSHIP_DO_KEEP,
     "the move is called off"},
    {OWNERSHIP_DRAINING, OWNERSHIP_KEPT, OWNERSHIP_WAITING, OWNERSHIP_DO_NOTHING,
     "the database has called the move off"},
    {OWNERSHIP_DRAINING, OWNERSHIP_STOLEN, OWNERSHIP_IN_DOUBT, DOUBT,
     "a higher token reads the partition: asking the database"},
    {OWNERSHIP_DRAINING, OWNERSHIP_REVOKED, OWNERSHIP_ENDED, LOSE, "another session owns it now"},

    {OWNERSHIP_SAVING, OWNERSHIP_SAVED, OWNERSHIP_RELEASING, OWNERSHIP_DO_RELEASE,
     "saved, handing over"},
    {OWNERSHIP_SAVING, OWNERSHIP_OVERDUE, OWNERSHIP_KEEPING, OWNERSHIP_DO_KEEP,
     "the move is called off"},
    {OWNERSHIP_SAVING, OWNERSHIP_KEPT, OWNERSHIP_WAITING, OWNERSHIP_DO_NOTHING,
     "the database has called the move off"},
    {OWNERSHIP_SAVING, OWNERSHIP_REVOKED, OWNERSHIP_ENDED, LOSE, "another session owns it now"},

    {OWNERSHIP_RELEASING, OWNERSHIP_RELEASED, OWNERSHIP_ENDED, LOSE, "handed over"},
    {OWNERSHIP_RELEASING, OWNERSHIP_REVOKED, OWNERSHIP_ENDED, LOSE, "another session owns it now"},
    {OWNERSHIP_RELEASING, OWNERSHIP_KEPT, OWNERSHIP_WAITING, OWNERSHIP_DO_NOTHING,
     "nobody took it over: reading on"},
    /* The hand-over may or may not have happened: only the next assignment tells. */
    {OWNERSHIP_RELEASING, OWNERSHIP_UNANSWERED, OWNERSHIP_IN_DOUBT, DOUBT,
     "no answer to the hand-over: asking the database"},

    {OWNERSHIP_KEEPING, OWNERSHIP_KEPT, OWNERSHIP_WAITING, OWNERSHIP_DO_NOTHING,
     "the partition stays, reading on"},
    {OWNERSHIP_KEEPING, OWNERSHIP_CONFIRMED, OWNERSHIP_WAITING, OWNERSHIP_DO_NOTHING,
     "the partition stays, reading on"},
    {OWNERSHIP_KEEPING, OWNERSHIP_REVOKED, OWNERSHIP_ENDED, LOSE, "another session owns it now"},
    /* It is ours until the database says otherwise, and what was begun may still be finished. */
    {OWNERSHIP_KEEPING, OWNERSHIP_UNANSWERED, OWNERSHIP_KEEPING, OWNERSHIP_DO_ASK,
     "the database has not kept it: asking again"},

    {OWNERSHIP_OPENING, OWNERSHIP_BAD_OFFSET, OWNERSHIP_ABANDONING, ABANDON,
     "the checkpoint's offset does not exist: beginning anew as the hub's policy says"},
    {OWNERSHIP_READING, OWNERSHIP_BAD_OFFSET, OWNERSHIP_ABANDONING, ABANDON,
     "the checkpoint's offset does not exist: beginning anew as the hub's policy says"},
    {OWNERSHIP_ABANDONING, OWNERSHIP_KEPT, OWNERSHIP_WAITING, OWNERSHIP_DO_NOTHING,
     "the old checkpoint is in the history, reading on"},
    {OWNERSHIP_ABANDONING, OWNERSHIP_UNANSWERED, OWNERSHIP_IN_DOUBT, DOUBT,
     "no answer from the database: asking again"},
    {OWNERSHIP_ABANDONING, OWNERSHIP_REVOKED, OWNERSHIP_ENDED, LOSE, "another session owns it now"},

    /* The next owner begins behind the checkpoint: what was delivered must stand in it. */
    {OWNERSHIP_FINISHING, OWNERSHIP_DRAINED, OWNERSHIP_STORING, OWNERSHIP_DO_SAVE,
     "nothing is under way any more, saving the last checkpoint"},
    {OWNERSHIP_FINISHING, OWNERSHIP_OVERDUE, OWNERSHIP_DECLINING, GIVE_UP,
     "what was begun cannot be finished in time: giving the partition back all the same"},
    {OWNERSHIP_FINISHING, OWNERSHIP_MOVE, OWNERSHIP_DRAINING, OWNERSHIP_DO_NOTHING,
     "handing over: finishing what was begun"},
    {OWNERSHIP_FINISHING, OWNERSHIP_STOLEN, OWNERSHIP_IN_DOUBT, DOUBT,
     "a higher token reads the partition: asking the database"},
    {OWNERSHIP_FINISHING, OWNERSHIP_REVOKED, OWNERSHIP_ENDED, LOSE, "another session owns it now"},

    {OWNERSHIP_STORING, OWNERSHIP_SAVED, OWNERSHIP_DECLINING, GIVE_UP,
     "saved, giving the partition back"},
    {OWNERSHIP_STORING, OWNERSHIP_OVERDUE, OWNERSHIP_DECLINING, GIVE_UP,
     "the last checkpoint is not saved in time: giving the partition back all the same"},
    {OWNERSHIP_STORING, OWNERSHIP_MOVE, OWNERSHIP_DRAINING, OWNERSHIP_DO_NOTHING,
     "handing over: finishing what was begun"},
    {OWNERSHIP_STORING, OWNERSHIP_REVOKED, OWNERSHIP_ENDED, LOSE, "another session owns it now"},

    {OWNERSHIP_DECLINING, OWNERSHIP_RELEASED, OWNERSHIP_ENDED, LOSE, "declined"},
    {OWNERSHIP_DECLINING, OWNERSHIP_REVOKED, OWNERSHIP_ENDED, LOSE, "another session owns it now"},
    {OWNERSHIP_DECLINING, OWNERSHIP_KEPT, OWNERSHIP_WAITING, OWNERSHIP_DO_BACK_OFF,
     "nobody else can take it: trying again"},
    {OWNERSHIP_DECLINING, OWNERSHIP_UNANSWERED, OWNERSHIP_IN_DOUBT, DOUBT,
     "no answer from the database: asking again"},

    WOKEN_FROM(OWNERSHIP_WAITING),
    WOKEN_FROM(OWNERSHIP_OPENING),
    WOKEN_FROM(OWNERSHIP_READING),
    WOKEN_FROM(OWNERSHIP_DRAINING),
    WOKEN_FROM(OWNERSHIP_SAVING),
    WOKEN_FROM(OWNERSHIP_RELEASING),
    WOKEN_FROM(OWNERSHIP_KEEPING),
    WOKEN_FROM(OWNERSHIP_FINISHING),
    WOKEN_FROM(OWNERSHIP_STORING),
    WOKEN_FROM(OWNERSHIP_DECLINING),
    WOKEN_FROM(OWNERSHIP_ABANDONING),
    WOKEN_FROM(OWNERSHIP_IN_DOUBT),

    {OWNERSHIP_IN_DOUBT, OWNERSHIP_CONFIRMED, OWNERSHIP_WAITING, OWNERSHIP_DO_BACK_OFF,
     "the database confirms the grant: opening it again"},
    {OWNERSHIP_IN_DOUBT, OWNERSHIP_REVOKED, OWNERSHIP_ENDED, LOSE, "another session owns it now"},
};

const struct ownership_edge *ownership_edges(size_t *count)
{
    *count = sizeof edges / sizeof edges[0];
    return edges;
}

const struct ownership_edge *ownership_step(enum ownership_state state, enum ownership_event event)
{
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
        if (edges[i].from == state && edges[i].event == event)
            return &edges[i];
    return NULL;
}

const char *ownership_state_name(enum ownership_state state)
{
    static const char *const names[] = {[OWNERSHIP_WAITING] = "waiting",
                                        [OWNERSHIP_OPENING] = "opening",
                                        [OWNERSHIP_READING] = "reading",
                                        [OWNERSHIP_DRAINING] = "draining",
                                        [OWNERSHIP_SAVING] = "saving",
                                        [OWNERSHIP_RELEASING] = "releasing",
                                        [OWNERSHIP_KEEPING] = "keeping",
                                        [OWNERSHIP_FINISHING] = "finishing",
                                        [OWNERSHIP_STORING] = "storing",
                                        [OWNERSHIP_DECLINING] = "declining",
                                        [OWNERSHIP_ABANDONING] = "abandoning",
                                        [OWNERSHIP_IN_DOUBT] = "in doubt",
                                        [OWNERSHIP_ENDED] = "ended"};
    return names[state];
}

const char *ownership_event_name(enum ownership_event event)
{
    static const char *const names[] = {[OWNERSHIP_OPENABLE] = "openable",
                                        [OWNERSHIP_OPENED] = "opened",
                                        [OWNERSHIP_LOST] = "lost",
                                        [OWNERSHIP_STOLEN] = "stolen",
                                        [OWNERSHIP_UNREADABLE] = "unreadable",
                                        [OWNERSHIP_BAD_OFFSET] = "bad offset",
                                        [OWNERSHIP_MOVE] = "move",
                                        [OWNERSHIP_DRAINED] = "drained",
                                        [OWNERSHIP_SAVED] = "saved",
                                        [OWNERSHIP_OVERDUE] = "overdue",
                                        [OWNERSHIP_RELEASED] = "released",
                                        [OWNERSHIP_KEPT] = "kept",
                                        [OWNERSHIP_CONFIRMED] = "confirmed",
                                        [OWNERSHIP_REVOKED] = "revoked",
                                        [OWNERSHIP_UNANSWERED] = "unanswered",
                                        [OWNERSHIP_WOKEN] = "woken"};
    return names[event];
}
