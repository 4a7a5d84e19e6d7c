"""A candidate that leads by a plain row with a time to live, as River does it: whoever holds the row
renews it every 5 s, everybody else looks as often whether its 15 s are over.

usage: ttl_row.py NAME   with DATABASE in the environment; prints "waiting", and "leading" when it does
"""

import os
import random
import sys
import time

import psycopg2

EVERY = 5.0
JITTER = 1.0
TTL = EVERY + 10.0

TABLE = """
CREATE UNLOGGED TABLE IF NOT EXISTS ttl_row (
    name text PRIMARY KEY, leader text NOT NULL, expires_at timestamptz NOT NULL)"""
# Free or expired: take it; mine: renew it; else nothing.
CAMPAIGN = """
INSERT INTO ttl_row AS r (name, leader, expires_at)
VALUES ('leader', %(me)s, now() + %(ttl)s * interval '1 second')
    ON CONFLICT (name) DO UPDATE
   SET leader = excluded.leader, expires_at = excluded.expires_at
 WHERE r.leader = excluded.leader OR r.expires_at < now()
RETURNING leader"""


def main():
    me = sys.argv[1]
    connection = psycopg2.connect(os.environ["DATABASE"])
    connection.autocommit = True
    leading = False
    print("waiting", flush=True)
    with connection.cursor() as cursor:
        while True:
            cursor.execute(CAMPAIGN, {"me": me, "ttl": TTL})
            held = cursor.fetchone() is not None
            if held and not leading:
                print("leading", flush=True)
            leading = held
            time.sleep(EVERY + random.random() * (0 if leading else JITTER))


if __name__ == "__main__":
    main()
