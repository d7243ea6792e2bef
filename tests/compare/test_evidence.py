"""The verdicts that are kept with the docs, and the tables made of them."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.evidence import FILE, Verdict, add, pass_at, read, table


def verdicts(variant: str, passed: str, *, repeat: int = 1, calls: int = 1) -> list[Verdict]:
    """A trial for each letter of `passed`: y or n."""
    return [
        Verdict(variant, repeat, f"p{i}", int(letter == "y"), 1, calls, 10, 90 * calls)
        for i, letter in enumerate(passed)
    ]


def test_the_table_says_what_its_trials_come_to(tmp_path: Path) -> None:
    file = tmp_path / "kept.csv"
    add(verdicts("one", "ynnnnnnnyy"), file)
    add(verdicts("loop,draws=3", "yyyyyyynyn", calls=3), file)
    head, _, one, loop = table(["one", "loop,draws=3"], file).splitlines()
    assert head == "| Variant | Trials | Pass rate | Difference | p | Calls | Tokens |"
    assert one == "| `one` | 10 | 30.0 % [10.8, 60.3] | – | – | 2 | 100 |"
    # Six problems gained, one lost: exact McNemar 2 · (1 + 7) / 2⁷.
    assert (
        loop.startswith("| `loop,draws=3` | 10 | 80.0 % [49.0, 94.3] | +50.0 [")
        and " | 0.1250 | 4 | 280 |" in loop
    )


def test_trials_are_added_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "kept.csv"
    add(verdicts("one", "nn"), file)
    add([*verdicts("one", "y"), *verdicts("one", "y", repeat=2)], file)
    assert [(v.problem, v.repeat, v.passed) for v in read(file)] == [("p0", 1, 1), ("p1", 1, 0), ("p0", 2, 1)]


def test_variants_are_compared_on_the_problems_that_all_of_them_have(tmp_path: Path) -> None:
    file = tmp_path / "kept.csv"
    add([*verdicts("all", "yynn"), *verdicts("half", "yn")], file)
    *_, one, other = table(["all", "half"], file).splitlines()
    assert one.startswith("| `all` | 2 | 100.0 % [")
    assert other.startswith("| `half` | 2 | 50.0 % [") and "| −50.0 [" in other


def test_repeats_of_some_of_the_problems_do_not_weigh_in_where_all_are_asked_for(tmp_path: Path) -> None:
    """The first ones of a benchmark are easier, say, and would count twice."""
    file = tmp_path / "kept.csv"
    add([*verdicts("all", "yynn"), *verdicts("half", "yn"), *verdicts("all", "yy", repeat=2)], file)
    assert table(["all"], file).splitlines()[-1].startswith("| `all` | 4 | 50.0 % [")
    *_, one, other = table(["half", "all"], file).splitlines()
    assert one.startswith("| `half` | 2 | 50.0 % [")
    assert other.startswith("| `all` | 4 | 100.0 % [")


def test_seeds_are_averaged_by_problem_and_draws_are_counted_together(tmp_path: Path) -> None:
    file = tmp_path / "kept.csv"
    first = [*verdicts("one", "yn"), *verdicts("draws", "yn")]
    add([*first, *verdicts("one", "yy", repeat=2), *verdicts("draws", "nn", repeat=2)], file)
    *_, draws = table(["one", "draws"], file).splitlines()
    assert draws.startswith("| `draws` | 4 | 25.0 % [") and "| −50.0" in draws
    # Of the first problem one of two draws passes, of the second none.
    assert pass_at("draws", file).splitlines() == [
        "| k | 1 | 2 |",
        "|---|--:|--:|",
        "| pass@k | 25.0 % | 50.0 % |",
    ]


def test_what_is_kept_is_of_humaneval_each_trial_once() -> None:
    kept = read(FILE)
    assert len({v[:3] for v in kept}) == len(kept) > 0
    problems = {f"HumanEval/{number}" for number in range(164)}
    assert {v.problem for v in kept} <= problems
