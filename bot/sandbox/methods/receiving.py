"""The methods by which a bot fetches its updates or has them brought."""

import re
from urllib.parse import urlsplit

from bot.sandbox.parameters import Parameters
from bot.sandbox.refusals import bad_request, conflict
from bot.sandbox.shapes import Payload
from bot.sandbox.webhook import Target
from bot.sandbox.world import World

_SECRET = re.compile(r"[A-Za-z0-9_-]{0,256}")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_LONGEST_POLL = 50


async def get_updates(world: World, parameters: Parameters) -> list[Payload]:
    """Long poll; a higher offset confirms everything below it, and nothing else does."""
    if world.queue.webhook_active:
        raise conflict(
            "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
        )
    world.queue.allow(_kinds(parameters))
    return await world.queue.fetch(
        offset=parameters.number("offset"),
        limit=min(100, max(1, parameters.number("limit", 100))),
        within=min(_LONGEST_POLL, max(0, parameters.number("timeout"))),
    )


async def set_webhook(world: World, parameters: Parameters) -> bool:
    """Have updates brought to an address; an empty one ends it."""
    url, secret = parameters.text("url"), parameters.text("secret_token")
    if not url:
        return await delete_webhook(world, parameters)
    _must_be_secure(url)
    if not _SECRET.fullmatch(secret):
        raise bad_request("secret token contains unallowed characters")
    _drop_if_wanted(world, parameters)
    world.queue.allow(_kinds(parameters))
    connections = min(100, max(1, parameters.number("max_connections", 40)))
    await world.webhook.aim(Target(url, secret, connections))
    return True


async def delete_webhook(world: World, parameters: Parameters) -> bool:
    """Go back to polling."""
    _drop_if_wanted(world, parameters)
    await world.webhook.aim(None)
    return True


def get_webhook_info(world: World, parameters: Parameters) -> Payload:
    """Where updates go and how many wait."""
    target, error = world.webhook.target, world.webhook.last_error
    info: Payload = {
        "url": target.url if target else "",
        "has_custom_certificate": False,
        "pending_update_count": len(world.queue),
    }
    if target is not None:
        info["max_connections"] = target.max_connections
    if error is not None:
        info["last_error_date"], info["last_error_message"] = error
    if world.queue.allowed:
        info["allowed_updates"] = sorted(world.queue.allowed)
    return info


def _kinds(parameters: Parameters) -> list[str] | None:
    return [str(kind) for kind in parameters.rows("allowed_updates")] if "allowed_updates" in parameters else None


def _must_be_secure(url: str) -> None:
    parts = urlsplit(url)
    # Telegram takes https only; on this machine nobody has a certificate.
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")


def _drop_if_wanted(world: World, parameters: Parameters) -> None:
    if parameters.flag("drop_pending_updates"):
        world.queue.drop_all()
