"""One JSON request to the lab's API server, by the standard library alone."""

import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.ports import LOOPBACK
from lab.speed import patience

_TIMEOUT_SECONDS = 30


class ApiRefusedError(Exception):
    """The API server answered with an error.

    Args:
        status: the HTTP status.
        message: what the server says, with the request in front.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class ApiEndpoint:
    """Where the API server is and how its certificate is known; `host` is what the certificate is for."""

    port: int
    ca_file: Path
    host: str = LOOPBACK

    @property
    def url(self) -> str:
        """The base address, without a slash at the end."""
        return f"https://{self.host}:{self.port}"

    def request(
        self, method: str, path: str, *, token: str, body: Any = None, content_type: str = "application/json"
    ) -> Any:
        """Send one request; the answer is parsed JSON, or the text of what is no JSON (/readyz, /metrics).

        Raises:
            ApiRefusedError: the answer has a status of 400 or above.
            OSError: the server can't be reached.
        """
        connection = http.client.HTTPSConnection(
            self.host,
            self.port,
            timeout=patience(_TIMEOUT_SECONDS),
            context=ssl.create_default_context(cafile=str(self.ca_file)),
        )
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            text = response.read().decode()
            is_json = response.headers.get_content_type() == "application/json"
        finally:
            connection.close()
        answer = json.loads(text) if is_json else text
        if response.status >= http.client.BAD_REQUEST:
            message = answer.get("message", text) if isinstance(answer, dict) else text
            raise ApiRefusedError(response.status, f"{method} {path}: {response.status} {message}")
        return answer
