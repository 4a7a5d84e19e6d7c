"""What really happened: the hub's log, the ledger, the history of ownerships."""

import bisect
import re
import typing

from harness import http

LOST_IN_A_CRASH = 3.0  # seconds of checkpoints; three times wal_writer_delay, and busy cores
_SEQ = re.compile(r'"seq":(\d+)')


class Accepted(typing.NamedTuple):
    at: float  # seconds since 1970
    sender: str
    device: str
    seq: int


class Repeat(typing.NamedTuple):
    """An acceptance beyond the first."""

    first: Accepted
    again: Accepted
    partition: str
    sequence: int


class Ownership(typing.NamedTuple):
    partition: str
    since: float
    until: float  # None: still
    node: str
    token: int
    how: str
    end_reason: str


class Evidence:
    def __init__(self, cluster):
        self.cluster = cluster
        self.places = self._read_log()  # (device, seq): (partition, sequence)
        self.accepted = self._read_ledger()
        self.ownerships = self._read_ownerships()
        self.dead = self._read_letters()  # (partition, sequence): when the last of it was filed
        self.first = {}  # (device, seq): the first acceptance
        self.every = {}  # (device, seq): all of them
        self.repeats = []
        self.log = {}  # partition: [(sequence, (device, seq))]
        for key, (partition, sequence) in self.places.items():
            self.log.setdefault(partition, []).append((sequence, key))
        for events in self.log.values():
            events.sort()
        for entry in self.accepted:
            key = entry.device, entry.seq
            first = self.first.setdefault(key, entry)
            self.every.setdefault(key, []).append(entry)
            if first is not entry and key in self.places:
                self.repeats.append(Repeat(first, entry, *self.places[key]))

    def _read_log(self):
        _status, text = http.fetch(self.cluster.hub.control + "/log", timeout=300)
        places = {}
        for line in text.splitlines():
            partition, sequence, _o, _t, device, _m, body = line.split("\t", 6)
            seq = _SEQ.search(body)
            if seq:
                places[device, int(seq[1])] = partition, int(sequence)
        return places

    def _read_ledger(self):
        _status, text = http.fetch(self.cluster.thingworx.control + "/ledger?names=seq", timeout=300)
        rows = (line.split("\t") for line in text.splitlines())
        return [Accepted(int(row[1]) / 1e6, row[2], row[3], int(row[6])) for row in rows]

    def _read_ownerships(self):
        return [Ownership(*row) for row in self.cluster.query(
            "SELECT p.partition, extract(epoch FROM lower(o.during))::float8 AS since,"
            "       extract(epoch FROM upper(o.during))::float8 AS until, o.node, o.token, o.how, o.end_reason"
            "  FROM holdfast.ownership o JOIN holdfast.partition p USING (partition_id)"
            " ORDER BY 1, 2")]

    def _read_letters(self):
        return {(row.partition, row.sequence): row.filed for row in self.cluster.query(
            "SELECT partition, sequence, extract(epoch FROM max(created_at))::float8 AS filed"
            "  FROM holdfast.dead_letters GROUP BY 1, 2")}

    # --- what follows from it ---

    def prefix(self, partition, node, moment, until):
        """Up to which event, as far as this node could know, all of the partition was done with at
        that moment: accepted (by the node itself: for the last time before `until`, as it sends again
        what it has no answer to) or a dead letter. A checkpoint stands no higher."""
        last = -1
        for sequence, key in self.log.get(partition, ()):
            mine = [entry.at for entry in self.every.get(key, ())
                    if entry.sender == node and entry.at <= until]
            first = self.first.get(key)
            accepted = max(mine) if mine else first.at if first else None
            filed = self.dead.get((partition, sequence))
            done = [at for at in (accepted, filed) if at is not None]
            if not done or max(done) > moment:
                break
            last = sequence
        return last

    def takeovers(self):
        """[(ownership before, ownership after)] where a partition changed hands without a hand-over:
        what the one had delivered and not checkpointed is delivered again by the other."""
        found = []
        for one, other in zip(self.ownerships, self.ownerships[1:]):
            if (one.partition == other.partition and one.token != other.token
                    and other.how != "moved"):
                found.append((one, other))
        return found

    def pauses(self, least=0.3):
        """[(partition, from, until)]: nothing of a partition was accepted for the first time."""
        times = {}
        for (device, seq), entry in self.first.items():
            place = self.places.get((device, seq))
            if place:
                times.setdefault(place[0], []).append(entry.at)
        found = []
        for partition, moments in times.items():
            moments.sort()
            found += [(partition, one, other) for one, other in zip(moments, moments[1:])
                      if other - one >= least]
        return found

    def early_checkpoints(self, samples):
        """Samples of checkpoints that passed an event which ThingWorx had not accepted by then and
        which is no dead letter: promise 3."""
        first_by_place = {self.places[key]: entry.at for key, entry in self.first.items()
                          if key in self.places}
        latest = {}  # partition: ([sequence], [greatest first acceptance up to it])
        for partition, sequence in sorted(self.places.values(), key=lambda place: (place[0], place[1])):
            sequences, maxima = latest.setdefault(partition, ([], []))
            at = 0.0 if (partition, sequence) in self.dead else first_by_place.get(
                (partition, sequence), float("inf"))
            sequences.append(sequence)
            maxima.append(max(at, maxima[-1] if maxima else 0.0))
        early = []
        for sample in samples:
            sequences, maxima = latest.get(sample.partition, ([], []))
            index = bisect.bisect_right(sequences, sample.sequence) - 1
            if index >= 0 and maxima[index] > sample.at:
                early.append(sample)
        return early

    def below_checkpoint(self, seen):
        """Repeats by a new owner of what stood below the checkpoint when it took over: promise 4."""
        begun = {}  # (partition, node): [since]
        for ownership in self.ownerships:
            begun.setdefault((ownership.partition, ownership.node), []).append(ownership.since)
        found = []
        for repeat in self.repeats:
            taken = [since for since in begun.get((repeat.partition, repeat.again.sender), ())
                     if since <= repeat.again.at]
            if (taken and repeat.first.at < taken[-1]
                    and seen.before(repeat.partition, taken[-1]) >= repeat.sequence):
                found.append(repeat)
        return found


class Seen:
    """The checkpoints that the watch has seen, to be asked what stood there at a time. Those that a
    crash of the database may have taken back do not count."""

    def __init__(self, samples, crashes):
        self.moments, self.sequences = {}, {}
        for sample in self._lasting(samples, crashes):
            self.moments.setdefault(sample.partition, []).append(sample.at)
            self.sequences.setdefault(sample.partition, []).append(sample.sequence)

    @staticmethod
    def _lasting(samples, crashes):
        for crash in crashes:
            before = [sample.life for sample in samples if sample.at <= crash]
            life = before[-1] if before else None
            samples = [sample for sample in samples
                       if sample.life != life or sample.at <= crash - LOST_IN_A_CRASH]
        return samples

    def before(self, partition, moment):
        """The last one seen before; -1 if there was none."""
        index = bisect.bisect_left(self.moments.get(partition, []), moment) - 1
        return self.sequences[partition][index] if index >= 0 else -1
