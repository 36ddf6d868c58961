"""One process, one loop: the parts run side by side and stop together."""

import asyncio
import contextlib
import ctypes
import gc
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping

import structlog
import uvicorn

from siyu import logs, schema
from siyu.app import App, open_app
from siyu.kit.errors import SiyuError
from siyu.settings import Settings, read_settings

log = structlog.get_logger()

# The parts of the product that can run in a process of their own.
PARTS = frozenset({"web", "bot", "scheduler", "sender"})

Part = Callable[[App, asyncio.Event], Coroutine[object, object, None]]

# As malloc.h numbers it.
M_ARENA_MAX = -8

# Open pages of a progress stream would hold the door open for ever.
SECONDS_TO_FINISH = 5


def run_parts(parts: frozenset[str]) -> None:
    """Run these parts until SIGTERM or Ctrl-C; a second signal stops at once."""
    settings = read_settings()
    logs.set_up(settings)
    _check(settings, parts)
    asyncio.run(_run(settings, parts))


def tune_interpreter() -> None:
    """What is loaded by now stays, and threads take turns more often.

    The collector need not walk through it again and again (a tenth of an update); and beside a recompute's thread an
    answer waits 1 ms for each of its dozen steps, not 5. Threads share two heaps where glibc would give each its own: a
    recompute's pages pass through several, and a tenth of its memory was what they left behind there.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(0.001)
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(M_ARENA_MAX, 2)


async def run_together(app: App, parts: Mapping[str, Part], stop: asyncio.Event) -> None:
    """The parts side by side; when one breaks the others are stopped, and its error is what is raised."""
    tune_interpreter()
    async with asyncio.TaskGroup() as group:
        for name, part in parts.items():
            group.create_task(part(app, stop), name=name)


def web_part(sock: socket.socket) -> Part:
    """The web side on a socket that is bound already."""
    from admin.app import make_web

    async def serve(app: App, stop: asyncio.Event) -> None:
        web = make_web(app)
        config = uvicorn.Config(web, log_config=None, access_log=False, timeout_graceful_shutdown=SECONDS_TO_FINISH)
        server = _Server(config)
        async with asyncio.TaskGroup() as group:
            group.create_task(_close_when_told(server, web.state.closing, stop))
            await server.serve(sockets=[sock])
            stop.set()

    return serve


def bind(settings: Settings) -> socket.socket:
    """The web side's socket; taken before anything starts, so that a port in use is said at once."""
    family = socket.AF_INET6 if ":" in settings.web_host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((settings.web_host, settings.web_port))
        # Who comes before the web side is ready, with the link we print, waits instead of being turned away.
        sock.listen()
    except OSError as error:
        sock.close()
        place = f"{settings.web_host}:{settings.web_port}"
        raise SiyuError(f"cannot listen on {place} ({error.strerror}); set SIYU_WEB_PORT to a free one") from None
    return sock


def on_signals(stop: asyncio.Event) -> None:
    """The first SIGTERM or SIGINT asks to stop; the next one does not ask."""
    loop = asyncio.get_running_loop()

    def heard(number: signal.Signals) -> None:
        log.info("stopping", signal=number.name)
        stop.set()
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, heard, number)


async def _run(settings: Settings, parts: frozenset[str]) -> None:
    await schema.upgrade_in_thread(settings.database_url)
    stop = asyncio.Event()
    on_signals(stop)
    app = open_app(settings)
    try:
        with _socket_for(settings, parts) as sock:
            await run_together(app, parts_of(parts, sock), stop)
    finally:
        await app.close()
    log.info("stopped")


def _check(settings: Settings, parts: frozenset[str]) -> None:
    """Whether these parts can run with these settings; a warning where they can but should not."""
    if parts & {"bot", "sender"}:
        _ = settings.token
    if parts != PARTS and settings.database_url.startswith("sqlite"):
        log.warning("SQLite is for one process with everything; use PostgreSQL to run parts apart")


@contextlib.contextmanager
def _socket_for(settings: Settings, parts: frozenset[str]) -> Iterator[socket.socket | None]:
    if "web" not in parts:
        yield None
        return
    with bind(settings) as sock:
        log.info("web side", address=settings.site, port=sock.getsockname()[1])
        yield sock


def parts_of(parts: frozenset[str], sock: socket.socket | None) -> dict[str, Part]:
    """Each part is imported only where it runs: aiogram alone takes ten times as long as the web side."""
    chosen: dict[str, Part] = {}
    if sock is not None:
        chosen["web"] = web_part(sock)
    if "bot" in parts:
        from bot.run import run_bot

        chosen["bot"] = run_bot
    if "sender" in parts:
        from bot.revising import run_reviser
        from bot.sender import run_sender

        chosen["sender"], chosen["reviser"] = run_sender, run_reviser
    if "scheduler" in parts:
        from siyu.scheduler import run_scheduler

        chosen["scheduler"] = run_scheduler
    return chosen


class _Server(uvicorn.Server):
    """Uvicorn without signal handlers of its own: the whole process stops together."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _close_when_told(server: uvicorn.Server, closing: asyncio.Event, stop: asyncio.Event) -> None:
    await stop.wait()
    closing.set()
    server.should_exit = True
