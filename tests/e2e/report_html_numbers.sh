#!/usr/bin/env bash
# The HTML report's tiles and bars, for models, lengths and orders: their sums are the numbers of the JSON report.
set -euo pipefail
if ! command -v python3 >/dev/null; then
    echo "skipped: there is no python3"
    exit 77
fi
python3 -B "$ROOT/tests/e2e/report_html_numbers.py"
