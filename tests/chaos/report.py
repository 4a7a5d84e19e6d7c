"""The verdict for people."""


def by_kind(records, pauses):
    """[(kind, times, seconds in all, pause alone, pause together)] in the order of their names."""
    rows = {}
    for record in records:
        times, seconds = rows.get(record.kind, (0, 0.0))
        rows[record.kind] = times + 1, seconds + record.ended - record.began
    lines = []
    for kind in sorted(rows):
        alone, together = pauses.get(kind, (0.0, 0.0))
        times, seconds = rows[kind]
        lines.append((kind, times, f"{seconds:.0f} s", _pause(alone), _pause(together)))
    if "" in pauses:
        lines.append(("(no fault at work)", "", "", _pause(pauses[""][0]), ""))
    return lines


def _pause(seconds):
    return f"{seconds:.1f} s" if seconds else "-"


def table(header, rows):
    widths = [max(len(str(row[column])) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, *rows]:
        yield "  ".join([str(row[0]).ljust(widths[0])]
                        + [str(cell).rjust(width) for cell, width in zip(row[1:], widths[1:])])


HEADER = ("fault", "times", "at work", "longest pause alone", "with others")


def lines(result, records, failures):
    """What stands on the screen in the end."""
    events = result["events"]
    yield ""
    yield from table(HEADER, by_kind(records, result["pauses"]))
    yield ""
    yield (f"{events['emitted']} events, {events['delivered']} delivered, {events['lost']} lost,"
           f" {events['altered']} altered, {events['out_of_order']} out of order,"
           f" {events['excepted']} dead letters.")
    yield (f"{result['repeated_deliveries']} deliveries came twice; the faults explain up to"
           f" {result['duplicates_bound']}; {result['unexplained']} unexplained."
           f" {result['takeovers']} take-overs without a hand-over.")
    for cause, count in sorted(result["duplicates_by_cause"].items(), key=lambda item: -item[1]):
        yield f"  {count} after: {cause}"
    yield "After the last heal: " + "; ".join(f"{what} after {seconds:g} s"
                                             for what, seconds in result["settled"].items()) + "."
    if failures:
        yield ""
        yield f"FAILED: {len(failures)} promises were broken:"
        for text in failures:
            yield f"  - {text}"
    else:
        yield "Every promise was kept."
