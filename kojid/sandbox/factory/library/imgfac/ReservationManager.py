"""The ports on which guests report."""

from .settings import ReservationManager

__all__ = ["ReservationManager"]
