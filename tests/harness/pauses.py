"""How long each partition's delivery has paused, from the ledger's own times."""

from harness import http


def _rows(url):
    status, text = http.fetch(url)
    assert status == 200, text[:200]
    return (line.split("\t") for line in text.splitlines())


def partition_of_devices(cluster):
    """{device: partition}, by what the hub has in its log."""
    return {row[4]: row[0] for row in _rows(cluster.hub.control + "/log")}


def greatest(cluster, since_us, until_us):
    """{partition: the longest time, in ms, between two accepted events of it}, of the times that
    reach into the span. Microseconds since 1970, as the ledger has them."""
    partitions = partition_of_devices(cluster)
    accepted = {}
    for row in _rows(cluster.thingworx.control + "/ledger?names=seq"):
        if row[3] in partitions:
            accepted.setdefault(partitions[row[3]], []).append(int(row[1]))
    found = {}
    for partition, times in accepted.items():
        times.sort()
        found[partition] = max((after - before for before, after in zip(times, times[1:])
                                if after >= since_us and before <= until_us), default=0) / 1000
    return found
