"""Why something was delivered twice, and which fault a pause belongs to. No I/O.

Promise 4: duplicates are at most what was delivered after the last saved checkpoint. Here that is
taken event by event: whoever had delivered it must have lost the partition without a hand-over, the
checkpoint cannot have reached the event some moments before that, and a fault must have been at work;
or the reply was lost.
"""

import typing

# Checkpoints are saved every 250 ms; the sanitizers and two busy cores make that longer.
UNSAVED = 2.5
# A request that was sent may still be accepted until it times out.
ON_THE_WIRE = 11.0
UNANSWERED = 3.0  # the same where the request has arrived and only the answer is in doubt
# What was accepted may still be without an answer for so long: the usual latency, that of the slowest
# fault, and busy cores.
ANSWER_TAKES = 2.2
SETTLING = 6.0  # an effect may come so long after its fault was healed
REACH = 14.0  # a session ends so long after its node's trouble began: TTL, sweep, and busy cores


class Record(typing.NamedTuple):
    """A fault as it was carried out; times in seconds since 1970."""

    kind: str
    target: str
    began: float
    ended: float
    repeats: str
    holds: bool


def backwards(moment, records):
    """Since when checkpoints may not have been saved, seen from a death at that moment."""
    since = moment - UNSAVED
    moved = True
    while moved:
        moved = False
        for record in records:
            if record.holds and record.began - UNSAVED < since <= record.ended + SETTLING:
                since = record.began - UNSAVED
                moved = True
    return since


class Window(typing.NamedTuple):
    """A partition that was lost without a hand-over: what its owner may have delivered in vain."""

    partition: str
    node: str
    above: int  # no checkpoint that it had the time to save stood higher
    lost_at: float
    until: float
    cause: str  # the kind of fault; None: nothing was done to it


class Causes:
    """`prefix` is Evidence's."""

    def __init__(self, records, takeovers, prefix):
        self.records = records
        self.prefix = prefix
        self.known = {}  # (partition, record): see _known
        self.windows = [window for window in (self._window(*each) for each in takeovers) if window]
        self.by_owner = {}
        for window in self.windows:
            if window.cause:
                self.by_owner.setdefault((window.partition, window.node), []).append(window)
        self.lost_replies = [record for record in records
                             if record.repeats in ("all", "answers", "network")]

    def _window(self, before, after):
        lost_at = before.until if before.until is not None else after.since
        near = [record for record in self.records
                if record.began <= lost_at + 1 and lost_at <= record.ended + REACH]
        mine = [record for record in near
                if record.repeats in ("node", "answers", "network") and record.target == before.node]
        holding = [record for record in near if record.holds]
        if not holding and (before.end_reason == "left" or before.end_reason == "declined" and not mine):
            return None  # it had finished what it had begun, and saved
        cause = mine or holding
        since = backwards(min((record.began for record in mine), default=lost_at), self.records)
        until = after.since + (ON_THE_WIRE if holding else UNSAVED)
        return Window(before.partition, before.node,
                      self.prefix(before.partition, before.node, since, until), lost_at, until,
                      max(cause, key=lambda record: record.began).kind if cause else None)

    def unexplained_takeovers(self):
        return [window for window in self.windows if window.cause is None]

    def of(self, repeat):
        """The kind of fault that explains a repetition, or None."""
        windows = (self._windows(repeat.partition, repeat.sequence, repeat.first)
                   or self._last_words(repeat.partition, repeat.again))
        if windows:
            return min(windows, key=lambda window: abs(window.lost_at - repeat.again.at)).cause
        replies = (self._replies(repeat.first) or self.late(repeat.again)
                   or self._read_again(repeat))
        return replies[-1].kind if replies else None

    def late(self, entry):
        """The faults after which it may have arrived late: what was on the wire when the network was
        cut, or ThingWorx stood still, arrives in the end, perhaps after the next owner has sent it."""
        return [record for record in self._replies(entry) if record.repeats in ("network", "all")]

    def _windows(self, partition, sequence, first):
        return [window for window in self.by_owner.get((partition, first.sender), ())
                if sequence > window.above and first.at <= window.until]

    def _last_words(self, partition, again):
        """What a dying or frozen node had on the wire may be accepted after its successor's."""
        return [window for window in self.by_owner.get((partition, again.sender), ())
                if window.lost_at <= again.at <= window.until]

    def _read_again(self, repeat):
        """The times when its sender stood still: it reads again, under the same grant, what it does not
        know to be accepted, and what was accepted beyond an event that was still open."""
        return [record for record in self.lost_replies
                if record.repeats == "answers"
                and record.target == repeat.first.sender == repeat.again.sender
                and repeat.first.at <= record.began <= repeat.again.at
                and repeat.sequence > self._known(repeat.partition, record)]

    def _known(self, partition, record):
        key = partition, record
        if key not in self.known:
            self.known[key] = self.prefix(partition, record.target, record.began - ANSWER_TAKES,
                                          record.began)
        return self.known[key]

    def _replies(self, entry):
        """The faults that may have kept the answer to what was accepted so from its sender."""
        return [record for record in self.lost_replies
                if record.began - ANSWER_TAKES <= entry.at <= record.ended + self._late(record)
                and (record.repeats == "all" or record.target == entry.sender)]

    @staticmethod
    def _late(record):
        """How long after its end requests may still arrive. A cut makes TCP wait longer and longer
        before it sends again, as long as the cut lasted."""
        if record.repeats == "network":
            return ON_THE_WIRE + record.ended - record.began
        return UNANSWERED

    def bound(self, evidence, checkpoint_before):
        """How many events the faults allow to come again: what was delivered in their windows and
        stood above the last checkpoint that was seen before, and what was answered in vain."""
        found = 0
        for key, first in evidence.first.items():
            if key in evidence.places:
                partition, sequence = evidence.places[key]
                if self._replies(first) or any(
                        sequence > checkpoint_before(partition, window.lost_at)
                        for window in self._windows(partition, sequence, first)):
                    found += 1
        return found


def pauses_by_kind(pauses, records):
    """{kind: (longest pause when it was alone, longest when others were at work too)}; "" is none."""
    found = {}
    for _partition, since, until in pauses:
        kinds = {record.kind for record in records
                 if record.began - 0.2 <= until and since <= record.ended + 1.0}
        for kind in kinds or {""}:
            alone, together = found.get(kind, (0.0, 0.0))
            if len(kinds) < 2:
                alone = max(alone, until - since)
            else:
                together = max(together, until - since)
            found[kind] = alone, together
    return found
