"""The fault table: every kind of fault, and what of it this machine can do."""

from chaos import (faults_database, faults_hub, faults_network, faults_placement, faults_process,
                   faults_thingworx)

KINDS = [*faults_process.KINDS, *faults_network.KINDS, *faults_placement.KINDS, *faults_database.KINDS,
         *faults_hub.KINDS, *faults_thingworx.KINDS]


def available(only=None, without=None):
    """([kinds that can be done here], {name: why not} of the others).

    `only` and `without` are texts: kinds whose name contains one of them.
    """
    can, cannot = [], {}
    for kind in KINDS:
        if only and not any(text in kind.name for text in only):
            continue
        if without and any(text in kind.name for text in without):
            continue
        why = kind.needs() if kind.needs else None
        if why:
            cannot[kind.name] = why
        else:
            can.append(kind)
    return can, cannot
