"""What can go wrong before Envoy serves."""


class ConfigurationError(Exception):
    """The operator must change something: an address, a limit, what is installed."""
