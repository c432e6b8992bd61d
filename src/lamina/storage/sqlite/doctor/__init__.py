"""The doctor: every invariant of a store file as a check, and the repair of what can be mended without losing a trace."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from lamina.errors import InputError, LaminaError, StoreError
from lamina.storage.protocol import Store
from lamina.storage.sqlite import SQLiteStore
from lamina.storage.sqlite.doctor.checks import Check, Finding
from lamina.storage.sqlite.doctor.edges import EDGE_CHECKS
from lamina.storage.sqlite.doctor.file import FILE_CHECKS
from lamina.storage.sqlite.doctor.items import ITEM_CHECKS
from lamina.storage.sqlite.doctor.ledgers import LEDGER_CHECKS
from lamina.storage.sqlite.doctor.vectors import VECTOR_CHECKS

__all__ = ["CHECKS", "Finding", "examine", "repair", "treat"]

log = logging.getLogger("lamina.storage")

# In the order of repair: what later checks stand on comes first.
CHECKS: tuple[Check, ...] = (*FILE_CHECKS, *ITEM_CHECKS, *EDGE_CHECKS, *VECTOR_CHECKS, *LEDGER_CHECKS)


def treat(store: Store, mend: bool) -> list[Finding]:
    """Examine a store, mend it if that is wanted, and return what is wrong (then). Raises `InputError` for another kind of store.

    >>> treat(SQLiteStore(None), mend=True)
    []
    """
    if not isinstance(store, SQLiteStore):
        raise InputError("doctor examines SQLite stores")
    findings = examine(store)
    return repair(store, findings) if mend and findings else findings


def examine(store: SQLiteStore) -> list[Finding]:
    """Every invariant that one state of the store breaks; others may write meanwhile.

    A check that cannot be made, because of damage that another check reports, is a finding itself.

    >>> examine(SQLiteStore(None))
    []
    """
    findings: list[Finding] = []
    with store.frozen() as view:
        view.connection.tolerate_damaged_text()
        for check in CHECKS:
            try:
                finding = check.finding(view)
            except StoreError as error:
                finding = Finding(
                    check.name, "error", 1, (str(error),), False, "check could not be made: mend the other findings first"
                )
            if finding is not None:
                findings.append(finding)
    return findings


def repair(store: SQLiteStore, findings: Iterable[Finding]) -> list[Finding]:
    """Mend what is repairable among some findings, in one transaction; returns what is still wrong afterwards.

    No trace is ever deleted. Derived items that cannot be kept are: their stage makes them again. A repair that fails is
    undone alone, and its finding is returned again.

    >>> repair(SQLiteStore(None), [])
    []
    """
    wanted = {finding.check for finding in findings if finding.repairable}
    with store.transaction(), store.connection.damaged_text_tolerated():
        for check in CHECKS:
            if check.repair is None or check.name not in wanted:
                continue
            try:
                with store.transaction():
                    check.repair(store)
            except LaminaError as error:
                log.warning("the repair of %s failed: %s", check.name, error)
        # Every view must be read anew: a raw change may have passed the log by.
        store.connection.execute("INSERT INTO change(item) VALUES (0)")
        store.connection.execute("DELETE FROM change")
    return examine(store)
