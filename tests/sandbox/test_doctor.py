"""The doctor sees what is there, and says what to do about what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import SandboxError, doctor, images, remedies


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
    fix = by_name["docker daemon"].fix
    assert fix is not None
    assert "DOCKER_HOST" in fix  # whoever names a daemon does not want another one started
    assert by_name["docker daemon"].fixer is None
    assert not by_name["image"].ok


# message of the check, dockerd installed, systemd, root, what the remedy says, whether --fix does it
SITUATIONS = {
    "no permission": ("no permission to use Docker", True, True, False, "usermod -aG docker", False),
    "missing, root": ("no Docker daemon here", False, False, True, "apt-get install docker.io", True),
    "missing, user": ("no Docker daemon here", False, False, False, "sudo apt-get install docker.io", False),
    "down, systemd": ("does not answer", True, True, False, "sudo systemctl start docker", False),
    "down, systemd, root": ("does not answer", True, True, True, "systemctl start docker", True),
    "down, no systemd": ("does not answer", True, False, False, "sudo dockerd &", False),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_each_situation_has_its_remedy(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    message, installed, systemd, root, expected, mendable = SITUATIONS[name]
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(remedies, "is_root", lambda: root)
    monkeypatch.setattr(remedies, "_SYSTEMD", tmp_path if systemd else tmp_path / "absent")
    found = {"dockerd": "/usr/sbin/dockerd" if installed else None, "apt-get": "/usr/bin/apt-get"}
    monkeypatch.setattr(remedies.shutil, "which", found.get)
    fix, fixer = remedies.docker_advice(message)
    assert expected in fix
    assert (fixer is not None) is mendable


def test_a_daemon_that_gives_up_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    daemon = tmp_path / "dockerd"
    daemon.write_text("#!/bin/sh\necho starting\necho 'failed to start daemon: no cgroup mounted'\nexit 1\n")
    daemon.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    monkeypatch.setattr(remedies, "_SYSTEMD", tmp_path / "absent")
    monkeypatch.setattr(remedies, "_LOG", tmp_path / "log")
    with pytest.raises(SandboxError, match="dockerd cannot run here: no cgroup mounted"):
        remedies.start_docker(lambda _: None)


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


def test_a_host_of_the_settings_that_does_not_answer_is_named() -> None:
    checks = doctor.examine(["unix:///nowhere.sock"])
    named = next(check for check in checks if check.name == "docker host unix:///nowhere.sock")
    assert not named.ok
    assert named.required
    assert "docker_hosts" in (named.fix or "")
