# SPDX-License-Identifier: Apache-2.0
"""Run a module as on a machine that has nothing of Linux alone: ``python tests/local/as_a_mac.py MODULE [ARGUMENT…]``.

psutil may read /proc: on macOS it asks otherwise.
"""

import os
import runpy
import select
import signal
import sys
from types import FrameType, ModuleType

ABSENT: dict[ModuleType, tuple[str, ...]] = {
    os: (
        "sched_getaffinity", "sched_setaffinity", "memfd_create", "eventfd", "pidfd_open", "posix_fadvise",
        "posix_fallocate", "copy_file_range", "splice", "timerfd_create", "getrandom", "setns", "unshare",
    ),
    select: ("epoll",),
    signal: ("pidfd_send_signal", "sigwaitinfo", "sigtimedwait"),
}  # fmt: skip
FILES = ("/proc", "/sys", "/dev/shm")  # noqa: S108


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event in {"open", "os.listdir", "os.scandir"} and str(arguments[0]).startswith(FILES):
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if "psutil" in frame.f_code.co_filename:
                return
            frame = frame.f_back
        raise FileNotFoundError(arguments[0])


def main() -> None:
    os.process_cpu_count = os.cpu_count  # type: ignore[attr-defined]
    for module, names in ABSENT.items():
        for name in names:
            vars(module).pop(name, None)
    sys.addaudithook(refuse)
    sys.path[0] = os.getcwd()  # noqa: PTH109
    sys.argv[:] = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
