#!/usr/bin/env bash
# Files and what is kept of them. Usage: ROOT=. DTQC=build/dtqc tests/e2e/files.sh
set -euo pipefail
exec python3 "$ROOT/tests/e2e/files.py"
