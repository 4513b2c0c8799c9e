#!/usr/bin/env python3
"""Writes grafana.json beside it: a dashboard over the metrics that modelgate publishes.

    python3 docs/grafana.py
"""

import json
import pathlib

SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def target(expression, legend):
    return {"datasource": SOURCE, "expr": expression, "legendFormat": legend}


class Board:
    """Panels, laid out in rows of a 24-column grid."""

    def __init__(self):
        self.panels, self.x, self.y, self.height = [], 0, 0, 0

    def row(self, title):
        self.y += self.height
        self.x, self.height = 0, 1
        self.add({"type": "row", "title": title, "collapsed": False, "panels": []}, 24, 1)
        self.y += 1
        self.x, self.height = 0, 0

    def add(self, panel, width, height):
        if self.x + width > 24:
            self.x, self.y, self.height = 0, self.y + self.height, 0
        panel["id"] = len(self.panels) + 1
        panel["gridPos"] = {"x": self.x, "y": self.y, "w": width, "h": height}
        self.panels.append(panel)
        self.x += width
        self.height = max(self.height, height)

    def lines(self, title, about, unit, *targets, width=12, stacked=False):
        custom = {"fillOpacity": 20, "stacking": {"mode": "normal"}} if stacked else {"fillOpacity": 0}
        self.add(
            {
                "type": "timeseries",
                "title": title,
                "description": about,
                "datasource": SOURCE,
                "targets": [dict(t, refId=chr(65 + n)) for n, t in enumerate(targets)],
                "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": custom}, "overrides": []},
                "options": {
                    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
                    "tooltip": {"mode": "multi", "sort": "desc"},
                },
            },
            width,
            8,
        )

    def stat(self, title, about, unit, one, width=4, mode="value_and_name"):
        self.add(
            {
                "type": "stat",
                "title": title,
                "description": about,
                "datasource": SOURCE,
                "targets": [dict(one, refId="A")],
                "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
                "options": {
                    "reduceOptions": {"calcs": ["lastNotNull"]},
                    "textMode": mode,
                    "graphMode": "area",
                    "colorMode": "value",
                    "justifyMode": "auto",
                    "orientation": "auto",
                    "wideLayout": True,
                    "showPercentChange": False,
                    "percentChangeColorMode": "standard",
                },
            },
            width,
            4,
        )


ROUTER = 'router=~"$router"'
ROLLOUT = 'autopilot=~"$autopilot"'
board = Board()

board.row("Rollout")
board.stat("Share in force", "What the autopilot lets through, of those whom the flag names.", "percent",
           target(f"max by (candidate) (modelgate_autopilot_share{{{ROLLOUT}}})", "{{candidate}}"))
board.stat("Phase", "Where the rollout is.", "none",
           target(f"max by (candidate, phase) (modelgate_autopilot_phase{{{ROLLOUT}}}) == 1", "{{candidate}}: {{phase}}"),
           mode="name")
board.stat("Age of the fleet's state", "Above 2 minutes nothing grows; above 15 the baseline answers.", "s",
           target(f"max by (candidate) (modelgate_autopilot_state_age_seconds{{{ROLLOUT}}})", "{{candidate}}"))
board.stat("Replicas heard", "As the one that decided last heard them.", "none",
           target(f"max by (candidate) (modelgate_autopilot_replicas{{{ROLLOUT}}})", "{{candidate}}"))
board.lines("Answers by version", "Answers a second that went to callers.", "reqps",
            target(f"sum by (version) (rate(modelgate_answers_total{{{ROUTER}}}[$__rate_interval]))", "{{version}}"),
            stacked=True)
board.lines("Evidence", "Natural logarithm of the evidence that the candidate is worse; what it must reach is in the report.", "none",
            target(f"max by (candidate, metric) (modelgate_autopilot_ln_e{{{ROLLOUT}}})", "{{candidate}}: {{metric}}"))
board.lines("Why it holds", "The gate that held in the last look.", "none",
            target(f"max by (candidate, gate) (modelgate_autopilot_held{{{ROLLOUT}}}) == 1", "{{candidate}}: {{gate}}"))

board.row("Answers")
board.lines("Fallbacks by cause", "The fallback answered in place of the version wanted.", "reqps",
            target(f"sum by (version, cause) (rate(modelgate_fallbacks_total{{{ROUTER}}}[$__rate_interval]))",
                   "{{version}} {{cause}}"))
board.lines("Failures by kind", "Calls of a model that gave no answer.", "reqps",
            target(f"sum by (version, kind) (rate(modelgate_failures_total{{{ROUTER}}}[$__rate_interval]))",
                   "{{version}} {{kind}}"))
board.lines("Service time", "How long a model takes, live; of each process the worst is shown.", "s",
            target(f'max by (version, quantile) (modelgate_service_seconds{{{ROUTER}, quantile=~"0.5|0.99"}})',
                   "{{version}} p{{quantile}}"))

board.row("Shadows")
board.lines("Agreement", "Shadow runs that were compared, by outcome.", "reqps",
            target(f"sum by (candidate, agreement) (rate(modelgate_shadows_completed_total{{{ROUTER}}}[$__rate_interval]))",
                   "{{candidate}} {{agreement}}"), stacked=True)
board.lines("Dropped", "Shadow runs that did not come to an answer, by cause.", "reqps",
            target(f"sum by (candidate, cause) (rate(modelgate_shadows_dropped_total{{{ROUTER}}}[$__rate_interval]))",
                   "{{candidate}} {{cause}}"))

board.row("Flags")
board.lines("Age of the flags", "Since a source was heard of.", "s",
            target("max by (source) (modelgate_source_age_seconds)", "{{source}}"), width=8)
board.lines("Sources up to date", "1 when what is in force is what the source has.", "none",
            target("min by (source) (modelgate_source_ready)", "{{source}}"), width=8)
board.lines("Connection failures", "Requests for flags that failed, and streams that broke.", "reqps",
            target("sum by (source) (rate(modelgate_connection_failures_total[$__rate_interval]))", "{{source}}"), width=8)

dashboard = {
    "title": "modelgate",
    "uid": "modelgate",
    "tags": ["modelgate"],
    "schemaVersion": 39,
    "refresh": "30s",
    "time": {"from": "now-6h", "to": "now"},
    "templating": {
        "list": [
            {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"},
            {
                "name": "router",
                "type": "query",
                "label": "Router",
                "datasource": SOURCE,
                "query": {"query": "label_values(modelgate_answers_total, router)", "refId": "router"},
                "includeAll": True,
                "multi": True,
                "refresh": 2,
            },
            {
                "name": "autopilot",
                "type": "query",
                "label": "Rollout",
                "datasource": SOURCE,
                "query": {"query": "label_values(modelgate_autopilot_share, autopilot)", "refId": "autopilot"},
                "includeAll": True,
                # Where nothing rolls out by itself, the rest of the board still shows.
                "allValue": ".*",
                "multi": True,
                "refresh": 2,
            },
        ]
    },
    "annotations": {"list": []},
    "panels": board.panels,
}

path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(dashboard, indent=1) + "\n")
print(f"{path.name}: {len(board.panels)} panels")
