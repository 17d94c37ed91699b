"""Shares: how a lane is divided, so that one who has much waiting keeps nobody else waiting. Pure.

Each lane has a few queues, its shares. Where a task goes depends on how much its principal has waiting in the lane already: the
first few go into share 0, the next ones into share 1, the rest into the last. So of every principal, however much it hands in,
only so many tasks can be before those of one who has little; and nothing has to be known of who else there is. Workers take
from all shares (see `worker.waiting`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from types import MappingProxyType

from dispatch.ports import Kind

LIMITS: Mapping[Kind, tuple[int, ...]] = MappingProxyType({Kind.PICTURE: (16, 256), Kind.VIDEO: (4,), Kind.REMOTE: (16,)})
"""A principal's tasks in each share and the shares before it, but for the last share, which has no limit.

Few, for a worker may hold tasks of each share while another is idle: that costs little with pictures, and more with videos.
All processes of an installation must agree on how many shares there are: a task in a share that no worker takes from would wait
for ever. So it is not for an operator to set.
"""


def shares(kind: Kind) -> range:
    """Number the shares of a lane."""
    return range(len(LIMITS[kind]) + 1)


def share_of(kind: Kind, ahead: int) -> int:
    """Choose the share of a task whose principal has `ahead` tasks waiting before it in the lane."""
    return bisect_right(LIMITS[kind], ahead)
