"""Source links: where a fan's first contact came from, what that cost and what it brought."""

from siyu.sources.advice import Advice, Verdict, advise
from siyu.sources.links import (
    CHANNELS,
    LONGEST_CODE,
    LONGEST_TITLE,
    book_cost,
    channel_of,
    costs_of,
    create_source,
    delete_cost,
    get_source,
    list_sources,
    retire,
    revive,
)
from siyu.sources.results import PERIODS, ChannelResult, LinkResult, Overview, Result, overview, result_of

__all__ = [
    "CHANNELS", "LONGEST_CODE", "LONGEST_TITLE", "PERIODS", "Advice", "ChannelResult", "LinkResult", "Overview",
    "Result", "Verdict", "advise", "book_cost", "channel_of", "costs_of", "create_source", "delete_cost", "get_source",
    "list_sources", "overview", "result_of", "retire", "revive",
]  # fmt: skip
