"""Every action of the workbench, once.

Bindings, footer, help, command palette, the keymap of the settings and the table in the docs all
come from `ACTIONS`; `tests/tui/test_tui_actions.py` holds that none is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from textual.binding import Binding, BindingType

from tui.action_list import ACTIONS
from tui.action_scopes import SCOPES, SCREENS, Action, Scope

# Keys a terminal cannot tell from others (enter, tab, backspace, newline), tmux's prefix, and interrupt.
UNSAFE_KEYS = frozenset({"ctrl+m", "ctrl+i", "ctrl+h", "ctrl+j", "ctrl+b", "ctrl+c", "ctrl+s"})


BY_ID = {action.id: action for action in ACTIONS}


def bindings_for(scope: Scope) -> list[BindingType]:
    """Textual bindings of one scope, remappable under the action's id."""
    return [
        Binding(a.key, a.action, a.short or a.title, show=a.footer, id=a.id, tooltip=a.help)
        for a in ACTIONS
        if a.scope == scope
    ]


def actions_on(screen: str) -> Iterator[Action]:
    """The actions that work on `screen`, its own first."""
    for scope in reversed(SCREENS.get(screen, ("app",))):
        yield from (a for a in ACTIONS if a.scope == scope)


def keys_of(action: Action, keymap: Mapping[str, str]) -> list[str]:
    """The keys of `action` once `keymap` is applied."""
    return [key.strip() for key in keymap.get(action.id, action.key).split(",") if key.strip()]


def key_label(key: str) -> str:
    """A key as people write it."""
    names = {
        "question_mark": "?", "slash": "/", "escape": "esc", "right_square_bracket": "]",
        "left_square_bracket": "[", "right_curly_bracket": "}", "left_curly_bracket": "{",
        "less_than_sign": "<", "greater_than_sign": ">", "backslash": "\\", "plus": "+", "minus": "-",
        "full_stop": ".", "comma": ",", "equals_sign": "=",
        "pagedown": "pgdn", "pageup": "pgup",
        "up": "↑", "down": "↓", "left": "←", "right": "→",
    }  # fmt: skip
    return names.get(key, key)


def keymap_problems(keymap: Mapping[str, str]) -> list[str]:
    """What is wrong with a user's keymap, a sentence each: unknown actions, unsafe keys, clashes."""
    problems = [
        f"keymap: there is no action {id!r}; the help (?) lists them" for id in keymap if id not in BY_ID
    ]
    for id, keys in keymap.items():
        for key in keys.split(","):
            if key.strip() in UNSAFE_KEYS:
                problems.append(
                    f"keymap: {id} is on {key.strip()}, which a terminal keeps for itself; choose another key"
                )
    reported: set[frozenset[str]] = set()
    for scopes in SCREENS.values():
        for scope in scopes:
            by_key: dict[str, Action] = {}
            for action in (
                a
                for a in ACTIONS
                if a.scope in ("app", scope) or (scope in ("table", "tree", "timeline") and a.scope == "list")
            ):
                for key in keys_of(action, keymap):
                    other = by_key.setdefault(key, action)
                    pair = frozenset({other.id, action.id})
                    if other is not action and pair not in reported:
                        reported.add(pair)
                        problems.append(f"keymap: {other.id} and {action.id} are both on {key_label(key)}")
    return problems


def markdown_table() -> str:
    """The reference of keys for the docs."""
    lines = ["| Where | Key | Action | Id | What it does |", "|---|---|---|---|---|"]
    for scope, where in SCOPES.items():
        for a in (a for a in ACTIONS if a.scope == scope):
            keys = " ".join(f"`{key_label(k)}`" for k in keys_of(a, {}))
            lines.append(f"| {where} | {keys} | {a.title} | `{a.id}` | {a.help} |")
    return "\n".join(lines) + "\n"
