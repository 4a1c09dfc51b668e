"""Why a build or a check ends."""


class Failure(Exception):
    """A build or a check ends here; the text says why."""


class Unequipped(Exception):
    """There is nothing to build with; the text names the remedy."""
