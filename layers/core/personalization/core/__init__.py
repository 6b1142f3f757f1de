# SPDX-License-Identifier: Apache-2.0
"""What every room uses: errors, names, the environment, logs, CSV, and AWS's clients."""
