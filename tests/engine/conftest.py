# SPDX-License-Identifier: Apache-2.0
"""What tests of the engine's backend share."""

from tests.engine.engine_shop import campaign, engine, shop  # noqa: F401 - fixtures
