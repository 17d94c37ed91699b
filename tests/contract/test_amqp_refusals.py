"""What RabbitMQ's refusals mean, without a broker."""

from __future__ import annotations

from pika.exceptions import ChannelClosedByBroker

from dispatch.amqp.channel import NotThere, translated
from dispatch.errors import BrokerUnavailable


def test_a_queue_whose_node_is_still_starting_is_away_and_not_deleted() -> None:
    text = "NOT_FOUND - home node 'rabbit@one' of durable queue 'myeye.log' in vhost '/' is down or inaccessible"
    assert type(translated(ChannelClosedByBroker(404, text))) is BrokerUnavailable
    assert type(translated(ChannelClosedByBroker(404, "NOT_FOUND - no queue 'myeye.log' in vhost '/'"))) is NotThere
