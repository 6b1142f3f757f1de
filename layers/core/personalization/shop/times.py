# SPDX-License-Identifier: Apache-2.0
"""Times of schedules in EventBridge Scheduler's notation."""

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

RATE = re.compile(r"rate\((1 (hour|day)|([2-9]|[1-9]\d{1,3}) (hours|days))\)")
CRON = re.compile(r"cron\((\S+ ){5}\S+\)")
"""Six fields: minutes, hours, day of the month, month, day of the week, year."""


def _time(every: str) -> str:
    if not RATE.fullmatch(every) and not CRON.fullmatch(every):
        raise ValueError("write rate(7 days), rate(1 day), rate(12 hours) or cron(0 3 ? * MON *)")
    return every


Every = Annotated[str, AfterValidator(_time)]
Timezone = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,49}$")]
