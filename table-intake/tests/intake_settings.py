# SPDX-License-Identifier: Apache-2.0
"""Settings as a file has them."""

from pydantic import ValidationError
from table_intake import Refused, TableSettings
from table_intake.settings import yaml_core


def parse(name: str, text: str) -> TableSettings:
    """Return the settings in a text of YAML."""
    try:
        return TableSettings.model_validate(yaml_core.load(text) or {})
    except ValidationError as error:
        raise Refused(name, str(error)) from None
