"""`blur review`: the page of `--report`, served from this machine to whoever holds its address."""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blur_fusion.actions.act import act
from blur_fusion.actions.decisions import WORDS, Decision
from blur_fusion.actions.journal import Report
from blur_fusion.actions.plan import ActionOptions, Places
from blur_fusion.actions.undo import undo
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
_MUCH = 1 << 22  # octets of a request
# What browsers show as it is, by how it begins; all else is decoded here.
_SHOWN = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"GIF8": "image/gif"}
_POLICY = b"default-src 'self'; img-src 'self' data:; object-src 'none'; frame-ancestors 'none'"
_POLICY += b"; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; base-uri 'none'"
_KEPT = {"cache-control": "private, max-age=3600"}


@dataclass(frozen=True)
class ReviewSettings:
    """What to review, and how to serve it.

    Attributes
    ----------
    folder : Path
        Of photos, with all below it.
    model : Path or None
    threshold : float or None
    cache : Path or None
        File of earlier verdicts; None is one beside the decisions.
    decisions : Path or None
        Their file; None is `DECISIONS` in the folder.
    move : Path or None
        Where rejected photos are moved to when they are; None is `REJECTED` in the folder.
    bursts : bool
        Find photos of one scene, and which of them is the sharpest.
    port : int
        0 takes a free one.
    browser : bool
        Open the page.
    """

    folder: Path
    model: Path | None = None
    threshold: float | None = None
    cache: Path | None = None
    decisions: Path | None = None
    move: Path | None = None
    bursts: bool = False
    port: int = 0
    browser: bool = False


class Review:
    """Photos, what was said of them, what is decided, and what was done.

    Parameters
    ----------
    folder : Path
        Absolute; what was scanned.
    predictions : list of Prediction
        With absolute paths, of a classifier with threshold 0.
    classifier : Classifier
        Whose threshold and band decide at first.
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
        self._moved: dict[str, str] = {}  # where photos are that were moved
        self._journals: list[Path] = []  # of what was done and not undone, the last at the end
        self._acting = threading.Lock()

    def page(self) -> bytes:
        """The page as things are now."""
        about = {
            "report": "review",
            "name": self.folder.name or "photos",
            "threshold": self.threshold,
            "decisions": self.decisions.letters(),
        }
        rejected = "rejected photos, with all that belongs to them"
        actions = [
            ("move", f"Move {rejected}, to {printable(str(self.move))}"),
            ("rate", "Rate kept and rejected photos, in XMP sidecars that photo editors read"),
            ("tag", "Tag rejected photos with keywords, in XMP sidecars"),
        ]
        seen = (one.settled(self.threshold, self.band) for one in self.predictions)
        title, saved = (
            f"Review of {printable(str(self.folder))}",
            printable(str(self.decisions.path)),
        )
        return served_page(title, seen, about, actions, saved)

    def decide(self, letters: Mapping[int, str], threshold: float) -> None:
        """Keep decisions on photos by their numbers; on disk when this returns.

        Raises
        ------
        BlurError
            They are none, or cannot be written.
        """
        known = range(len(self.predictions))
        good = all(number in known and letter in NAMES for number, letter in letters.items())
        require(good and 0 <= threshold <= 1, "is no request of the page")
        band = self.band if threshold == self.threshold else None
        self.decisions.decide(letters, threshold, band)

    def place(self, number: int) -> tuple[str, Prediction]:
        """Where a photo is now, and what was said of it.

        Raises
        ------
        BlurError
            There is none of that number.
        """
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
        """A photo at full size: its path and None where a browser shows it, else a JPEG."""
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
        """What the page shows of it, and what can be done next."""
        lines = [*report.lines, *report.plan]
        more = [f"and {len(lines) - _LINES} more"] if len(lines) > _LINES else []
        return {
            "summary": report.summary,
            "lines": lines[:_LINES] + more,
            "undo": bool(self._journals),
        }

    def apply(self, action: str, dry_run: bool) -> dict[str, Any]:
        """Do to the photos what is decided, or say what would be done.

        Raises
        ------
        BlurError
            There is no such action.
        """
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
        """Take back what was done last.

        Raises
        ------
        BlurError
            Nothing was done; the journal cannot be read.
        """
        with self._acting:
            require(bool(self._journals), "nothing was done that could be undone")
            report = undo(self._journals[-1])
            if not report.failed:
                self._journals.pop()
            there = self._moved.items()
            self._moved = {old: new for old, new in there if not os.path.lexists(old)}
            return {**self._report(report), "apply": False}


def judge(
    folder: Path, settings: ReviewSettings, cache: Path, leave: Path, warn: Callable[[str], None]
) -> tuple[Classifier, list[Prediction]]:
    """Scan the photos below `folder`, but for those in the folder `leave`.

    Returns
    -------
    (the classifier, a prediction by it with threshold 0 for each photo)
    """
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
    predictions: list[Prediction] = []
    freeze()
    with (
        WorkerPool(job, classifier, cores(), cores() - 1, len(files)) as pool,
        closing(scan(files, pool, cache, warn)) as answers,
    ):
        if hand_out(
            map(in_bursts, answers), len(files), 0.0, [lambda one, _: predictions.append(one)]
        ):
            raise KeyboardInterrupt
    return own, predictions


def opened(settings: ReviewSettings, warn: Callable[[str], None]) -> Review:
    """Scan the folder and take up the decisions that are there.

    Raises
    ------
    BlurError
        It is no folder; the model is none; decisions cannot be read, or not written there.
    """
    folder = Path(os.path.abspath(settings.folder))
    require(folder.is_dir(), f"{settings.folder}: is no folder; name one that holds photos")
    path = Path(os.path.abspath(settings.decisions or folder / DECISIONS))
    move = Path(os.path.abspath(settings.move or folder / REJECTED))
    Places(move, [folder])  # a wrong target ends here
    DecisionFile(path, folder, [])  # a wrong file too, before the scan
    cache = settings.cache or path.with_suffix(".cache")
    own, predictions = judge(folder, settings, cache, move, warn)
    decisions = DecisionFile(path, folder, predictions)
    return Review(folder, predictions, own, decisions, move)


def application(review: Review, token: str) -> Any:
    """The server as an ASGI application; all addresses begin with the token."""
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
    from starlette.routing import Route

    def page(request: Request) -> Response:
        return Response(
            review.page(), media_type="text/html", headers={"cache-control": "no-store"}
        )

    def small(request: Request) -> Response:
        return Response(review.small(request.path_params["number"]), 200, _KEPT, "image/jpeg")

    def whole(request: Request) -> Response:
        number = request.path_params["number"]
        kind, data = review.whole(number)
        if data is None:
            return FileResponse(review.place(number)[0], 200, _KEPT, kind)
        return Response(data, 200, _KEPT, kind)

    def blur_map(request: Request) -> Response:
        return Response(review.map(request.path_params["number"]), 200, _KEPT, "image/png")

    async def asked(request: Request) -> dict[str, Any]:
        body = b""
        async for part in request.stream():
            body += part
            require(len(body) <= _MUCH, "is too much for one request")
        content = json.loads(body)
        require(isinstance(content, dict), "is no request of the page")
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
        line = str(error) if isinstance(error, BlurError) else "is no request of the page"
        return PlainTextResponse(line, 400)

    def routes() -> Iterator[Route]:
        for name, answer in (("small", small), ("whole", whole), ("map", blur_map)):
            yield Route(f"/{token}/photos/{{number:int}}/{name}", answer)
        calls: dict[str, Any] = {
            "decisions": decide,
            "plan": acting(lambda action: review.apply(action, dry_run=True)),
            "apply": acting(lambda action: review.apply(action, dry_run=False)),
            "undo": acting(lambda action: review.undo()),
        }
        for name, answer in calls.items():
            yield Route(f"/{token}/{name}", answer, methods=["POST"])
        yield Route(f"/{token}/", page)

    errors = dict.fromkeys((BlurError, ValueError, KeyError, AttributeError, TypeError), refused)
    app: Starlette = Starlette(routes=list(routes()), exception_handlers=errors)
    return guarded(app, HOSTS, _POLICY, token)


def serve_review(
    settings: ReviewSettings, said: Callable[[str], object], warn: Callable[[str], None]
) -> None:
    """Serve until Ctrl-C, to this machine alone.

    Parameters
    ----------
    settings : ReviewSettings
    said : callable
        Told the address, which nobody else knows.
    warn : callable
        Told in one line what goes wrong beside the photos, such as a damaged cache.

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
        reason = error.strerror or error
        raise BlurError(
            f"port {settings.port}: cannot be served ({reason}); try --port 0"
        ) from None
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
