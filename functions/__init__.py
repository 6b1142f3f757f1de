# SPDX-License-Identifier: Apache-2.0
"""One folder per Lambda function, one thin module in each."""
