#!/usr/bin/env python3
"""Checks documents against JSON Schemas: reads a pair [schema, document] per line, prints a line with what is wrong.

Fields that the schema does not name are errors here. A reader must tolerate them: a newer program may have more.
"""

import json
import sys

from jsonschema import Draft202012Validator


def closed(schema):
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: closed(part) for name, part in schema.items()}
    if isinstance(schema.get("properties"), dict):
        schema.setdefault("additionalProperties", False)
    return schema


for line in sys.stdin:
    schema, document = json.loads(line)
    Draft202012Validator.check_schema(schema)
    errors = Draft202012Validator(closed(schema)).iter_errors(document)
    print("; ".join(f"{error.json_path}: {error.message} {[why.message for why in error.context]}" for error in errors), flush=True)
