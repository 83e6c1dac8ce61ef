#!/usr/bin/env bash
# Traces keep the rules of their format at clocks that do not divide a nanosecond; Perfetto's own importer keeps every slice.
set -euo pipefail
python3 "$ROOT/tests/e2e/trace.py"
