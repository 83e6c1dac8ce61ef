#!/usr/bin/env bash
# What the manuals show of a terminal is what it shows; see sessions.py.
set -euo pipefail
/usr/bin/python3 -B "$ROOT/tests/e2e/sessions.py"
