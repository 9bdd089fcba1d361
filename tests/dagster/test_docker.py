"""What can be said of image and deployment without an engine that runs them."""

import re
from pathlib import Path

import pytest
import yaml

from tests.dagster.compose import DOCKER, read_compose
from tiktok_ns_pipeline.settings import ReceiverSettings, Settings

ROOT = DOCKER.parent
OURS = ("init", "code", "daemon", "webserver", "webserver-read-only", "webhooks")
FILLED_IN = {
    "POSTGRES_PASSWORD": "secret",
    "TNS_TIKTOK_APP_KEY": "key",
    "TNS_NETSUITE_ACCOUNT": "1234567",
    "TNS_NETSUITE_CLIENT_ID": "client",
    "TNS_NETSUITE_CERTIFICATE_ID": "certificate",
}


def dockerfile() -> str:
    return (DOCKER / "Dockerfile").read_text()


def test_the_example_names_every_variable_that_must_be_filled_in():
    example = (DOCKER / ".env.example").read_text()
    wanted = set(re.findall(r"\$\{(\w+):\?", (DOCKER / "compose.yaml").read_text()))
    assert wanted == set(re.findall(r"^(\w+)=$", example, re.MULTILINE)) == set(FILLED_IN)
    read_compose(FILLED_IN)


@pytest.mark.parametrize("missing", sorted(FILLED_IN))
def test_a_variable_that_is_not_filled_in_is_named(missing: str):
    with pytest.raises(KeyError, match=missing):
        read_compose({**FILLED_IN, missing: ""})


def test_the_code_location_finds_all_settings_and_its_secrets_only_in_files(tmp_path: Path):
    environment = dict(read_compose(FILLED_IN)["code"].environment)
    secrets = {name: value for name, value in environment.items() if name.endswith("_FILE")}
    assert set(secrets.values()) == {
        f"/run/secrets/{name}" for name in ("encryption_key", "tiktok_app_secret", "netsuite_private_key")
    }
    for name in secrets:
        (tmp_path / name).write_text("something secret")
        environment[name] = str(tmp_path / name)
    settings = Settings.from_environment(environment)
    assert settings.database_url == "postgresql+psycopg2://tns:secret@postgres:5432/ledger"
    assert settings.tiktok.app_secret == settings.netsuite.private_key == "something secret"
    assert str(settings.mapping_path) == "/etc/tns/mapping.yaml"


def test_only_the_code_location_knows_the_accounts_and_the_receiver_the_app():
    for name, service in read_compose(FILLED_IN).items():
        knows = [
            variable for variable in service.environment if "TIKTOK" in variable or "NETSUITE" in variable
        ]
        assert bool(knows) == (name in {"code", "webhooks"})


def test_the_receiver_of_webhooks_knows_the_ledger_and_the_apps_secret_alone(tmp_path: Path):
    service = read_compose(FILLED_IN)["webhooks"]
    (tmp_path / "secret").write_text("something secret")
    environment = {**service.environment, "TNS_TIKTOK_APP_SECRET_FILE": str(tmp_path / "secret")}
    settings = ReceiverSettings.from_environment(environment)
    assert (settings.app_key, settings.app_secret) == ("key", "something secret")
    assert settings.database_url == "postgresql+psycopg2://tns:secret@postgres:5432/ledger"
    assert set(environment) == {"TNS_DATABASE_URL", "TNS_TIKTOK_APP_KEY", "TNS_TIKTOK_APP_SECRET_FILE"}
    assert service.raw["secrets"] == ["tiktok_app_secret"]
    assert "volumes" not in service.raw


def test_every_process_of_ours_runs_unprivileged_from_one_image():
    services = read_compose(FILLED_IN)
    for name in OURS:
        raw = services[name].raw
        assert raw["image"] == "tiktok-ns-pipeline:latest"
        assert raw["read_only"] is True
        assert raw["cap_drop"] == ["ALL"]
        assert raw["security_opt"] == ["no-new-privileges:true"]
        assert not raw.get("privileged")
        assert "/var/run/docker.sock" not in str(raw)


def test_every_lasting_process_is_watched_and_waits_for_what_it_needs():
    services = read_compose(FILLED_IN)
    for name, service in services.items():
        assert bool(service.health) == (name != "init"), name
    waits = {name: dict(service.raw.get("depends_on", {})) for name, service in services.items()}
    assert waits["init"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("code", "webhooks"):
        assert waits[name] == {"init": {"condition": "service_completed_successfully"}}
    for name in ("daemon", "webserver", "webserver-read-only"):
        assert waits[name] == {"code": {"condition": "service_healthy"}}


def test_no_port_is_open_beyond_this_host():
    for service in read_compose(FILLED_IN).values():
        assert all(port.startswith("127.0.0.1:") for port in service.raw.get("ports", ()))


def test_the_read_only_webserver_is_one():
    command = read_compose(FILLED_IN)["webserver-read-only"].command
    assert "--read-only" in command
    assert command[command.index("--path-prefix") + 1] == "/finance"


def test_the_image_is_unprivileged_compiled_and_installs_what_is_locked():
    text = dockerfile()
    instructions = [line.split()[0] for line in text.splitlines() if re.match(r"[A-Z]+ ", line)]
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert instructions.index("USER") < instructions.index("CMD")
    assert "HEALTHCHECK" in instructions
    assert "--require-hashes" in text
    assert "compileall" in text
    assert "PYTHONDONTWRITEBYTECODE" not in text
    assert "--hash=sha256:" in (ROOT / "requirements.lock").read_text()


def test_what_the_image_copies_exists_and_is_not_ignored():
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text()
    for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile(), re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored, source


def test_the_image_runs_what_the_deployment_runs():
    command = next(line for line in dockerfile().splitlines() if line.startswith("CMD "))
    started = yaml.safe_load(command.removeprefix("CMD "))
    assert tuple(started) == read_compose(FILLED_IN)["code"].command[: len(started)]


def test_both_instances_differ_only_in_where_they_keep_things():
    embedded = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    production = yaml.safe_load((DOCKER / "dagster.yaml").read_text())
    for key in ("storage", "run_launcher", "compute_logs", "local_artifact_storage"):
        del production[key]
    del embedded["code_servers"]
    assert production == embedded
