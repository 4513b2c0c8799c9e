#!/usr/bin/env python3
"""Recomputes the evidence of a verdict from the formulas alone: `verify_evidence.py evidence.json`.

The file is what `Verdict::evidence` serializes to (`cargo run --example verdict -- comparisons.jsonl
--evidence evidence.json`). Needs Python 3.10 and nothing else. For each metric it computes ln E from
the sums, compares it with what the judgement says, and draws the finding anew. Ends with 1 if
anything differs.
"""
import hashlib
import json
import math
import sys

STAKES = [0.99, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005]
WEIGHTS = [0.08] * 10 + [0.05] * 4
THETAS = [1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0]


class Written(float):
    """A number that remembers how it was written: the hash is of the text."""

    def __new__(cls, text):
        number = super().__new__(cls, text)
        number.text = text
        return number


def compact(value):
    """JSON without a space, members in their order."""
    if isinstance(value, Written):
        return value.text
    if isinstance(value, dict):
        members = (f"{json.dumps(name)}:{compact(member)}" for name, member in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(compact, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def ln_mean(logs, weights):
    terms = [log + math.log(weight) for log, weight in zip(logs, weights)]
    most = max(terms)
    return most + math.log(sum(math.exp(term - most) for term in terms))


def ln_e(seen, gain):
    """seen: (x, count); gain: what a stake of 1 wins on x."""
    if not any(count for _, count in seen):
        return 0.0
    logs = [
        sum(count * math.log1p(stake * gain(x)) for x, count in seen if count) for stake in STAKES
    ]
    return ln_mean(logs, WEIGHTS)


def above(seen, null):
    """Evidence that the mean is above the null."""
    return ln_e(seen, lambda x: x / null - 1)


def below(seen, null):
    """Evidence that the mean is below the null."""
    return ln_e(seen, lambda x: (1 - x) / (1 - null) - 1)


def observations(counts):
    if counts["of"] == "paired":
        return [(1.0, counts["worse"]), (0.5, counts["same"]), (0.0, counts["better"])]
    if counts["of"] == "share":
        return [(1.0, counts["yes"]), (0.0, counts["no"])]
    bins = counts["bins"]
    return [(place / (len(bins) - 1), count) for place, count in enumerate(bins)]


def may_roll_back(metric):
    different = ("disagreement", "distance", "outcome")
    return metric["role"] == "guardrail" and metric["kind"] not in different


def rate_ratio(stages, ratio):
    """Evidence that the candidate's failing users are more than `ratio` times as frequent."""
    logs = []
    for theta in THETAS:
        log = 0.0
        for share, candidate, held_back in stages:
            odds = share / (1 - share) * ratio
            p0, p1 = odds / (1 + odds), odds * theta / (1 + odds * theta)
            log += candidate * math.log(p1 / p0) + held_back * math.log((1 - p1) / (1 - p0))
        logs.append(log)
    return ln_mean(logs, [1 / len(THETAS)] * len(THETAS))


def live(tally, metric):
    stages = []
    for stage in tally["live"].values():
        share = stage["share"] / 100_000
        arms = []
        for arm in (stage["candidate"], stage["held_back"]):
            empty = {"hashes": [], "below": None}
            late = arm["late"].get(metric["name"], empty)
            arms.append(arm["failed"] if metric["kind"] == "live_failures" else late)
        limits = [arm["below"] for arm in arms if arm["below"] is not None]
        limit = min(limits) if limits else math.inf
        counts = [sum(key < limit for key in arm["hashes"]) for arm in arms]
        if 0 < share < 1:
            stages.append((share, *counts))
    return stages


def close(found, expected):
    if found is None or expected is None:
        return found is expected
    return abs(found - expected) <= 1e-9 * max(1.0, abs(expected))


def recompute(config, tally, metric):
    """What the judgement must say of a metric: numbers by name, and the finding."""
    attempt = 0.5 ** tally["attempt"]
    sharing = sum(map(may_roll_back, config["metrics"])) if may_roll_back(metric) else 1
    worse_at = -math.log(config["budget"]["rollback"] * attempt / max(sharing, 1))
    not_worse_at = -math.log(config["budget"]["promote"] * attempt)
    numbers = {"threshold": {"worse": worse_at, "not_worse": not_worse_at}}
    if metric["kind"] in ("live_failures", "live_late"):
        stages = live(tally, metric)
        if not any(candidate + held_back for _, candidate, held_back in stages):
            return numbers, "no_data"
        numbers["ln_e_worse"] = rate_ratio(stages, metric["ratio"] or 1.0)
        return numbers, "worse" if numbers["ln_e_worse"] >= worse_at else "undecided"
    if metric["kind"] == "outcome":
        return numbers, None  # shown only: holds in the limit
    seen = observations(tally["metrics"][metric["name"]])
    total = sum(count for _, count in seen)
    if total == 0:
        return numbers, "no_data"
    mean = sum(x * count for x, count in seen) / total
    margin, bound = metric["margin"], metric["bound"]
    if metric["kind"] in ("disagreement", "distance"):
        numbers["estimate"] = mean * bound
        if margin is None:
            return numbers, "undecided"
        numbers["ln_e_worse"] = above(seen, margin / bound)
        numbers["ln_e_not_worse"] = below(seen, margin / bound)
        if numbers["ln_e_worse"] >= worse_at:
            return numbers, "worse"
        return numbers, "not_worse" if numbers["ln_e_not_worse"] >= not_worse_at else "undecided"
    numbers["estimate"] = (2 * mean - 1) * bound
    numbers["ln_e_worse"] = above(seen, 0.5)
    numbers["ln_e_better"] = below(seen, 0.5)
    not_worse = not_better = False
    if margin is not None:
        margin = min(max(margin / bound, 0.0), 0.5)
        numbers["ln_e_not_worse"] = below(seen, (1 + margin) / 2)
        numbers["ln_e_not_better"] = above(seen, (1 - margin) / 2)
        not_worse = numbers["ln_e_not_worse"] >= not_worse_at
        not_better = numbers["ln_e_not_better"] >= not_worse_at
    if numbers["ln_e_worse"] >= worse_at:
        return numbers, "worse"
    if numbers["ln_e_better"] >= not_worse_at:
        return numbers, "better"
    if not_worse and not_better:
        return numbers, "equivalent"
    return numbers, "not_worse" if not_worse else "undecided"


def main(path):
    with open(path, encoding="utf-8") as file:
        evidence = json.load(file, parse_float=Written)
    config, tally, judgement = (evidence[name] for name in ("config", "tally", "judgement"))
    wrong = []
    if hashlib.sha256(compact(config).encode()).hexdigest() != tally["config_hash"]:
        wrong.append("the configuration is not the one that was hashed")
    if judgement["config_hash"] != tally["config_hash"]:
        wrong.append("the judgement is of another configuration than the sums")
    worse = False
    for metric, judged in zip(config["metrics"], judgement["metrics"], strict=True):
        numbers, finding = recompute(config, tally, metric)
        thresholds = numbers.pop("threshold")
        for name, number in thresholds.items():
            if not close(judged["threshold"][name], number):
                wrong.append(f"{metric['name']}: threshold of {name}: {judged['threshold'][name]}")
        for name, number in numbers.items():
            if not close(judged[name], number):
                wrong.append(f"{metric['name']}: {name}: says {judged[name]}, is {number}")
        if finding is not None and judged["finding"] != finding:
            wrong.append(f"{metric['name']}: says {judged['finding']}, is {finding}")
        worse |= finding == "worse" and may_roll_back(metric)
        print(f"{metric['name']}: {judged['finding']}, ln E worse {judged['ln_e_worse']:.6f}")
    if worse != (judgement["overall"] == "roll_back"):
        wrong.append(f"overall: says {judgement['overall']}")
    for problem in wrong:
        print(problem, file=sys.stderr)
    print("does not follow" if wrong else f"follows: {judgement['overall']}")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
