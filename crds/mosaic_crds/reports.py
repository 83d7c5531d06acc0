"""The last handler of every command: an unexpected error becomes one sentence and a report in a file.

The report is the traceback, without the values of variables and without secrets.
"""

import errno
import io
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

UNEXPECTED = 70
"""Exit code after an unexpected error: EX_SOFTWARE of sysexits.h."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells return it (128 + SIGINT)."""
BROKEN_PIPE = 141
"""Exit code when the output is closed, as shells return it (128 + SIGPIPE)."""
MOST_FRAMES = 200
"""Maximum frames of a traceback; infinite recursion has a thousand."""
LONGEST_MESSAGE = 300
"""Characters of the message of an error in the sentence."""
SHORTEST_SECRET = 6
"""Characters: shorter values of the environment are not removed, because they also occur by chance."""

_SECRET_NAMES = re.compile(r"SECRET|PASSWORD|TOKEN|KEY|CREDENTIAL|CONNECTION|SAS|DATABASE", re.IGNORECASE)
_NAMED = r"\b([\w-]*(?:password|secret|token|signature|key))(['\"]?\s*[=:]\s*['\"]?)[^\s'\"&;,]+"
_SCRUBBED = (
    (re.compile(r"(?<=://)[^/\s'\"@]*@"), "***@"),
    (re.compile(r"(https?://[^\s'\"?]*)\?[^\s'\"]*"), r"\1?***"),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), r"\1 ***"),
    (re.compile(_NAMED, re.IGNORECASE), r"\1\2***"),
)
_FULL = {errno.ENOSPC, errno.EDQUOT}


def guarded(command: str, main: Callable[[], int]) -> int:
    """Run the main function of a command; return its exit code.

    Args:
        command: its name, before messages.
        main: returns an exit code.
    """
    plain_output()
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()
        return BROKEN_PIPE
    except KeyboardInterrupt:
        print(f"{command}: interrupted", file=sys.stderr)  # noqa: T201
        return INTERRUPTED
    except Exception as error:
        print(f"{command}: {reported(error)}", file=sys.stderr)  # noqa: T201
        return UNEXPECTED
    return code


def drop_output() -> None:
    """Discard all further output; the interpreter flushes once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def plain_output() -> None:
    """Escape characters that the encoding of the terminal lacks, as with LANG=C, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def reported(error: BaseException) -> str:
    """One sentence about an unexpected error and the path of its report, which is printed if no file can be written."""
    sentence = sentence_of(error)
    try:
        report = report_of(error)
    except (MemoryError, RecursionError):
        return f"{sentence}; there is no memory left for a report"
    path = _written(report)
    if path is not None:
        return f"{sentence}; the full report is in {path}"
    print(report, file=sys.stderr)  # noqa: T201
    return f"{sentence}; the full report is above"


def sentence_of(error: BaseException) -> str:
    """What happened, for the user."""
    match error:
        case RecursionError():
            return "the input is nested too deeply"
        case MemoryError():
            return "possibly out of memory; use fewer workers, or a machine with more memory"
        case UnicodeEncodeError(encoding=encoding):
            return f"the encoding {encoding} of this environment lacks characters of a name; set LANG=C.UTF-8"
        case OSError(strerror=str(said)):
            return _of_system(error, said)
    text = " ".join(scrubbed(str(error)).split())
    text = text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}..."
    return f"unexpected error {type(error).__name__}{f': {text}' if text else ''}"


def _of_system(error: OSError, said: str) -> str:
    where = f": {error.filename}" if error.filename else ""
    if error.errno in _FULL:
        return scrubbed(f"the disk is full{where}; free some space and run it again")
    return scrubbed(f"{said[:1].lower()}{said[1:]}{where}")


def report_of(error: BaseException) -> str:
    """The traceback, without the values of variables and without secrets."""
    import traceback  # noqa: PLC0415 (commands start without it)

    lines = traceback.TracebackException.from_exception(error, limit=MOST_FRAMES, capture_locals=False).format()
    return scrubbed("".join(lines))


def scrubbed(text: str, environment: Mapping[str, str] | None = None) -> str:
    """A text without likely secrets: parts of URLs, tokens, and secret values of the environment."""
    for pattern, put in _SCRUBBED:
        text = pattern.sub(put, text)
    for name, value in (os.environ if environment is None else environment).items():
        if len(value) >= SHORTEST_SECRET and _SECRET_NAMES.search(name):
            text = text.replace(value, "***")
    return text


def _written(report: str) -> Path | None:
    """Write a report to a file that only this user can read. Return its path; None if no folder is writable."""
    import tempfile  # noqa: PLC0415 (commands start without it)

    for folder in (tempfile.gettempdir, _cache):
        try:
            number, path = tempfile.mkstemp(prefix="mosaic-report-", suffix=".txt", dir=folder())
            with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(report)
        except (OSError, RuntimeError):  # a full disk, no such folder, no home
            continue
        return Path(path)
    return None


def _cache() -> str:
    return os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
