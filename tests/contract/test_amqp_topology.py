"""Names and arguments, without a broker."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dispatch.amqp.topology import SHORTEST_DELAY_MS, Topology
from dispatch.options import BrokerOptions
from dispatch.ports import Kind, Lane, Queue

TOPOLOGY = Topology(BrokerOptions())


@given(st.floats(min_value=0.001, max_value=86_400.0))
def test_a_delay_is_never_shorter_than_asked_nor_twice_as_long(delay_s: float) -> None:
    ttl_ms = TOPOLOGY.delay(delay_s).arguments["x-message-ttl"]
    assert isinstance(ttl_ms, int)
    assert delay_s * 1000 <= ttl_ms < max(delay_s * 2000, SHORTEST_DELAY_MS + 1)


def test_each_installation_model_lane_kind_and_share_has_a_queue_of_its_own() -> None:
    other = Topology(BrokerOptions(name="other"))
    queues = [Queue(model, lane, kind, share) for model in ("one", "two") for lane in Lane for kind in Kind for share in range(3)]
    names = {topology.tasks(queue).name for topology in (TOPOLOGY, other) for queue in queues}
    assert len(names) == 2 * len(queues)


def test_a_queue_is_declared_after_the_one_that_takes_its_dead_letters() -> None:
    route = TOPOLOGY.route(Queue("model", Lane.LOW), delay_s=1.0)
    assert [spec.name for spec in route.queues] == ["myeye.dead", "myeye.tasks.model.low", "myeye.delay.1000"]
