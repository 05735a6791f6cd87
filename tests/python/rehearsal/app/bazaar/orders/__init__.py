"""A package: three files that import each other, one module to everybody else."""

from . import service
from .helpers import helper_pid

__all__ = ["helper_pid", "service"]
