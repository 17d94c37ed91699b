"""The dashboard as a page of Prometheus' own: its console templates, with the panels of deploy/grafana in their places."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards" / "myeye.json"
RATES = "15s"
"""What Grafana would make of $__rate_interval for a short time."""
COLUMNS, COLUMN_PX, ROW_PX, LEGEND_PX = 24, 60, 30, 84
# the files of Prometheus 2, without its React page: Debian has no other
HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>myeye</title>
<link rel="stylesheet" href="/classic/static/rickshaw/rickshaw.min.css">
<link rel="stylesheet" href="/classic/static/css/prom_console.css">
<script src="/classic/static/d3/d3.min.js"></script>
<script src="/classic/static/vendor/rickshaw/vendor/d3.layout.min.js"></script>
<script src="/classic/static/rickshaw/rickshaw.min.js"></script>
<script>var PATH_PREFIX = "";</script>
<script src="/classic/static/js/prom_console.js"></script>
<style>
body { font: 13px Inter, sans-serif; margin: 12px; color: #222; background: #fff }
main { display: grid; grid-template-columns: repeat(24, %dpx); gap: 10px 0 }
h2 { font-size: 15px; margin: 8px 0 0; border-bottom: 1px solid #ccc }
h3 { font-size: 12px; margin: 0 0 4px; font-weight: 600 }
.value { font-size: 30px }
.prom_graph_xtitle, .prom_graph_link, .prom_graph_ytitle { display: none }
.rickshaw_legend { font: 11px Inter, sans-serif; color: #222; background: none; padding: 2px 0 }
.rickshaw_legend ul { display: flex; flex-wrap: wrap; column-gap: 10px }
.rickshaw_legend .line { padding: 0; line-height: 1.3 }
</style></head><body><main>
"""
GRAPH = "<script>new PromConsole.Graph(%s)</script>"


def page(dashboard: Path = DASHBOARD) -> str:
    """Give the template; shown with #pctc{"duration": …, "endTime": …} in its address, in seconds."""
    panels = json.loads(dashboard.read_text())["panels"]
    return HEAD % COLUMN_PX + "\n".join(map(_panel, panels)) + "</main></body></html>"


def _panel(panel: Mapping[str, Any]) -> str:
    where = panel["gridPos"]
    style = f"grid-column: {where['x'] + 1} / span {where['w']}"
    title = escape(panel["title"])
    if panel["type"] == "row":
        return f'<h2 style="{style}">{title}</h2>'
    body = _value(panel) if panel["type"] == "stat" else _graph(panel, where)
    return f'<section style="{style}"><h3>{title}</h3>{body}</section>'


def _value(panel: Mapping[str, Any]) -> str:
    (target,) = panel["targets"]
    found = f"query `{_expression(target)}`"
    return (
        f'<div class="value">{{{{ with {found} }}}}{{{{ . | first | value | printf "%.3g" }}}}{{{{ else }}}}-{{{{ end }}}}</div>'
    )


def _graph(panel: Mapping[str, Any], where: Mapping[str, int]) -> str:
    node = f"panel-{panel['id']}"
    told = {
        "expr": [_expression(target) for target in panel["targets"]],
        "name": [re.sub(r"\{\{(\w+)\}\}", r"[[ \1 ]]", target["legendFormat"]) for target in panel["targets"]],
        "renderer": "line",
        "min": 0,
        "width": where["w"] * COLUMN_PX - 30,
        "height": where["h"] * ROW_PX - LEGEND_PX,
        "yAxisTicks": 4,
    }
    numbers = "PromConsole.NumberFormatter.humanizeNoSmallPrefix"
    given = json.dumps(told)[:-1] + f', "yAxisFormatter": {numbers}, "node": document.getElementById("{node}")}}'
    return f'<div id="{node}"></div>{GRAPH % given}'


def _expression(target: Mapping[str, str]) -> str:
    return target["expr"].replace("$__rate_interval", RATES)
