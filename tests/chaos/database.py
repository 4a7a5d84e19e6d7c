"""The database of a run in which it fails over: a primary and a synchronous standby."""

import psycopg2

from harness import netns
from harness.replication import Pair

# A standby that lost its primary for a moment is back at once: grants wait for it.
SETTINGS = {"wal_retrieve_retry_interval": "200ms"}


class Database(Pair):
    """Stands where a single server would; what is done to "the database" is done to the primary."""

    def __init__(self, run, settings):
        super().__init__(run, "postgres", True, {**settings, **SETTINGS})

    @property
    def servers(self):
        return self.old, self.new

    @property
    def ports(self):
        return [server.port for server in self.servers]

    def admit(self):
        for server in self.servers:
            netns.admit(server)

    def in_step(self):
        """Whether the standby follows; also false while the primary does not answer."""
        try:
            return self.standby_state() == "sync"
        except psycopg2.OperationalError:
            return False

    def start(self):
        self.primary.start()

    def stop(self):
        self.primary.stop()

    def kill(self):
        self.primary.kill()
