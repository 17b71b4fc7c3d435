"""Rewrites a history as programs do that know of nobody else: read it, change
it, write it over what is there, in place and without a lock, until the file
named second appears. It ends with 3 where it read something broken."""

import json
import os
import sys
import time

path, stop = sys.argv[1], sys.argv[2]
rounds = 0
while not os.path.exists(stop):
    try:
        with open(path, encoding="utf-8") as file:
            history = json.load(file)
    except FileNotFoundError:
        time.sleep(0.001)
        continue
    except ValueError as error:
        print("round", rounds, "found", error, file=sys.stderr)
        sys.exit(3)
    if rounds < 50:
        history["runs"].append({"timestamp": "2026-03-07T18:16:24", "type": "autotest", "model_m1": "é", "total_tests": rounds})
    history["updated"] = rounds
    with open(path, "w", encoding="utf-8") as file:
        json.dump(history, file, indent=2)
    rounds += 1
    time.sleep(0.02)
print(rounds)
