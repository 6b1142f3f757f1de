# SPDX-License-Identifier: Apache-2.0
"""A client of the doors `/faults` and `/clock` of the local cloud, see docs/faults.md."""

from personalize_local.testing import doors


class FaultDoor(doors.FaultDoor):
    """The doors of a cloud that was started with `--faults`: of its engine, or of the local AWS, which has more.

    Args:
        url: the engine's address (`engine` in `status --json`), or that of the local AWS (`endpoint`) and `/_local`.
    """

    def advance(self, seconds: float, resource: str | None = None) -> float:
        """Move the clock forward, of the local AWS for executions about `resource` only; return the time."""
        given = {"advanceSeconds": seconds} | ({"resource": resource} if resource else {})
        return float(self._ask("POST", "/clock", given)["now"])

    def scale_waits(self, factor: float) -> float:
        """Let a second of the local machines' waits and pauses take `factor` of one; return the factor before."""
        before = float(self._ask("GET", "/clock")["waitScale"])
        self._ask("POST", "/clock", {"waitScale": factor})
        return before

    def function_slots(self, slots: int) -> int:
        """Let so many of the local functions run at the same time, 0 for any number; return how many could before."""
        before = int(self._ask("GET", "/slots")["slots"])
        self._ask("POST", "/slots", {"slots": slots})
        return before
