"""Why an address was not reached. Who named it may be told the texts: they have hosts, and no path, query or inner address."""


class EgressError(Exception):
    """Base of what is raised here on purpose."""


class Forbidden(EgressError):
    """The operator has not allowed it, or what its name stands for must not be reached."""


class NotThere(EgressError):
    """The other side says that there is nothing at this address."""


class TooLarge(EgressError):
    """What is there has more bytes than are taken."""


class Unreachable(EgressError):
    """It did not answer, or not as it should have. Trying again later may help, unless it is `lasting`."""

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting
