"""The doctor sees what is there, and says what to do about what is not."""

from __future__ import annotations

import pytest

from sandbox import doctor, images


@pytest.fixture
def no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")


def test_all_is_well_where_a_sandbox_is() -> None:
    checks = doctor.examine()
    by_name = {check.name: check for check in checks}
    if not by_name["sandbox"].ok:
        pytest.skip(f"no sandbox here: {by_name['sandbox'].message}")
    assert doctor.healthy(checks), checks
    probes = [check for check in checks if check.name.startswith("hostile probe")]
    assert len(probes) == 5
    assert all(check.message == "refused" for check in probes)


@pytest.mark.usefixtures("no_docker")
def test_without_a_daemon_it_says_how_to_get_one() -> None:
    by_name = {check.name: check for check in doctor.examine()}
    assert not by_name["docker daemon"].ok
    assert "flowreasoner doctor --fix" in by_name["docker daemon"].message
    assert by_name["docker daemon"].fix is not None
    assert not by_name["image"].ok


def test_fixers_run_once_and_the_check_is_made_again() -> None:
    state = {"ok": False}
    said: list[str] = []

    def fixer(say: doctor.Progress) -> None:
        say("working")
        state["ok"] = True

    def check() -> doctor.Check:
        return doctor.Check("thing", state["ok"], "missing", "fix it", fixer)

    assert not doctor._fixed(check, False, said.append).ok
    assert doctor._fixed(check, True, said.append).ok
    assert said == ["thing: missing; fixing", "working"]


def test_the_image_is_named_by_its_content(monkeypatch: pytest.MonkeyPatch) -> None:
    before = images.tag()
    assert images.tag() == before
    files = images.guest_files()
    monkeypatch.setattr(images, "guest_files", lambda: {**files, "runner.py": files["runner.py"] + b"#"})
    assert images.tag() != before
