import json
import logging

import pytest
from pydantic import ValidationError

from contracts.errors import ConfigurationError
from settings import Settings
from settings.logs import configure_logging


def test_the_environment_of_a_child_gives_the_same_settings():
    settings = Settings(redis_url="redis://x", send_topics=("chat", "news"), batch_size=7, retention_days=0.5)
    assert Settings.from_environment(settings.to_environment()) == settings


def test_every_setting_is_described_and_has_a_default():
    assert all(field.description for field in Settings.model_fields.values())
    assert Settings() == Settings.from_environment({})


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"CROWDWATCH_BACH_SIZE": "8"}, "did you mean CROWDWATCH_BATCH_SIZE"),
        ({"CROWDWATCH_QQ": "8"}, "known: .*CROWDWATCH_WINDOW"),
        ({"CROWDWATCH_WINDOW": "many"}, "CROWDWATCH_WINDOW: .*integer"),
        ({"CROWDWATCH_WINDOW": "0"}, "CROWDWATCH_WINDOW: .*greater"),
        ({"CROWDWATCH_AUTH": "off", "CROWDWATCH_WEB_HOST": "0.0.0.0"}, "loopback"),
        ({"CROWDWATCH_AUTH": "off", "CROWDWATCH_WEB_HOST": "example.org"}, "loopback"),
        ({"CROWDWATCH_FLOWER_SIGN_IN": "admin:short"}, "CROWDWATCH_FLOWER_SIGN_IN: .*pattern"),
        ({"CROWDWATCH_TOPIC_FRAMES": "Faces"}, "name of its own"),
        ({"CROWDWATCH_TLS_CA_FILE": "/none"}, "CROWDWATCH_TLS_CA_FILE: .*/none cannot be used: No such file"),
        ({"CROWDWATCH_TLS_CA_FILE": __file__}, "CROWDWATCH_TLS_CA_FILE: .*cannot be used: NO_CERTIFICATE"),
        ({"CROWDWATCH_TLS_CERTIFICATE_FILE": __file__}, "CROWDWATCH_TLS_CERTIFICATE_FILE: .*cannot be used"),
        ({"CROWDWATCH_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "needs CROWDWATCH_KAFKA_USERNAME"),
        ({"CROWDWATCH_KAFKA_PASSWORD": "x"}, "CROWDWATCH_KAFKA_PASSWORD would not be used"),
    ],
)
def test_a_wrong_environment_is_told_by_name(environment, message):
    with pytest.raises(ConfigurationError, match=message):
        Settings.from_environment(environment)


def test_variables_of_others_are_left_alone():
    assert Settings.from_environment({"HOME": "/", "REDIS_URL": "redis://x"}).redis_url == "redis://x"


def test_a_value_may_be_given_by_file(tmp_path):
    secret = tmp_path / "redis_url"
    secret.write_text("redis://:secret@redis:6379/0\n")
    by_file = {"REDIS_URL_FILE": str(secret)}
    assert Settings.from_environment(by_file).redis_url == "redis://:secret@redis:6379/0"
    assert Settings.from_environment({**by_file, "REDIS_URL": "redis://x"}).redis_url == "redis://x"


def test_a_file_that_is_missing_is_told_by_name(tmp_path):
    with pytest.raises(ConfigurationError, match=r"CROWDWATCH_FLOWER_SIGN_IN_FILE: .*cannot be read"):
        Settings.from_environment({"CROWDWATCH_FLOWER_SIGN_IN_FILE": str(tmp_path / "none")})


def test_passwords_are_in_no_description_of_the_settings():
    secrets = {
        "REDIS_URL": "rediss://me:hidden@redis/0",
        "MONGODB_URI": "mongodb://me:hidden@mongodb",
        "CROWDWATCH_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "CROWDWATCH_KAFKA_USERNAME": "me",
        "CROWDWATCH_KAFKA_PASSWORD": "hidden",
    }
    assert "hidden" not in repr(Settings.from_environment(secrets))
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment({**secrets, "CROWDWATCH_WINDOW": "0", "CROWDWATCH_FLOWER_SIGN_IN": "hidden"})
    assert "hidden" not in f"{caught.value} {caught.value.__cause__}"


def test_settings_are_frozen_and_know_their_names():
    with pytest.raises(ValidationError):
        Settings().window = 3
    with pytest.raises(ValidationError):
        Settings(windows=3)


@pytest.fixture
def _root_logger():
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


@pytest.mark.usefixtures("_root_logger")
def test_log_lines_are_json_with_role_and_extra(capsys):
    configure_logging(Settings(), "bridge")
    logging.getLogger("x").warning("lost %d", 3, extra={"partition": 2})
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("x").exception("broke")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["role"], first["level"], first["message"], first["partition"]) == ("bridge", "WARNING", "lost 3", 2)
    assert "ValueError: no" in second["traceback"]


def test_what_clients_are_told_by_is_no_setting_and_no_error() -> None:
    clients = {"CROWDWATCH_URL": "http://127.0.0.1:8000", "CROWDWATCH_KEY": "cw_1"}
    assert Settings.from_environment(clients) == Settings.from_environment({})
