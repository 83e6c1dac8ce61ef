#!/usr/bin/env bash
# Reports of random models on random targets of every kind: shares and utilisations are within 0 and 1, no cycles are below a
# bound, and text, JSON, CSV and HTML say the same under the same name.
set -euo pipefail
if ! command -v python3 >/dev/null; then
    echo "skipped: there is no python3"
    exit 77
fi
python3 -B "$ROOT/tests/e2e/report_ratios.py"
