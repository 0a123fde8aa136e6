"""Renders templates as pages in the language of the visitor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

from adsum import __version__
from adsum.platform.http.cookies import cookie_of
from adsum.platform.http.middleware import POLICY
from adsum.platform.pages.charts import absence_scale
from adsum.platform.pages.compression import VARY, packed
from adsum.platform.pages.languages import COOKIE, Language, chosen_language, load_languages
from adsum.platform.pages.page_visitor import with_field
from adsum.platform.pages.static_files import static_url

NO_SINGLE_KEYS: Final = "no-single-keys"
"""The cookie of browsers in which no single key is a shortcut, for visitors who press keys by mistake or by voice."""

# Images come from this server; the stylesheet holds small ones as data: URLs.
PAGE_POLICY: Final = f"{POLICY}; img-src 'self' data:"


@dataclass(frozen=True, slots=True)
class Site:
    """The templates in each language and region. A template is compiled when it is first rendered.

    Each of `packages` has a folder `templates`.
    """

    languages: Mapping[str, Language]
    packages: Sequence[str]
    _environments: dict[str, Environment] = field(default_factory=dict[str, Environment])

    def language_of(self, request: Request) -> Language:
        """The language that the visitor has chosen in their profile or in this browser, else that of the browser."""
        accepted = request.headers.get("Accept-Language", "")
        chosen: str | None = getattr(request.state, "language", None)
        return chosen_language(self.languages, chosen or cookie_of(request, COOKIE), accepted)

    def text(self, request: Request, template: str, **shown: Any) -> str:
        """Renders a template as text."""
        environment = self.environment(self.language_of(request))
        has_single_keys = cookie_of(request, NO_SINGLE_KEYS) is None
        return environment.get_template(template).render(request=request, has_single_keys=has_single_keys, **shown)

    def environment(self, language: Language) -> Environment:
        """The templates in a language, with the formats of its region."""
        found = self._environments.get(language.locale_name)
        if found is None:
            found = _environment(language, self.languages, self.packages)
            self._environments[language.locale_name] = found
        return found

    def page(
        self, request: Request, template: str, *, status: HTTPStatus = HTTPStatus.OK, **shown: Any
    ) -> HTMLResponse:
        """Renders a template as a response: a page, or a fragment of a page."""
        content, encoding = packed(request, with_field(request, self.text(request, template, **shown)))
        headers = {"Content-Security-Policy": PAGE_POLICY, "Vary": f"Cookie, Accept-Language, {VARY}"}
        return HTMLResponse(content, status, headers | encoding)


def open_site(packages: Sequence[str]) -> Site:
    """Loads the translations."""
    return Site(load_languages(), packages)


def speak(request: Request, language: str | None) -> None:
    """Renders the answer of a request in the language that its visitor has chosen; None: they have not."""
    request.state.language = language


def site_of(request: Request) -> Site:
    """The site of the application."""
    site = request.app.state.site
    assert isinstance(site, Site)
    return site


def _environment(language: Language, languages: Mapping[str, Language], packages: Sequence[str]) -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # The translations hold each text on one line, whatever the line breaks in its template.
    environment.policies["ext.i18n.trimmed"] = True
    install: Any = getattr(environment, "install_gettext_callables")  # noqa: B009 - the extension adds it
    install(language.gettext, language.ngettext, newstyle=True)
    names: dict[str, Any] = environment.globals
    names |= {
        "language": language,
        "languages": list(languages.values()),
        "static": static_url,
        "version": __version__,
    }
    filters: dict[str, Any] = environment.filters
    filters |= _filters(language)
    return environment


def _filters(language: Language) -> dict[str, Any]:
    return {
        "day": language.day,
        "clock": language.clock,
        "number": language.number,
        "percent": language.percent,
        "moment": language.moment,
        "time": language.time,
        "duration": language.duration,
        "absence_scale": absence_scale,
        "relative": language.relative,
        "month": language.month,
        "session": language.session,
        # For texts of a school: `_()` would interpret them as HTML, and % as a placeholder.
        "translated": language.gettext,
    }
