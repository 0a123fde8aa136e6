"""Which requests are answered with a page, and a page without templates, where none can be rendered."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from http import HTTPStatus

from starlette.responses import HTMLResponse

# Programs send their credentials in these headers, browsers in a cookie.
_CREDENTIALS = ("authorization", "x-api-key")
# Both languages, since the preferred one may be unknown.
_TEXTS: dict[HTTPStatus, tuple[str, str, str, str]] = {
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (
        "Your browser sent too much",
        "Delete the cookies of this site, then try again.",
        "Ihr Browser hat zu viel gesendet",
        "Löschen Sie die Cookies dieser Website und versuchen Sie es noch einmal.",
    ),
    HTTPStatus.REQUEST_URI_TOO_LONG: (
        "This address is too long",
        "Go back, and choose less at once.",
        "Diese Adresse ist zu lang",
        "Gehen Sie zurück und wählen Sie weniger auf einmal aus.",
    ),
    HTTPStatus.REQUEST_TIMEOUT: (
        "The connection is too slow",
        "Your request did not arrive in time. Check your network, then try again.",
        "Die Verbindung ist zu langsam",
        "Ihre Anfrage kam nicht rechtzeitig an. Prüfen Sie Ihr Netz und versuchen Sie es noch einmal.",
    ),
}
_GENERAL = (
    "Something went wrong",
    "This is an error in Adsum. Check whether your change was saved before you repeat it.",
    "Etwas ist schiefgegangen",
    "Das ist ein Fehler in Adsum. Prüfen Sie, ob Ihre Änderung gespeichert ist, bevor Sie sie wiederholen.",
)


def shows_page(headers: Mapping[str, str]) -> bool:
    """Whether a browser shows the response to a request with these headers. Some programs accept HTML, too.

    Names are in lower case, or found in any case.
    """
    return "text/html" in headers.get("accept", "") and not any(name in headers for name in _CREDENTIALS)


def bare_page(status: HTTPStatus, request_id: str | None = None) -> HTMLResponse:
    """The page for an error with this status, in English and German."""
    heading, text, german_heading, german_text = _TEXTS.get(status, _GENERAL)
    reference = "" if request_id is None else f"<p><small>Request ID: <code>{escape(request_id)}</code></small></p>"
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{heading} · Adsum</title><link rel="stylesheet" href="/static/adsum.css"></head><body><main>'
        f'<section class="narrow"><h1>{heading}</h1><p>{text}</p>'
        f'<section lang="de"><h2>{german_heading}</h2><p>{german_text}</p></section>{reference}'
        '<p><a class="button" href="/">Adsum</a></p></section></main></body></html>',
        status,
    )
