"""Log lines of the programs: for people, or one JSON object each."""

import argparse
import json
import logging
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from cachemon.daemon.settings import Flags, one_of

_FORMATS = ("text", "json")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

_TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Checked settings."""

    level: str = "INFO"  # of the standard library's logging
    format: str = "text"  # `text` or `json`


def add_log_flags(flags: Flags) -> None:
    """Add the flags."""
    default = LogSettings()
    flags.add("--log-level", default.level, f"least level to log: {', '.join(_LEVELS)}")
    flags.add("--log-format", default.format, f"format of the log lines on standard error: {' or '.join(_FORMATS)}")


def log_settings_of(args: argparse.Namespace) -> LogSettings:
    """Check the values; InvalidInputError, which names the flag, when one is not valid."""
    return LogSettings(
        level=one_of("--log-level", args.log_level, _LEVELS), format=one_of("--log-format", args.log_format, _FORMATS)
    )


class JsonFormatter(logging.Formatter):
    """time, level, logger and message; an exception as text."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def configure_logs(settings: LogSettings, *, quiet: Iterable[str] = ()) -> None:
    """Log to standard error; of the `quiet` loggers, chatty ones of libraries, only warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.format == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(handlers=[handler], level=settings.level, force=True)
    for name in quiet:
        logging.getLogger(name).setLevel(logging.WARNING)
