#!/usr/bin/python3
"""The alert rules and the dashboard of deploy/ name metrics and labels that a node has; every rule has a
section in the runbook, and tests that see it fire and stay silent; promtool has nothing to say."""

import json
import pathlib
import re
import subprocess
import sys

import docs
import sources

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import tables  # pylint: disable=wrong-import-position

PROMETHEUS = sources.ROOT / "deploy/prometheus"
DASHBOARD = sources.ROOT / "deploy/grafana/holdfast.json"
RUNBOOK = "docs/runbook.md"
# What Prometheus itself adds.
ADDED = {"job", "instance", "le"}
SELECTOR = re.compile(r"\b((?:holdfast|process)_\w+|up)\b(?:\{([^}]*)\})?")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
ALERT = re.compile(r"^ +- alert: (\w+)$\n +expr: '((?:[^']|'')*)'$(.*?)(?=^ +- alert:|\Z)", re.M | re.S)


def known():
    """{name of a series: its labels}"""
    found = {"up": set()}
    for name, kind, labels, _text in tables.metrics():
        for end in ("_bucket", "_sum", "_count") if kind == "histogram" else ("",):
            found[name + end] = set(re.findall(r"\w+", labels))
    return found


def expressions():
    """[(where, PromQL)]"""
    rules = (PROMETHEUS / "holdfast.rules.yml").read_text(encoding="utf-8")
    found = [(f"holdfast.rules.yml: {name}", expr.replace("''", "'"))
             for name, expr, _rest in ALERT.findall(rules)]
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    for panel in board["panels"]:
        found += [(f"holdfast.json: {panel['title']}", target["expr"])
                  for target in panel.get("targets", ())]
    found += [("holdfast.json: annotations", item["expr"]) for item in board["annotations"]["list"]]
    found += [("holdfast.json: variables", item["query"]["query"])
              for item in board["templating"]["list"] if item["type"] == "query"]
    return found


def unknown_names(series):
    for where, expr in expressions():
        names = SELECTOR.findall(re.sub(r"\b(?:by|on|without|ignoring) \([^)]*\)", "", expr))
        if not names:
            yield f"{where}: names no metric"
        for name, matchers in names:
            if name not in series:
                yield f"{where}: no node has the metric {name}"
                continue
            for label in LABEL.findall(re.sub(r'"[^"]*"', '""', matchers)):
                if label not in series[name] | ADDED:
                    yield f"{where}: {name} has no label {label}"


def missing_sections():
    rules = (PROMETHEUS / "holdfast.rules.yml").read_text(encoding="utf-8")
    tests = (PROMETHEUS / "holdfast.test.yml").read_text(encoding="utf-8")
    headings = docs.anchors(sources.text(RUNBOOK))
    alerts = ALERT.findall(rules)
    if len(alerts) != len(re.findall(r"^ +- alert:", rules, re.M)):
        yield "holdfast.rules.yml: a rule is written in another way than the rest"
    for name, _expr, rest in alerts:
        url = re.search(r"^ +runbook_url: (\S+)$", rest, re.M)
        if not url or url.group(1).rpartition("#")[0] != RUNBOOK:
            yield f"{name}: no runbook_url in {RUNBOOK}"
        elif url.group(1).rpartition("#")[2] not in headings:
            yield f"{name}: {url.group(1)} is not there"
        silent = re.findall(rf"alertname: {name}, eval_time: \w+, exp_alerts: \[\]", tests)
        fires = re.findall(rf"- alertname: {name}\n +eval_time: \w+\n +exp_alerts:\n +- exp_labels:", tests)
        if not silent or not fires:
            yield f"{name}: holdfast.test.yml does not see it fire and stay silent"


def promtool(*arguments):
    done = subprocess.run(["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True,
                          check=False)
    if done.returncode:
        yield f"promtool {' '.join(arguments)}:\n{done.stdout}{done.stderr}".rstrip()


def main():
    problems = [*unknown_names(known()), *missing_sections()]
    problems += promtool("check", "config", "prometheus.yml")
    problems += promtool("check", "rules", "holdfast.rules.yml")
    problems += promtool("test", "rules", "holdfast.test.yml")
    sources.finish(problems)


if __name__ == "__main__":
    main()
