"""./dev bench coordination: what coordination costs, and how fast it is, beside etcd and a TTL row.

On the real database, in one run: fail-over under three faults, the planning of many partitions,
many sessions at rest and half of them dying at once, fenced checkpoints, bindings.
"""

from bench import coordination_failover, coordination_rows, coordination_sessions, report
from harness import place
from harness.postgres import Postgres

PARTS = {
    "failover": coordination_failover.measure,
    "planning": coordination_rows.plan,
    "sessions": coordination_sessions.measure,
    "checkpoints": coordination_rows.checkpoints,
    "bindings": coordination_rows.bindings,
}


def parse():
    parser = report.parser("coordination", __doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    parser.add_argument("--only", choices=list(PARTS), action="append",
                        help="this part (may be repeated)")
    parser.add_argument("--sessions", type=int, default=300, help="live sessions")
    parser.add_argument("--partitions", type=int, default=10000, help="partitions in all")
    return parser.parse_args()


def main():
    options = parse()
    run = place.Run("coordination")
    postgres = Postgres(run, settings={"max_connections": 3 * options.sessions + 100}).start()
    run.note_children()
    result = {}
    for name in options.only or PARTS:
        result[name] = PARTS[name](run.part(name), postgres, options)
    failover = result.get("failover", {})
    report.finish(options, result, not failover.get("lost") and not failover.get("out_of_order"))


if __name__ == "__main__":
    report.run(main)
