"""The styles of the workbench, each text of them parsed once."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import TYPE_CHECKING

from textual.css.stylesheet import Stylesheet

if TYPE_CHECKING:
    from textual.css.model import RuleSet
    from textual.css.types import CSSLocation

_THEMES = 8  # whose rules are kept


class KeptStylesheet(Stylesheet):
    """Textual's, which keeps the rules of a text for as long as the process lives.

    Textual parses the styles of all widgets and screens anew for each screen that is opened for the first
    time, and for each change of the theme, be it back to one it had.
    """

    def __init__(self, *, variables: dict[str, str]) -> None:
        super().__init__(variables=variables)
        self._kept = _rules_under(frozenset(variables.items()))

    def set_variables(self, variables: dict[str, str]) -> None:
        super().set_variables(variables)
        self._kept = _rules_under(frozenset(variables.items()))

    def _parse_rules(
        self,
        css: str,
        read_from: CSSLocation,
        is_default_rules: bool = False,
        tie_breaker: int = 0,
        scope: str = "",
    ) -> list[RuleSet]:
        of = (css, read_from, is_default_rules, tie_breaker, scope)
        if of not in self._kept:
            self._kept[of] = super()._parse_rules(*of)
        return self._kept[of]

    def reparse(self) -> None:
        """Textual's does it in a new stylesheet, lest an error break this one: `parse` takes no rules either
        before it has all of them."""
        self.parse()


@lru_cache(_THEMES)
def _rules_under(variables: frozenset[tuple[str, str]]) -> dict[Hashable, list[RuleSet]]:
    """The rules that have been parsed with these variables, by the text and what else they depend on."""
    return {}
