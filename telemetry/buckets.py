"""The upper bounds of histogram buckets, in seconds."""

from __future__ import annotations

QUICK_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Of what takes milliseconds and is given up after some seconds: a publish, a blob, the log's way to its reader."""
CALL_S = (*QUICK_S, 30.0, 60.0)
"""Of a call: Wait may take a minute."""
WORK_S = (*QUICK_S, 30.0, 60.0, 300.0, 900.0, 3600.0)
"""Of work and of waiting for it: a picture takes less than a second, a video up to a quarter of an hour, a full queue longer."""
