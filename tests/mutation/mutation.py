"""What a mutation is."""

import typing

COORDINATION = "sql/20_coordination/"


class Mutation(typing.NamedTuple):
    name: str
    rule: str  # the rule that it breaks
    file: str
    old: str
    new: str
    test: tuple
