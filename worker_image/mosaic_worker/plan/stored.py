"""The plan in the store: written once, and only used by the code that made it."""

import json

from mosaic_crds import names
from mosaic_crds.errors import RequestError

from mosaic_worker.plan.model import Plan
from mosaic_worker.store import Store
from mosaic_worker.store.sweeping import sweep
from mosaic_worker.version import code_version, is_this_code


class OtherCodeError(RequestError):
    """Other code made the plan, so it must not be used."""


def read_plan(uid: str, store: Store) -> Plan | None:
    """The plan in the store, if any.

    Raises:
        OtherCodeError: other code made it.
    """
    written = store.read(names.plan_key(uid))
    if written is None:
        return None
    made_by = json.loads(written)["code"]
    if not is_this_code(made_by):
        raise OtherCodeError(
            f"the plan of the request was made by version {made_by} and this is version {code_version()}, because the "
            "worker image changed under its tag; delete the request and apply it again"
        )
    return Plan.from_json(written)


def kept_plan(uid: str, store: Store) -> Plan | None:
    """The plan of an earlier run, if any. The work of other code is deleted, so nobody else may work on the request."""
    try:
        return read_plan(uid, store)
    except OtherCodeError:
        sweep(uid, store)
        return None


def write_plan(plan: Plan, store: Store) -> Plan:
    """Write a plan create-only. Return the plan in the store."""
    while not store.create(names.plan_key(plan.uid), [plan.to_json()]):
        written = kept_plan(plan.uid, store)
        if written is not None:
            return written
    return plan
