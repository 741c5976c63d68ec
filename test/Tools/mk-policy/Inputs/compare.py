# Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for licence information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares the answers of mk-policy, on standard input, with the expected parts of the vector files named."""

import json
import struct
import sys


def exact(value):
    """Tells floats apart by their bits, and integers from floats and booleans."""
    if isinstance(value, float):
        return ("float", struct.pack("<d", value))
    if isinstance(value, list):
        return [exact(element) for element in value]
    if isinstance(value, dict):
        return {key: exact(element) for key, element in value.items()}
    return (type(value).__name__, value)


def expected_parts(vector):
    """What the answer to this line must be."""
    answer = {"id": vector["id"]}
    if "threads" in vector:
        answer["stats"] = [op["stats"] for op in vector["ops"]]
        answer["outcomes"] = [None if op["op"] == "reset" else vector["results"][op["result"]] for op in vector["ops"]]
        return answer
    if vector["fn"] == "priority_accounting":
        answer["ops"] = vector["ops"]
    for key in ("expect", "expect_scratch", "covering_worker_groups", "topology_evidence", "promotion_evidence"):
        if key in vector:
            answer[key] = vector[key]
    return answer


answers = [json.loads(line) for line in sys.stdin]
vectors = [json.loads(line) for path in sys.argv[1:] for line in open(path, encoding="utf-8")]
assert len(answers) == len(vectors), f"{len(answers)} answers for {len(vectors)} vectors"
wrong = [v["id"] for v, a in zip(vectors, answers) if exact(a) != exact(expected_parts(v))]
print(f"{len(vectors) - len(wrong)} lines agree, {len(wrong)} differ")
for identifier in wrong[:10]:
    print(f"differs: {identifier}")
sys.exit(bool(wrong))
