"""What the page's server answers to a request whose token is right."""

import asyncio
import re
from collections.abc import Mapping
from http import HTTPStatus

from cachemon.model.errors import CachemonError
from cachemon.web.page_answer import PageAnswer, json_answer, refusal
from cachemon.web.page_assets import INDEX, Asset
from cachemon.web.page_request import PageRequest
from cachemon.web.page_source import PageSource, Subject
from cachemon.web.state_changes import ChangeLog

_NUMBER = re.compile(r"[0-9]{1,15}")
_HISTORY_SECONDS = 3600.0
_LONGEST_HISTORY_SECONDS = 7 * 86_400.0


class PageRoutes:
    """Answers requests for the assets and the JSON of one source."""

    def __init__(self, source: PageSource, assets: Mapping[str, Asset]) -> None:
        self._source = source
        self._assets = assets
        self._changes = ChangeLog()

    async def answer(self, path: str, request: PageRequest, *, may_ask: bool) -> PageAnswer:
        """The answer.

        Args:
            path: after the token.
            request: the whole request.
            may_ask: whether the page itself asks, which is needed for requests that change something.
        """
        try:
            return await self._answer(path, request, may_ask=may_ask)
        except CachemonError as err:
            return json_answer({"problem": str(err)}, HTTPStatus.BAD_GATEWAY)

    async def _answer(self, path: str, request: PageRequest, *, may_ask: bool) -> PageAnswer:
        if request.method == "POST":
            if path != "live":
                return refusal(HTTPStatus.METHOD_NOT_ALLOWED)
            return json_answer(await self._source.ask_live()) if may_ask else refusal(HTTPStatus.FORBIDDEN)
        if path == "state.json":
            return await self._state(request.parameters)
        if path == "history.json":
            return await self._history(request.parameters)
        if path == "why.json":
            return await self._why(request.parameters)
        asset = self._assets.get(path or INDEX)
        if asset is None:
            return refusal(HTTPStatus.NOT_FOUND)
        return PageAnswer(HTTPStatus.OK, asset.media_type, asset.content, asset.compressed)

    async def _state(self, parameters: Mapping[str, str]) -> PageAnswer:
        after = parameters.get("after")
        if after is not None and _NUMBER.fullmatch(after) is None:
            return refusal(HTTPStatus.BAD_REQUEST)
        changes = self._changes.answer(self._source.state(), None if after is None else int(after))
        return await asyncio.to_thread(json_answer, changes)

    async def _history(self, parameters: Mapping[str, str]) -> PageAnswer:
        subject = Subject(parameters.get("node", ""), parameters.get("vm", ""))
        seconds = parameters.get("seconds", f"{_HISTORY_SECONDS:.0f}")
        if bool(subject.node) == bool(subject.vm) or _NUMBER.fullmatch(seconds) is None:
            return refusal(HTTPStatus.BAD_REQUEST)
        history = await self._source.history(subject, min(float(seconds), _LONGEST_HISTORY_SECONDS))
        if history is None:
            return _unknown(subject.node or subject.vm)
        return await asyncio.to_thread(json_answer, history)

    async def _why(self, parameters: Mapping[str, str]) -> PageAnswer:
        vm = parameters.get("vm", "")
        if not vm:
            return refusal(HTTPStatus.BAD_REQUEST)
        answer = await self._source.why(vm)
        return _unknown(vm) if answer is None else json_answer(answer)


def _unknown(name: str) -> PageAnswer:
    return json_answer({"problem": f"nothing is known of {name}"}, HTTPStatus.NOT_FOUND)
