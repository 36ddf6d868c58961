"""How a bot fetches updates, and how it has them brought."""

import asyncio

from aiohttp import web


async def test_only_a_higher_offset_confirms_updates(sandbox, bot):
    xiaoyu = sandbox.add_person(name="小雨")
    xiaoyu.start("s_POSTER")
    xiaoyu.says("hello")

    first, second = await bot.updates()
    again = await bot.updates()
    after_first = await bot.updates(offset=first["update_id"] + 1)
    without_offset = await bot.updates()

    assert first["message"]["text"] == "/start s_POSTER"
    assert first["message"]["entities"] == [{"type": "bot_command", "offset": 0, "length": 6}]
    assert again == [first, second]
    assert after_first == without_offset == [second]


async def test_a_long_poll_answers_as_soon_as_something_happens(sandbox, bot):
    anna = sandbox.add_person(name="Anna")
    waiting = asyncio.ensure_future(bot.updates(wait=20))
    await _polled(sandbox)

    anna.says("at last")

    (update,) = await asyncio.wait_for(waiting, 10)
    assert update["message"]["text"] == "at last"


async def _polled(sandbox) -> None:
    """Until a poll waits there."""
    async with asyncio.timeout(20):
        while sandbox.world.queue._poller is None:
            await asyncio.sleep(0.01)


async def test_an_offset_one_too_high_loses_an_update(sandbox, bot):
    anna = sandbox.add_person(name="Anna")
    anna.says("one")
    (one,) = await bot.updates()
    too_high = one["update_id"] + 2
    waiting = asyncio.ensure_future(bot.updates(offset=too_high, wait=20))
    await _polled(sandbox)

    anna.says("two")
    anna.says("three")

    assert [update["message"]["text"] for update in await waiting] == ["three"]
    assert [update["message"]["text"] for update in await bot.updates()] == ["three"]


async def test_a_second_poller_ends_the_first_with_409(sandbox, bot):
    first = asyncio.ensure_future(bot.refusal("getUpdates", timeout=20))
    await _polled(sandbox)

    await bot.updates()

    assert (await first).startswith("409 Conflict: terminated by other getUpdates request")


async def test_a_killed_poller_leaves_the_queue_to_its_successor(sandbox, bot):
    killed = asyncio.ensure_future(bot.updates(wait=20))
    await _polled(sandbox)
    killed.cancel()
    sandbox.add_person(name="Anna").says("anybody there?")

    assert len(await bot.updates()) == 1


async def test_kinds_that_are_not_named_by_default_come_only_when_asked_for(sandbox, bot):
    anna = sandbox.add_person(name="Anna")
    question = anna.says("hello")
    anna.reacts(question.message_id, "👍")

    before = await bot.updates(allowed_updates=["message", "message_reaction"])
    anna.reacts(question.message_id, "🔥")
    after = await bot.updates(offset=before[-1]["update_id"] + 1)

    assert [list(update)[1] for update in before] == ["message"]
    reaction = after[0]["message_reaction"]
    assert (reaction["old_reaction"][0]["emoji"], reaction["new_reaction"][0]["emoji"]) == ("👍", "🔥")


async def test_blocking_and_unblocking_are_told(sandbox, bot):
    anna = sandbox.add_person(name="Anna", known=True)

    anna.blocks()
    anna.blocks()
    anna.start()

    statuses = [
        (update["my_chat_member"]["old_chat_member"]["status"], update["my_chat_member"]["new_chat_member"]["status"])
        for update in await bot.updates()
        if "my_chat_member" in update
    ]
    assert statuses == [("member", "kicked"), ("kicked", "member")]


async def test_another_token_is_unauthorized(bot):
    answer = await bot.call("getMe", token="42:WRONG")

    assert answer == {"ok": False, "error_code": 401, "description": "Unauthorized"}


async def test_a_method_outside_the_sandbox_is_refused_by_name(bot):
    assert await bot.refusal("sendDice") == "404 Not Found: method sendDice is not part of the sandbox"


class _Receiver:
    """A bot's own address that fails as often as it is told to."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, str, int]] = []
        self.secrets: set[str | None] = set()
        self.failures: dict[int, int] = {}

    async def take(self, request: web.Request) -> web.Response:
        update = await request.json()
        chat, text = update["message"]["chat"]["id"], update["message"]["text"]
        self.secrets.add(request.headers.get("X-Telegram-Bot-Api-Secret-Token"))
        failing = self.failures.get(chat, 0) > 0
        self.failures[chat] = self.failures.get(chat, 0) - 1
        self.seen.append((chat, text, 500 if failing else 200))
        if text == "answer me":
            return web.json_response({"method": "sendMessage", "chat_id": chat, "text": "here I am"})
        return web.Response(status=500 if failing else 200)

    async def serve(self) -> tuple[web.AppRunner, str]:
        app = web.Application()
        app.router.add_post("/hook", self.take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/hook"


async def test_a_webhook_is_repeated_in_order_and_holds_back_only_its_own_chat(sandbox, bot):
    receiver = _Receiver()
    runner, address = await receiver.serve()
    anna, bob = sandbox.add_person(name="Anna"), sandbox.add_person(name="Bob")
    receiver.failures[anna.telegram_id] = 2
    await bot.result("setWebhook", url=address, secret_token="s3cret")

    anna.says("one")
    anna.says("two")
    bob.says("hello")
    await _until_all_are_accepted(bot)

    of_anna = [(text, status) for chat, text, status in receiver.seen if chat == anna.telegram_id]
    assert of_anna == [("one", 500), ("one", 500), ("one", 200), ("two", 200)]
    assert receiver.seen.index((bob.telegram_id, "hello", 200)) < receiver.seen.index((anna.telegram_id, "one", 200))
    assert receiver.secrets == {"s3cret"}
    info = await bot.result("getWebhookInfo")
    assert info["last_error_message"].startswith("Wrong response from the webhook: 500")
    await runner.cleanup()


async def _until_all_are_accepted(bot) -> None:
    async with asyncio.timeout(30):
        while (await bot.result("getWebhookInfo"))["pending_update_count"]:
            await asyncio.sleep(0.02)


async def test_polling_and_a_webhook_exclude_each_other(sandbox, bot):
    receiver = _Receiver()
    runner, address = await receiver.serve()
    polling = asyncio.ensure_future(bot.refusal("getUpdates", timeout=20))
    await _polled(sandbox)

    await bot.result("setWebhook", url=address)
    refused = await bot.refusal("getUpdates")
    await bot.result("deleteWebhook")

    assert await polling == "409 Conflict: terminated by setWebhook request"
    assert refused.startswith("409 Conflict: can't use getUpdates method while webhook is active")
    assert await bot.updates() == []
    await runner.cleanup()


async def test_a_webhook_may_answer_with_a_call(sandbox, bot):
    receiver = _Receiver()
    runner, address = await receiver.serve()
    anna = sandbox.add_person(name="Anna")
    await bot.result("setWebhook", url=address)

    anna.says("answer me")

    assert (await anna.hears(within=30)).text == "here I am"
    await runner.cleanup()


async def test_a_webhook_outside_this_machine_needs_https(bot):
    assert "HTTPS" in await bot.refusal("setWebhook", url="http://bot.example/hook")


async def test_a_press_that_waited_too_long_is_no_longer_delivered(sandbox, bot, monkeypatch):
    anna = sandbox.add_person(name="Anna", known=True)
    anna.presses_data("late")
    anna.says("still here")
    monkeypatch.setattr("bot.sandbox.update_queue.time.monotonic", _in_three_minutes())

    updates = await bot.updates()

    assert [update["message"]["text"] for update in updates] == ["still here"]


def _in_three_minutes():
    from time import monotonic

    later = monotonic() + 180
    return lambda: later
