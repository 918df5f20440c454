"""Errors that a user can mend: each is one clear line, never a traceback."""


class BlurError(Exception):
    """Something is wrong with the input; the message says which, what and what to do."""


def require(condition: bool, message: str) -> None:
    """Raise :class:`BlurError` with `message` unless `condition` holds."""
    if not condition:
        raise BlurError(message)
