"""HTTP with the default meaning of answers, and errors by what the daemon does next.

In: a request. Out: the answer, or a raised error of the contract: retry, reconnect, reject, uncertain, internal.
Never: repeats a request, or sees a secret; a request names a credential and the host adds it.
"""

import json
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode

from componentize_py_types import Err
from wit_world.imports import http, run, settings as host_settings
from wit_world.imports.types import Error_Internal, Error_Reconnect, Error_Reject, Error_Retry, Error_Uncertain, Failure, Retry


def pick(fr, en):
    """The sentence in the firm's language."""
    return fr if run.language().startswith("fr") else en


def settings():
    """What the owner filled in."""
    return json.loads(host_settings.get())


def retry(code, message, not_before=None):
    """Passing: the daemon makes the same call again, not before the moment given."""
    return Err(Error_Retry(Retry(Failure(code, message, []), not_before)))


def reconnect(code, message):
    """The credential does not work: the account pauses, and the owner is asked."""
    return Err(Error_Reconnect(Failure(code, message, [])))


def reject(code, message):
    """Final for this input."""
    return Err(Error_Reject(Failure(code, message, [])))


def uncertain(code, message):
    """It left, and may have taken effect."""
    return Err(Error_Uncertain(Failure(code, message, [])))


def send(method, url, *, credential=None, headers=None, query=None, body=None, harmless=None):
    """Sends a request; gives the answer for 200 to 299 and 304, raises for all else.

    `harmless` says that sending it twice does no more than sending it once; reading is always so.
    """
    harmless = method == "GET" if harmless is None else harmless
    fields = [http.Header(name, value) for name, value in (headers or {}).items()]
    content = http.Body_Empty()
    if body is not None:
        content = http.Body_Bytes(json.dumps(body, ensure_ascii=False).encode())
        fields.append(http.Header("content-type", "application/json"))
    if query:
        url += ("&" if "?" in url else "?") + urlencode(query)
    try:
        answer = http.send(http.Request(method, url, fields, content, credential))
    except Err as error:
        raise _unanswered(error.value, harmless) from None
    if not (200 <= answer.status < 300 or answer.status == 304):
        raise _refused(answer, harmless)
    return Answer(answer, harmless)


class Answer:
    """What came back."""

    def __init__(self, answer, harmless):
        self.status = answer.status
        self.headers = {header.name.lower(): header.value for header in answer.headers}
        self.text = answer.body.decode("utf-8", "replace")
        self._harmless = harmless

    def json(self, read):
        """What `read` makes of the body as JSON. Whatever it raises means that the answer makes no sense."""
        try:
            return read(json.loads(self.text))
        except Exception:
            if self._harmless:
                raise retry(
                    "answer",
                    pick(
                        "Le service a donné une réponse incompréhensible. Beffroi réessaiera tout seul.",
                        "The service gave an answer that makes no sense. Beffroi will try again by itself.",
                    ),
                ) from None
            raise uncertain("answer", _unclear()) from None


def text(value):
    """A text that has to be there."""
    if isinstance(value, str):
        return value
    raise TypeError("no text")


def maybe(value):
    """A text that may be missing."""
    return None if value is None else text(value)


def whole(value):
    """A whole number that may be missing."""
    if value is None or (type(value) is int and abs(value) < 1 << 63):
        return value
    raise TypeError("no whole number")


def _unanswered(error, harmless):
    said = error.value
    if isinstance(error, http.HttpError_NotAllowed):
        return reject("not-allowed", said)
    if isinstance(error, http.HttpError_NoCredential):
        return reconnect("no-credential", said)
    if isinstance(error, http.HttpError_NotSent):
        return retry("not-sent", said)
    if isinstance(error, http.HttpError_Exhausted):
        return retry("exhausted", said[0], said[1])
    if isinstance(error, http.HttpError_Lost):
        return retry("lost", said) if harmless else uncertain("lost", said)
    if isinstance(error, http.HttpError_TooLarge):
        return reject("too-large", said) if harmless else uncertain("too-large", said)
    return Err(Error_Internal(Failure("http", str(said), [])))


def _refused(answer, harmless):
    status = answer.status
    code = f"http-{status}"
    if status in (401, 403):
        return reconnect(
            code,
            pick(
                f"Le service refuse cet accès (réponse {status}). Reconnectez-le.",
                f"The service refuses this access (answer {status}). Reconnect it.",
            ),
        )
    if status in (408, 425, 429) or (status >= 500 and harmless):
        return retry(
            code,
            pick(
                f"Le service demande d'attendre (réponse {status}). Beffroi réessaiera tout seul.",
                f"The service asks to wait (answer {status}). Beffroi will try again by itself.",
            ),
            _retry_at(answer),
        )
    if status >= 500:
        return uncertain(code, _unclear())
    return reject(
        code,
        pick(
            f"Le service refuse cette demande (réponse {status}). Corrigez le contenu ou les réglages.",
            f"The service refuses this request (answer {status}). Correct the content or the settings.",
        ),
    )


def _unclear():
    return pick(
        "Le service n'a pas répondu clairement : la demande est peut-être passée. Regardez avant de recommencer.",
        "The service gave no clear answer: the request may have gone through. Look before doing it again.",
    )


def _retry_at(answer):
    """When the other side wants to be asked again."""
    headers = {header.name.lower(): header.value for header in answer.headers}
    said = next((headers[name] for name in ("retry-after", "ratelimit-reset", "x-ratelimit-reset") if name in headers), None)
    if said is None:
        return None
    try:
        number = float(said)
    except ValueError:
        try:
            return int(parsedate_to_datetime(said).timestamp() * 1000)
        except (TypeError, ValueError):
            return None
    if not 0 <= number < 1e15:
        return None
    # A length of time, an instant in seconds, or one in milliseconds.
    return int(run.now() + number * 1000 if number < 1e9 else number * 1000 if number < 1e11 else number)
