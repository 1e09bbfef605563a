"""The package kubernetes as a client of the lab's API servers."""

from pathlib import Path
from typing import Any

from kubernetes.client import ApiClient, ApiException, Configuration
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

REFUSED_OR_AWAY = (ApiException, HTTPError)
"""What a request raises: the server refuses it, or the server does not answer."""

_KEPT_CONNECTIONS = 32
_YOUNG_SECONDS = 60
_LONGEST_PAUSE_SECONDS = 1
_LATER = (429, 503)


def api_client(url: str, ca_file: Path, *, retry: bool = True) -> ApiClient:
    """A client with a pool of connections; the caller closes it.

    Args:
        url: the API server's address.
        ca_file: the certificates that the API server's is checked with (PEM).
        retry: whether to repeat a request for a minute if the server answers that it can't take it yet, as kubectl
            does (client-go's rest/with_retry.go). A server that has just started has no storage of the CRDs at
            first, nor for a moment after one was changed ("429 storage is (re)initializing").
    """
    configuration = Configuration(host=url)
    configuration.ssl_ca_cert = str(ca_file)
    configuration.connection_pool_maxsize = _KEPT_CONNECTIONS
    configuration.retries = Retry(
        connect=0,
        read=0,
        other=0,
        status=_YOUNG_SECONDS // _LONGEST_PAUSE_SECONDS if retry else 0,
        total=None,
        status_forcelist=_LATER,
        allowed_methods=None,
        backoff_factor=0.1,
        backoff_max=_LONGEST_PAUSE_SECONDS,
        respect_retry_after_header=False,  # it says at least a second
        raise_on_status=False,
    )
    return ApiClient(configuration)


def message_of(refusal: ApiException) -> str:
    """The API server's message in a refusal (`message` of its `Status`), or the text of an answer that is no JSON."""
    answer: Any = refusal.data
    return str(answer["message"] if isinstance(answer, dict) else refusal.body)
