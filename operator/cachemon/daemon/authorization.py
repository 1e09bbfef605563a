"""Who may read /metrics: TokenReview and SubjectAccessReview, as controller-runtime's metrics server does it.

(sigs.k8s.io/controller-runtime pkg/metrics/filters `WithAuthenticationAndAuthorization`.) Answers are remembered: a
scraper asks every few seconds, and goes on to be answered while the API server is away. `Memory` decides by values
and times alone; `Authorizer` asks.
"""

import asyncio
import hashlib
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from cachemon.daemon.token_buckets import TokenBucket, TokenBuckets
from cachemon.model.access import Access
from cachemon.model.errors import KubeError, KubeForbiddenError

log = logging.getLogger(__name__)

LONGEST_TOKEN_BYTES = 6 * 1024
_PATH = "/metrics"

_BELIEVED_SECONDS = {Access.ALLOWED: 60.0, Access.FORBIDDEN: 5.0, Access.UNAUTHENTICATED: 30.0}
_BELIEVED_UNCONFIRMED_SECONDS = 15 * 60.0
_ASK_AGAIN_SECONDS = 10.0
_MOST_REMEMBERED = 256  # of the allowed, and as many of the others: strangers push out strangers

_REVIEWS_PER_SECOND_OF_PEER, _REVIEWS_AT_ONCE_OF_PEER = 1.0, 10
_REVIEWS_PER_SECOND_OF_STRANGERS, _REVIEWS_AT_ONCE_OF_STRANGERS = 5.0, 20
_WARN_SECONDS = 60.0


MayGet = Callable[[str, str], Awaitable[Access]]
"""Whether the owner of a token may get a path, as `cachemon.kube.reviews` asks; KubeError when nobody says."""


class Recalled(NamedTuple):
    """What is remembered of a token."""

    access: Access | None  # the last answer that may still count; None when there is none
    ask: bool  # whether to ask for a new one. `access` counts if there is no answer.


@dataclass(slots=True)
class _RememberedAccess:
    access: Access
    confirmed_at: float
    ask_at: float


class Memory:
    """Answers about tokens, with the times until which they count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._allowed: OrderedDict[bytes, _RememberedAccess] = OrderedDict()
        self._others: OrderedDict[bytes, _RememberedAccess] = OrderedDict()

    def recall(self, key: bytes) -> Recalled:
        """What is known of a token now."""
        now = self._clock()
        entry = self._allowed.get(key)
        if entry is not None and now - entry.confirmed_at < _BELIEVED_UNCONFIRMED_SECONDS:
            self._allowed.move_to_end(key)
            return Recalled(Access.ALLOWED, ask=now >= entry.ask_at)
        entry = self._others.get(key)
        if entry is not None and now < entry.ask_at:
            return Recalled(entry.access, ask=False)
        return Recalled(None, ask=True)

    def note(self, key: bytes, access: Access) -> None:
        """The API server has answered."""
        now = self._clock()
        self._allowed.pop(key, None)
        self._others.pop(key, None)
        entries = self._allowed if access is Access.ALLOWED else self._others
        entries[key] = _RememberedAccess(access, now, now + _BELIEVED_SECONDS[access])
        if len(entries) > _MOST_REMEMBERED:
            entries.popitem(last=False)

    def note_silence(self, key: bytes) -> None:
        """It has not: whoever was allowed is not made to wait for it at every scrape."""
        if entry := self._allowed.get(key):
            entry.ask_at = self._clock() + _ASK_AGAIN_SECONDS


class Authorizer:
    """Judges requests; one for the whole program.

    Reviews are rationed: to each address, and to all addresses together from which nobody was allowed lately. So who
    tries many tokens loads neither the API server nor us, and does not use up what a known scraper needs.
    """

    def __init__(
        self, may_get: MayGet, clock: Callable[[], float] = time.monotonic, *, review_seconds: float = 3.0
    ) -> None:
        self._may_get = may_get
        self._clock = clock
        self._review_seconds = review_seconds
        self._memory = Memory(clock)
        self._salt = secrets.token_bytes(16)
        self._of_peer = TokenBuckets(_REVIEWS_PER_SECOND_OF_PEER, _REVIEWS_AT_ONCE_OF_PEER, clock=clock)
        self._of_strangers = TokenBucket(_REVIEWS_PER_SECOND_OF_STRANGERS, _REVIEWS_AT_ONCE_OF_STRANGERS, clock)
        self._known_peers: OrderedDict[str, float] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Task[Access | None]] = {}
        self._warned_at = float("-inf")

    async def judge(self, token: str, peer: str) -> Access | None:
        """Whether a request may have the page: by the token of its Authorization header, empty when it has none.

        None when it is not known now.
        """
        if not token or len(token) > LONGEST_TOKEN_BYTES:
            return Access.UNAUTHENTICATED
        key = hashlib.blake2b(token.encode(errors="surrogateescape"), key=self._salt).digest()
        access, ask = self._memory.recall(key)
        if ask:
            answer = await self._ask(key, token, peer, is_known=access is not None)
            access = answer if answer is not None else access
        if access is Access.ALLOWED:
            self._know(peer)
        return access

    async def _ask(self, key: bytes, token: str, peer: str, *, is_known: bool) -> Access | None:
        task = self._under_way.get(key)
        if task is None:
            if not is_known and not self._may_ask(peer):
                return None
            task = self._under_way[key] = asyncio.create_task(self._review(key, token))
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)

    async def _review(self, key: bytes, token: str) -> Access | None:
        try:
            async with asyncio.timeout(self._review_seconds):
                access = await self._may_get(token, _PATH)
        except (KubeError, TimeoutError) as err:
            self._memory.note_silence(key)
            self._warn(err)
            return None
        self._memory.note(key, access)
        return access

    def _may_ask(self, peer: str) -> bool:
        known_at = self._known_peers.get(peer)
        is_stranger = known_at is None or self._clock() - known_at > _BELIEVED_UNCONFIRMED_SECONDS
        return self._of_peer.take(peer) and (not is_stranger or self._of_strangers.take())

    def _know(self, peer: str) -> None:
        self._known_peers[peer] = self._clock()
        self._known_peers.move_to_end(peer)
        if len(self._known_peers) > _MOST_REMEMBERED:
            self._known_peers.popitem(last=False)

    def _warn(self, err: KubeError | TimeoutError) -> None:
        """Now and then: strangers choose how often this is called."""
        now = self._clock()
        if now - self._warned_at < _WARN_SECONDS:
            return
        self._warned_at = now
        advice = (
            "; may we `create` tokenreviews and subjectaccessreviews?" if isinstance(err, KubeForbiddenError) else ""
        )
        log.warning("no answer to who may read /metrics: %s%s", str(err) or "the API server does not answer", advice)
