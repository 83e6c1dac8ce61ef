#!/usr/bin/env bash
# PyYAML 6.0.4 and ruamel.yaml 0.19.1, safe loaders: numbers as people write them in descriptions of machines.
# Expected: YAML 1.2's core schema, of which JSON's numbers are part: 1e9 and 2e-3 are floats, 012 is 12, 12:30 is text,
# and so are 1_000 and 0b101, which the core schema does not have.
# Seen: PyYAML, which is a reader of YAML 1.1, has text for 1e9, 1.0e9 and 2e-3, since a float needs a point and its
# exponent a sign: 1.0e+9. To it 012 is 10, 08 is text and 12:30 is 750. ruamel.yaml reads those as YAML 1.2 does, but
# also 1_000 as 1000 and 0b101 as 5. A clock in Hz, a size with zeros in front or an identifier with an underscore
# changes with the reader.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv PyYAML==6.0.4 ruamel.yaml==0.19.1
python - <<'PYTHON'
import ruamel.yaml
import yaml

readers = {"PyYAML": yaml.safe_load, "ruamel.yaml": ruamel.yaml.YAML(typ="safe").load}
expected = {  # value: (PyYAML, ruamel.yaml)
    "1e9": ("1e9", 1e9), "1.0e9": ("1.0e9", 1e9), "1.0e+9": (1e9, 1e9), "2e-3": ("2e-3", 0.002), "012": (10, 12),
    "08": ("08", 8), "12:30": (750, "12:30"), "1_000": (1000, 1000), "0b101": (5, 5),
}
for text, right in expected.items():
    seen = tuple(read(f"a: {text}")["a"] for read in readers.values())
    print(f"{text:7} " + ", ".join(f"{name} {value!r}" for name, value in zip(readers, seen)))
    assert seen == right and list(map(type, seen)) == list(map(type, right)), seen
PYTHON
