"""Questions to people, and excerpts of long texts: the routes of `bot.core.questions`.

/docs shows the docstrings of routes. Runs on the event loop.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import Path, Query
from fastapi.responses import JSONResponse

from bot.core.draft import Draft
from bot.core.excerpts import Excerpts
from bot.core.intake import Intake, RefusedError
from bot.core.question_store import Question
from bot.core.questions import NobodyToAskError, Questions
from bot.http import schemas
from bot.http.guard import Refused
from bot.http.responses import NOT_FOUND
from bot.http.sender import ClientName, IdempotencyKey, update_id_of

_ASK: dict[str, Any] = {
    "response_model": schemas.Answer,
    "responses": {
        202: {"model": schemas.Answer, "description": "With wait false: it has been asked."},
        409: {"model": schemas.ErrorBody, "description": "There is nobody who could answer."},
    },
}
_EXCERPT: dict[str, Any] = {
    "status_code": 202,
    "response_model": schemas.Queued,
    "responses": {
        200: {"model": schemas.SpeakResult, "description": "With wait: how it ended."},
        409: {
            "model": schemas.ErrorBody,
            "description": "The message of this Idempotency-Key was accepted before.",
        },
    },
}

_GRACE_S = 60.0
"""How much longer a request waits than its question is open."""

QuestionId = Annotated[int, Path(ge=0, le=2**63 - 1)]  # what SQLite can look for

MakeDraft = Callable[[schemas.SpeakOptions, str, int, str], Draft]


class Queued(Protocol):
    """Returns the answer about a stored message, when it has ended if *wait*."""

    async def __call__(self, id_: int, *, wait: bool) -> schemas.Queued | JSONResponse:
        """Return the answer."""
        ...


@dataclass(frozen=True, slots=True)
class AskRoutes:
    """The routes, and the objects that they use."""

    questions: Questions
    intake: Intake
    make_draft: MakeDraft
    """Returns the draft of a request, its client, its update id and its text."""
    queued: Queued

    def routes(self) -> Iterator[tuple[str, str, Callable[..., Any], dict[str, Any]]]:
        """Yield method, path, endpoint and options of each route."""
        yield from (
            ("POST", "/v1/ask", self.ask, _ASK),
            ("GET", "/v1/ask/{id}", self.read, {"responses": NOT_FOUND}),
            ("POST", "/v1/ask/{id}/withdraw", self.withdraw, {"responses": NOT_FOUND}),
            ("POST", "/v1/audio/excerpt", self.speak_excerpt, _EXCERPT),
        )

    async def ask(
        self, request: schemas.Ask, client: ClientName, key: IdempotencyKey = ""
    ) -> schemas.Answer | JSONResponse:
        """Ask people: the question is spoken, and sent to their chats with a button per option.

        Answers 200 with the first answer, or with status `timeout` or `stopped`. Without options
        people reply in words. The question outlives this request and a restart of Crier:
        `GET /v1/ask/{id}` waits for the answer again, and so does the same request with the same
        `Idempotency-Key`.
        """
        draft = self.make_draft(request, client, update_id_of(client, key, "ask"), request.input)
        try:
            question = await self.questions.ask(
                draft, request.options, timeout_s=request.timeout_s, chat_id=request.chat
            )
        except NobodyToAskError as exc:
            raise Refused(409, "nobody_to_ask", str(exc)) from exc
        except RefusedError as exc:
            raise _refused(exc) from exc
        if request.wait:
            return await self.read(question.id, request.timeout_s + _GRACE_S)
        return JSONResponse(_answer(question).model_dump(), 202)

    async def read(
        self,
        id: QuestionId,  # noqa: A002  # the path's name
        wait_s: Annotated[
            float,
            Query(ge=0, le=schemas.MAX_TIMEOUT_S, description="How long to wait for its end."),
        ] = 0.0,
    ) -> schemas.Answer:
        """Return a question and its answer; with `wait_s`, once it has ended or in that time."""
        question = await self.questions.wait(id, wait_s)
        if question is None:
            raise _unknown(id)
        if question.is_open and wait_s and self.questions.is_closed:
            reason = f"Crier is stopping. Question {id} stays open; ask for it again soon."
            raise Refused(503, "stopping", reason)
        return _answer(question)

    async def withdraw(self, id: QuestionId) -> schemas.Answer:  # noqa: A002  # the path's name
        """Withdraw a question that nobody has answered yet; its buttons are removed."""
        question = await self.questions.withdraw(id)
        if question is None:
            raise _unknown(id)
        return _answer(question)

    async def speak_excerpt(
        self, request: schemas.ExcerptText, client: ClientName, key: IdempotencyKey = ""
    ) -> schemas.Queued | JSONResponse:
        """Speak the first sentences of a long text, such as an agent's.

        Its code and tables are left out. The rest is sent to the chats, with a button that speaks
        it. `crier hook` does this.
        """
        update_id = update_id_of(client, key, "excerpt")
        draft = self.make_draft(request, client, update_id, request.input)
        excerpts = Excerpts(self.intake, self.questions)
        try:
            stored = await excerpts.speak(
                draft, max_s=request.max_s, before=request.before, after=request.after
            )
        except RefusedError as exc:
            raise _refused(exc) from exc
        if stored is None:
            raise Refused(409, "repeated", "This text was accepted before.")
        return await self.queued(stored.id, wait=request.wait)


def _refused(error: RefusedError) -> Refused:
    status, code = (429, "too_many") if error.too_many else (422, "nothing_to_speak")
    return Refused(status, code, str(error))


def _unknown(id_: int) -> Refused:
    return Refused(404, "no_such_question", f"There is no question {id_} (any more).")


def _answer(question: Question) -> schemas.Answer:
    return schemas.Answer(
        id=question.id,
        status=question.status,
        answer=question.answer or None,
        by=question.answered_by or None,
        after_s=None if question.is_open else round(question.ended_at - question.asked_at, 3),
        reason=question.reason,
    )
