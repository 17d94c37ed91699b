"""Real processes on this machine, for the demo, the tests and the benches: gateways, workers, a private RabbitMQ."""
