"""`blur review`: the page of `--report`, served by this machine to those who know its address."""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blur_fusion.actions.act import act
from blur_fusion.actions.decisions import WORDS, Decision
from blur_fusion.actions.journal import Report, not_undone, read, undo
from blur_fusion.actions.plan import ActionOptions, Places
from blur_fusion.app.decisions import NAMES, DecisionFile
from blur_fusion.app.guard import HOSTS, LOOPBACK, guarded
from blur_fusion.bursts.find import burst_marker
from blur_fusion.errors import BlurError, require
from blur_fusion.explain.drawing import map_picture
from blur_fusion.explain.explainer import Explainer
from blur_fusion.files import printable
from blur_fusion.images.decode import decode
from blur_fusion.images.photo import Photo
from blur_fusion.images.thumbnails import encoded, small_photo
from blur_fusion.model.classifier import Classifier, load
from blur_fusion.model.prediction import Prediction
from blur_fusion.parallel import cores
from blur_fusion.report.review import served_page
from blur_fusion.scan.engine import scan
from blur_fusion.scan.inputs import Found, Search
from blur_fusion.scan.output import hand_out
from blur_fusion.scan.pool import WorkerPool
from blur_fusion.scan.tasks import JobSpec
from blur_fusion.startup import freeze

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

DECISIONS, REJECTED = "blur-decisions.json", "rejected"  # in the folder, unless named otherwise
_SIDE = 320  # pixels of a thumbnail: a tile on a fine screen
_PREVIEW = 0.75  # of a RAW's long side, from which its preview is shown instead of developing it
_LINES = 1000  # of a plan that are shown
_MUCH = 1 << 22  # bytes of a request
_UNKNOWN = "not a request of this page"
# What browsers can show, by first bytes; all else is decoded here.
_SHOWN = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"GIF8": "image/gif"}
_POLICY = b"default-src 'self'; img-src 'self' data:; object-src 'none'; frame-ancestors 'none'"
_POLICY += b"; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; base-uri 'none'"
_KEPT = {"cache-control": "private, max-age=3600"}


@dataclass(frozen=True)
class ReviewSettings:
    """What to review, and how to serve it; see `blur review --help`."""

    folder: Path
    model: Path | None = None
    threshold: float | None = None
    cache: Path | None = None  # None is a file beside the decisions
    decisions: Path | None = None  # None is `DECISIONS` in the folder
    move: Path | None = None  # None is `REJECTED` in the folder
    bursts: bool = False
    port: int = 0
    browser: bool = False


class Review:
    """Photos with predictions and decisions, and what was done to them.

    Parameters
    ----------
    folder : Path
        Absolute path of the folder that was scanned.
    predictions : list of Prediction
        With absolute paths, by a classifier with threshold 0.
    classifier : Classifier
        Its threshold and band decide at first.
    decisions : DecisionFile
    move : Path
        Where rejected photos are moved to.
    """

    def __init__(
        self,
        folder: Path,
        predictions: list[Prediction],
        classifier: Classifier,
        decisions: DecisionFile,
        move: Path,
    ) -> None:
        self.folder, self.predictions = folder, predictions
        self.threshold, self.band = classifier.threshold, classifier.band
        self.decisions, self.move = decisions, move
        self._explainer = Explainer(classifier)
        self._moved: dict[str, str] = {}  # photos that were moved, and where to
        # What was done and not undone, the latest last; also before this server was started.
        self._journals = not_undone(folder, (folder, move))
        self._earlier = len(self._journals)
        self._acting = threading.Lock()

    def page(self) -> bytes:
        """The page as things are now."""
        about = {
            "report": "review",
            "name": self.folder.name or "photos",
            "threshold": self.threshold,
            "decisions": self.decisions.letters(),
        }
        target = printable(str(self.move))
        actions = [
            ("move", f"Move rejected photos, with their sidecars and RAW files, to {target}"),
            ("rate", "Rate kept and rejected photos, in XMP sidecars that photo editors read"),
            ("tag", "Tag rejected photos with keywords, in XMP sidecars"),
        ]
        seen = (one.settled(self.threshold, self.band) for one in self.predictions)
        title = f"Review of {printable(str(self.folder))}"
        return served_page(title, seen, about, actions, printable(str(self.decisions.path)))

    def decide(self, letters: Mapping[int, str], threshold: float) -> None:
        """Keep decisions on photos by number, or raise a BlurError; on disk when this returns."""
        known = range(len(self.predictions))
        good = all(number in known and letter in NAMES for number, letter in letters.items())
        require(good and 0 <= threshold <= 1, _UNKNOWN)
        band = self.band if threshold == self.threshold else None
        self.decisions.decide(letters, threshold, band)

    def place(self, number: int) -> tuple[str, Prediction]:
        """Where a photo is now, and its prediction; a BlurError if there is no such photo."""
        require(number < len(self.predictions), "no such photo")
        prediction = self.predictions[number]
        return self._moved.get(prediction.path, prediction.path), prediction

    def small(self, number: int) -> bytes:
        """A thumbnail as JPEG."""
        path, prediction = self.place(number)
        pixels = small_photo(path, prediction.size, _SIDE)
        if pixels is None:
            raise BlurError("cannot be read")
        return encoded(pixels, quality=80)

    def whole(self, number: int) -> tuple[str, bytes | None]:
        """Media type of a photo at full size, and its JPEG; None if browsers can show the file."""
        path, prediction = self.place(number)
        try:
            with open(path, "rb") as file:
                start = file.read(12)
        except OSError as error:
            raise BlurError(f"cannot be read ({error.strerror or error})") from None
        for begin, kind in _SHOWN.items():
            if start.startswith(begin):
                return kind, None
        side = round(_PREVIEW * max(prediction.width or 0, prediction.height or 0))
        return "image/jpeg", encoded(decode(path, path, side, colour=True).pixels, quality=92)

    def map(self, number: int) -> bytes:
        """The blur map of a photo as PNG."""
        photo = Photo(self.place(number)[0])
        working = photo.image(self._explainer.working)
        return encoded(map_picture(self._explainer.blur_map(working)), ".png")

    def _report(self, report: Report) -> dict[str, Any]:
        """What the page shows of a report; "undo" is the journal that Undo would take back."""
        lines = [*report.lines, *report.plan]
        more = [f"and {len(lines) - _LINES} more"] if len(lines) > _LINES else []
        last = printable(str(self._journals[-1])) if self._journals else ""
        return {"summary": report.summary, "lines": lines[:_LINES] + more, "undo": last}

    def apply(self, action: str, dry_run: bool) -> dict[str, Any]:
        """Act on the decisions, or say what would be done; a BlurError if `action` is unknown."""
        known: dict[str, Any] = {"move": self.move, "rate": True, "tag": True}
        require(action in known, "no such action")
        options = ActionOptions(**{action: known[action]}, dry_run=dry_run)
        with self._acting:
            letters = self.decisions.letters()
            decided = [
                Decision(one.path, WORDS[NAMES[letter]])
                for one, letter in zip(self.predictions, letters, strict=True)
                if one.path not in self._moved
            ]
            report = act(decided, [self.folder], options)
            self._moved |= report.moved
            if report.journal is not None:
                self._journals.append(report.journal)
            return {**self._report(report), "apply": dry_run and report.done > 0}

    def undo(self) -> dict[str, Any]:
        """Take back what was done last; a BlurError if nothing was, or its journal is damaged."""
        with self._acting:
            require(bool(self._journals), "there is nothing to undo")
            last, earlier = self._journals[-1], len(self._journals) <= self._earlier
            moved = any(entry.kind == "move" for entry in read(last).entries)
            report = undo(last)
            if earlier and moved:
                line = "photos that came back are shown when blur review is started again"
                report = replace(report, lines=(*report.lines, line))
            if not report.failed:
                self._journals.pop()
                self._earlier = min(self._earlier, len(self._journals))
            there = self._moved.items()
            self._moved = {old: new for old, new in there if not os.path.lexists(old)}
            return {**self._report(report), "apply": False}


def judge(
    folder: Path, settings: ReviewSettings, cache: Path, leave: Path, warn: Callable[[str], None]
) -> tuple[Classifier, list[Prediction]]:
    """The classifier, and its predictions with threshold 0 for photos in `folder`, not `leave`."""
    own = load(settings.model, threshold=settings.threshold)
    classifier = own.at(0.0)
    beyond = os.path.join(leave, "")
    search = Search().find([Found(str(folder))])
    files = [one for one in search if not one.video and not one.path.startswith(beyond)]
    job = JobSpec(
        model=os.path.abspath(settings.model) if settings.model else None,
        fingerprint=classifier.fingerprint,
    )
    in_bursts = burst_marker(files if settings.bursts else [], cache=cache)
    found: list[Prediction] = []
    freeze()
    with (
        WorkerPool(job, classifier, cores(), cores() - 1, len(files)) as pool,
        closing(scan(files, pool, cache, warn)) as answers,
    ):
        ranked = map(in_bursts, answers)
        if hand_out(ranked, len(files), 0.0, [lambda one, _: found.append(one)]):
            raise KeyboardInterrupt
    return own, found


def opened(settings: ReviewSettings, warn: Callable[[str], None]) -> Review:
    """Scan the folder and read its decisions.

    Raises
    ------
    BlurError
        It is not a folder, there is no such model, or decisions cannot be read or written.
    """
    folder = Path(os.path.abspath(settings.folder))
    require(folder.is_dir(), f"{settings.folder}: not a folder; name one with photos")
    path = Path(os.path.abspath(settings.decisions or folder / DECISIONS))
    move = Path(os.path.abspath(settings.move or folder / REJECTED))
    Places(move, [folder])  # refuses a wrong target
    DecisionFile(path, folder, [])  # and a wrong file, before the scan
    cache = settings.cache or path.with_suffix(".cache")
    own, predictions = judge(folder, settings, cache, move, warn)
    decisions = DecisionFile(path, folder, predictions)
    return Review(folder, predictions, own, decisions, move)


def application(review: Review, token: str) -> Any:
    """The server as an ASGI application; all paths begin with the token."""
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
    from starlette.routing import Route

    def page(request: Request) -> Response:
        return Response(review.page(), 200, {"cache-control": "no-store"}, "text/html")

    def photo(request: Request) -> Response:
        number, what = request.path_params["number"], request.path_params["what"]
        if what == "small":
            return Response(review.small(number), 200, _KEPT, "image/jpeg")
        if what == "map":
            return Response(review.map(number), 200, _KEPT, "image/png")
        require(what == "whole", _UNKNOWN)
        kind, data = review.whole(number)
        if data is None:
            return FileResponse(review.place(number)[0], 200, _KEPT, kind)
        return Response(data, 200, _KEPT, kind)

    async def asked(request: Request) -> dict[str, Any]:
        body = b""
        async for part in request.stream():
            body += part
            require(len(body) <= _MUCH, "too large a request")
        content = json.loads(body)
        require(isinstance(content, dict), _UNKNOWN)
        return content

    async def decide(request: Request) -> Response:
        content = await asked(request)
        letters = {int(number): letter for number, letter in content["decisions"].items()}
        await run_in_threadpool(review.decide, letters, float(content["threshold"]))
        return JSONResponse({})

    def acting(call: Callable[[str], dict[str, Any]]) -> Any:
        async def answer(request: Request) -> Response:
            action = (await asked(request)).get("action", "")
            return JSONResponse(await run_in_threadpool(call, str(action)))

        return answer

    async def refused(request: Request, error: Exception) -> Response:
        return PlainTextResponse(str(error) if isinstance(error, BlurError) else _UNKNOWN, 400)

    calls: dict[str, Any] = {
        "decisions": decide,
        "plan": acting(lambda action: review.apply(action, dry_run=True)),
        "apply": acting(lambda action: review.apply(action, dry_run=False)),
        "undo": acting(lambda action: review.undo()),
    }
    routes = [Route(f"/{token}/{name}", call, methods=["POST"]) for name, call in calls.items()]
    routes.append(Route(f"/{token}/photos/{{number:int}}/{{what}}", photo))
    routes.append(Route(f"/{token}/", page))
    wrong = (BlurError, ValueError, KeyError, AttributeError, TypeError, RecursionError)
    app: Starlette = Starlette(routes=routes, exception_handlers=dict.fromkeys(wrong, refused))
    return guarded(app, HOSTS, _POLICY, token)


def serve_review(
    settings: ReviewSettings, said: Callable[[str], object], warn: Callable[[str], None]
) -> None:
    """Serve until Ctrl-C, to this machine alone.

    Parameters
    ----------
    settings : ReviewSettings
    said : callable
        Takes the secret address.
    warn : callable
        Takes one line about anything but the photos, such as a damaged cache.

    Raises
    ------
    BlurError
        The extra is missing, the port is taken, or see :func:`opened`.
    """
    line = "'blur review' needs the extra 'review': pip install 'blur-fusion[review]'"
    require(all(map(find_spec, ("starlette", "uvicorn"))), line)
    import uvicorn

    listener = socket.socket()
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, settings.port))
    except OSError as error:
        listener.close()
        line = f"port {settings.port}: cannot be used ({error.strerror or error}); try --port 0"
        raise BlurError(line) from None
    with listener:
        token = secrets.token_urlsafe(16)
        app = application(opened(settings, warn), token)
        address = f"http://{LOOPBACK}:{listener.getsockname()[1]}/{token}/"
        listener.listen()
        said(address)
        if settings.browser:
            import webbrowser

            webbrowser.open(address)
        config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off")
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])
