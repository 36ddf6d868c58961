"""A pretend Telegram: a Bot API server with invented people and a chat page, knowing nothing of any one bot."""

from bot.sandbox.calls import Call
from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.messages import Button, ChatMessage
from bot.sandbox.options import SandboxOptions
from bot.sandbox.payments import Payment, PaymentOutcome
from bot.sandbox.people import Impossible, Person, Toast
from bot.sandbox.sandbox import Sandbox

__all__ = [
    "Button",
    "Call",
    "ChatMessage",
    "Fault",
    "FaultKind",
    "Impossible",
    "Payment",
    "PaymentOutcome",
    "Person",
    "Sandbox",
    "SandboxOptions",
    "Toast",
]
