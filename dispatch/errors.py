"""What can go wrong below the gateway and the worker, told apart by who must act."""


class DispatchError(Exception):
    """Base of everything that this package raises on purpose."""


class BrokerUnavailable(DispatchError):
    """The broker did not confirm: it is away, blocked by its alarms, or too slow. What was sent may or may not have arrived."""


class QueueFull(DispatchError):
    """The queue has reached its limit and refused the task. Nothing of it was kept."""


class LogTruncated(DispatchError):
    """The log no longer continues where it was read: whoever folds it must start again from its first record."""


class BlobNotFound(DispatchError):
    """There is no blob of this name."""


class BlobUnavailable(DispatchError):
    """The blob store did not answer, is full or read-only. Trying again later may help."""


class ConfigurationError(DispatchError):
    """The operator must change something: an address, a credential, a folder."""
