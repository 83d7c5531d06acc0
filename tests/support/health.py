"""How tools of others judge the health of a request: kstatus (Flux, kubectl plugins) and Argo CD."""

import re
from pathlib import Path
from typing import Any

import lupa

GUIDE = Path(__file__).parents[2] / "docs" / "operations" / "gitops.md"


def kstatus(request: dict[str, Any]) -> str:
    """The status of an object of an unknown kind.

    The rules of `status.Compute` in sigs.k8s.io/cli-utils/pkg/kstatus/status (v0.37.2: generic.go, status.go).
    """
    metadata, status = request["metadata"], request.get("status", {})
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    if status.get("observedGeneration", metadata["generation"]) != metadata["generation"]:
        return "InProgress"
    conditions = {condition["type"]: condition["status"] for condition in status.get("conditions", ())}
    if conditions.get("Reconciling") == "True":
        return "InProgress"
    if conditions.get("Stalled") == "True":
        return "Failed"
    return "Current" if conditions.get("Ready", "True") == "True" else "InProgress"


def argo_cd(request: dict[str, Any]) -> tuple[str, str]:
    """Health and message by the check in Lua that the guide recommends."""
    (script,) = re.findall(r"_MosaicRequest: \|\n(.+?)```", GUIDE.read_text(), re.DOTALL)
    lua = lupa.LuaRuntime()
    lua.globals()["obj"] = lua.table_from(request, recursive=True)
    found = lua.execute(script)
    return found["status"], found["message"]
