"""The arguments of a task, for people."""

import ast

from contracts.errors import ContractError
from contracts.tasks import DetectRange


def describe(kwargs: str | None) -> str | None:
    """Return what a task works on, `frames/0 [12, 40) attempt 1`; what is no detection task stays as it is.

    Args:
        kwargs: the keyword arguments, in the notation of Python, as events of Celery hold them.
    """
    try:
        return str(DetectRange(**ast.literal_eval(kwargs or "")))
    except (ContractError, ValueError, SyntaxError, TypeError):
        return kwargs
