"""`python -m bot.sandbox`: the sandbox as a process of its own."""

import argparse

from bot.sandbox.options import SandboxOptions
from bot.sandbox.server import run


def main() -> None:
    """Read the command line and serve."""
    run(_options(_parser().parse_args()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bot.sandbox",
        description="A pretend Telegram: Bot API server and chat page.",
        epilog="example: python -m bot.sandbox --port 8081 --rate none --delay 0.08",
    )
    default = SandboxOptions()
    parser.add_argument("--host", default=default.host)
    parser.add_argument("--port", type=int, default=8081, help="0 picks a free one; default 8081")
    parser.add_argument("--token", default=default.token, help=f"default {default.token}")
    parser.add_argument(
        "--rate", type=_rate, default=default.rate, help="messages per second, or none to lift every limit"
    )
    parser.add_argument(
        "--chat-rate", type=_rate, default=default.chat_rate, help="messages per second in one chat, or none"
    )
    parser.add_argument("--chat-burst", type=int, default=default.chat_burst)
    parser.add_argument("--delay", type=float, default=default.delay, help="seconds before each answer to a send")
    parser.add_argument("--fault-seed", type=int, default=default.fault_seed)
    parser.add_argument("--username", dest="bot_username", default=default.bot_username)
    parser.add_argument("--name", dest="bot_name", default=default.bot_name)
    return parser


def _rate(text: str) -> float | None:
    if text == "none":
        return None
    rate = float(text)
    if rate <= 0:
        raise argparse.ArgumentTypeError("a rate is above 0, or none")
    return rate


def _options(arguments: argparse.Namespace) -> SandboxOptions:
    return SandboxOptions(**vars(arguments))


if __name__ == "__main__":
    main()
