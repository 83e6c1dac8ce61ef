#!/usr/bin/env bash
# No argument list of the code generator holds two calls that write: evaluation_order.py.
set -euo pipefail
python3 "$(dirname "${BASH_SOURCE[0]}")/evaluation_order.py"
