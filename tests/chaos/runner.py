"""Carries the plan out: one loop, in which every fault is a generator that waits for conditions.

Children are started from here only: the kernel ends them with the thread that started them.
"""

import time

from chaos.schedule import claims_of, conflict

TICK = 0.02
LATEST = 8.0  # a fault that still has to wait for another one after that is left out
STUCK = 90.0  # a fault that has waited so long for its next step is itself a fault


class Runner:
    def __init__(self, world, faults, seconds, memory_mib):
        self.world = world
        self.waiting = list(faults)
        self.seconds = seconds
        self.memory_mib = memory_mib
        self.active = []  # [fault, generator, condition, record, claims, waiting since]
        self.skipped = []
        self.began = time.monotonic()

    def elapsed(self):
        return time.monotonic() - self.began

    def say(self, text):
        print(f"{self.elapsed():7.1f}  {text}", flush=True)

    def drive(self):
        self.began = time.monotonic()
        looked = 0.0
        while self.elapsed() < self.seconds or self.active or self.waiting:
            self._start_due()
            for entry in list(self.active):
                self._step(entry)
            if self.elapsed() - looked >= 0.5:
                looked = self.elapsed()
                self.world.check_processes(self.memory_mib)
            time.sleep(TICK)

    def _start_due(self):
        for fault in list(self.waiting):
            late = self.elapsed() - fault.at
            if late < 0:
                return
            kind = self.world.kinds[fault.kind]
            claims = claims_of(kind, fault.target, list(self.world.nodes))
            if any(conflict(claims, entry[4]) for entry in self.active):
                if late > LATEST:
                    self.waiting.remove(fault)
                    self.skipped.append(fault.number)
                    self.say(f"#{fault.number} {fault.kind}: left out, another one takes too long")
                continue
            self.waiting.remove(fault)
            record = self.world.record(fault)
            choice = f" {fault.choice}" if fault.choice else ""
            self.say(f"#{fault.number} {fault.kind} [{fault.target or 'cluster'}]"
                     f" {fault.seconds:g} s{choice}")
            self.active.append([fault, kind.run(self.world, fault), lambda: True, record, claims,
                                self.elapsed()])

    def _step(self, entry):
        fault, generator, condition, record, _claims, since = entry
        if not condition():
            if self.elapsed() - since > fault.seconds + STUCK:
                raise RuntimeError(f"fault #{fault.number} ({fault.kind}) does not end")
            return
        try:
            entry[2] = next(generator)
            entry[5] = self.elapsed()
        except StopIteration:
            record["ended"] = time.time()
            self.active.remove(entry)
            self.say(f"#{fault.number} {fault.kind}: healed")
