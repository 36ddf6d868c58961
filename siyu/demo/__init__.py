"""The demo: the whole product with an invented community and a pretend Telegram, in one process."""

from siyu.demo.stage import run

__all__ = ["run"]
