"""Every setting, with its default, bounds and meaning. Names in the environment: `CROWDWATCH_` and the field's name in
capitals, but for the three servers' addresses, which have the names that the rest of the world uses. Each may be given
by file instead: `NAME_FILE` names one that holds the value, as secrets of containers do."""

import difflib
import ipaddress
import os
import re
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from contracts.errors import ConfigurationError

PREFIX = "CROWDWATCH_"
_BY_FILE = "_FILE"
_OF_CLIENTS = ("CROWDWATCH_URL", "CROWDWATCH_KEY")
"""What programs that speak HTTP are told by, such as those in `samples`; the same shell may start roles."""

MIB = 1024 * 1024


_SERVERS = {
    "kafka_bootstrap_servers": "KAFKA_BOOTSTRAP_SERVERS",
    "redis_url": "REDIS_URL",
    "mongodb_uri": "MONGODB_URI",
}


class Settings(BaseModel):
    """What every process of one installation agrees on. Frozen; unknown names are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)

    # Servers
    kafka_bootstrap_servers: str = Field(
        "localhost:9092",
        min_length=1,
        description="Kafka brokers, host:port, separated by commas.",
    )
    redis_url: str = Field(
        "redis://localhost:6379/0",
        min_length=1,
        repr=False,
        description="Celery's broker. It holds nothing that matters: tasks name places in the log. "
        "With TLS rediss://, with a sign-in rediss://user:password@host:port/0.",
    )
    mongodb_uri: str = Field(
        "mongodb://localhost:27017",
        min_length=1,
        repr=False,
        description="Where results are stored. With TLS and a sign-in "
        "mongodb://user:password@host:port/?authSource=FaceDetectionDB&tls=true.",
    )
    mongodb_database: str = Field("FaceDetectionDB", min_length=1, description="Name of the database in MongoDB.")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How Kafka is spoken to: SSL is TLS, SASL is a sign-in."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How the sign-in to Kafka is done, where there is one."
    )
    kafka_username: str | None = Field(None, min_length=1, description="Name of the sign-in to Kafka.")
    kafka_password: str | None = Field(None, min_length=1, repr=False, description="Its password.")
    tls_ca_file: Path | None = Field(
        None,
        description="Certificates (PEM) of those who vouch for Kafka, Redis and MongoDB, where they are spoken to with "
        "TLS; without it, the system's.",
    )
    tls_certificate_file: Path | None = Field(
        None,
        description="Certificate and key (PEM, in one file) for those of these servers that ask their clients for one.",
    )

    # The log
    topic_frames: str = Field("frames", min_length=1, description="Topic of camera frames.")
    topic_uploads: str = Field("uploads", min_length=1, description="Topic of pictures sent by HTTP.")
    topic_faces: str = Field("Faces", min_length=1, description="Topic of results.")
    topic_dead: str = Field("frames.dead", min_length=1, description="Topic of frames that could not be processed.")
    topic_chat: str = Field("chat", min_length=1, description="Topic of messages from POST /send.")
    topic_events: str = Field("crowd.events", min_length=1, description="Topic of what the analytics found out.")
    topic_media: str = Field(
        "media-stream", min_length=1, description="Topic of encoded video and audio, in chunks of about a second."
    )
    topic_alerts: str = Field("crowd.alerts", min_length=1, description="Topic of alerts.")
    send_topics: tuple[str, ...] = Field(
        ("chat",), description="Topics that POST /send may write to, separated by commas."
    )
    group_prefix: str = Field(
        "crowdwatch", min_length=1, description="Start of the names of consumer groups; one installation, one prefix."
    )
    partitions: int = Field(
        4, ge=1, le=1000, description="Partitions of frames, uploads and Faces, where they are made."
    )
    replication_factor: int = Field(1, ge=1, le=10, description="Copies of each partition, where topics are made.")
    frames_retention_hours: float = Field(24, gt=0, description="How long Kafka keeps pictures.")
    frames_retention_mib: int = Field(
        2048, ge=-1, description="How much of each pictures' partition Kafka keeps, in MiB; -1 for no limit."
    )
    faces_retention_hours: float = Field(168, gt=0, description="How long Kafka keeps results and messages.")
    max_picture_bytes: int = Field(16 * MIB, ge=64 * 1024, le=256 * MIB, description="Largest encoded picture.")
    max_picture_pixels: int = Field(
        120_000_000, ge=1_000_000, description="Largest picture, in pixels; a larger one fails before it is decoded."
    )

    # Detection
    model: str = Field("yolov3-face-lite", min_length=1, description="Name in models/manifest.toml, or a FILE.cfg.")
    models_loaded: int = Field(
        3, ge=1, le=64, description="Models that a worker process keeps loaded; of more, the least recently used goes."
    )
    confidence_threshold: float = Field(0.5, gt=0, lt=1, description="Confidence from which a face is reported.")
    nms_threshold: float = Field(0.5, gt=0, le=1, description="Overlap (IoU) above which the weaker of two boxes goes.")
    runtime: str = Field("auto", min_length=1, description="What runs the network: auto, or a runtime's name.")
    detect_threads: int = Field(1, ge=1, le=256, description="Threads of the runtime in each worker process.")
    cache_dir: Path = Field(
        Path("~/.cache/crowdwatch"), description="Where converted models and Kafka's jars are kept between starts."
    )

    # Bridge and workers
    window: int = Field(512, ge=1, le=100_000, description="Offsets of one partition in flight at most.")
    batch_size: int = Field(
        64,
        ge=1,
        le=1024,
        description="Frames in one task at most; the bridge makes tasks of about 0.8 s of work.",
    )
    adopt_after_ms: int = Field(
        3000, ge=0, description="When the bridge adopts an upload whose own task brought no result, in milliseconds."
    )
    worker_pool: Literal["cpu", "gpu"] = Field(
        "cpu",
        description="The worker's pool: the GPU's is given work first, and helps the CPU's when idle.",
    )
    worker_processes: int = Field(
        default_factory=lambda: max(1, (os.cpu_count() or 1)), ge=1, le=512, description="Processes of a worker's pool."
    )
    isolation_timeout_s: float = Field(
        30, gt=0, description="Time that a frame is given in a child process of its own, after it was lost twice."
    )
    isolation_memory_mib: int = Field(
        4096, ge=512, description="Address space that such a child process is given, in MiB."
    )
    task_time_limit_s: float = Field(120, gt=0, description="After this a worker process stuck in a task is killed.")
    sink_batch: int = Field(1000, ge=1, le=100_000, description="Results in one bulk write at most.")
    retention_days: float = Field(
        30, gt=0, description="How long MongoDB keeps results of cameras whose settings do not say so."
    )

    # Cameras that are captured
    camera_networks: tuple[str, ...] = Field(
        ("auto",),
        description="Networks in which a camera may be although they are this machine or its neighbours' own "
        "(127.0.0.0/8, 169.254.0.0/16), separated by commas; auto: loopback, while the web serves this machine alone.",
    )
    camera_folder: Path | None = Field(
        None, description="Folder whose files a camera's address may name (file:///folder/clip.mp4); without it, none."
    )

    # Analytics
    analytics_silence_s: float = Field(
        2, gt=0, description="After so long without a camera's results, those that wait for a missing one go on."
    )
    analytics_wait_s: float = Field(
        60,
        gt=0,
        le=3600,
        description="How long results wait for one of an earlier frame while others come, in seconds; "
        "then the analytics go on without it.",
    )
    camera_offline_s: float = Field(
        30, gt=0, description="A live camera that has sent nothing for so long is offline, in seconds."
    )
    clock_skew_s: float = Field(
        60, ge=1, le=86_400, description="A live camera whose clock is wrong by so many seconds raises an alert."
    )
    alert_cooldown_s: float = Field(
        60, ge=0, description="Seconds after an alert in which its rule raises no other for the same camera and zone."
    )
    venue_limits: tuple[str, ...] = Field(
        (), description="How many people a venue holds, name=number, separated by commas: Arena=500,Hall=80."
    )
    venue_resets: tuple[str, ...] = Field(
        (),
        description="When a venue's count begins anew each day, as missed crossings add up: name=hour:minute zone, "
        "separated by commas: Arena=04:00 Europe/Berlin.",
    )
    events_retention_days: float = Field(90, gt=0, le=10_000, description="How long MongoDB keeps events and alerts.")
    snapshots_retention_days: float = Field(
        14, gt=0, le=10_000, description="How long MongoDB keeps the pictures of alerts."
    )
    occupancy_seconds_days: float = Field(
        3, gt=0, le=10_000, description="How long MongoDB keeps occupancy for each second."
    )
    occupancy_minutes_days: float = Field(
        30, gt=0, le=10_000, description="How long MongoDB keeps occupancy and heatmaps for each minute."
    )
    occupancy_hours_days: float = Field(
        730, gt=0, le=10_000, description="How long MongoDB keeps occupancy and heatmaps for each hour; days are kept."
    )

    # Web
    web_host: str = Field("127.0.0.1", min_length=1, description="Address that the web front end binds.")
    web_port: int = Field(8000, ge=0, le=65535, description="Its port; 0 for any free one.")
    web_threads: int = Field(32, ge=2, le=1000, description="Requests handled at the same time.")
    auth: Literal["required", "off"] = Field(
        "required", description="Sign-in: required, or off, which is refused unless the web binds loopback."
    )
    session_hours: float = Field(168, gt=0, description="How long a sign-in lasts.")
    requests_per_minute: int = Field(
        60_000, ge=0, description="Requests that one person, key or address may make in a minute; 0 for no limit."
    )
    blur_for_viewers: bool = Field(
        True, description="Whether those of the role viewer see every face blurred, whatever the camera says."
    )
    max_upload_mib: int = Field(
        2048, ge=1, le=1024 * 1024, description="Largest upload of videos and pictures, in MiB."
    )
    receive_reach_back_s: float = Field(
        3600, ge=0, description="How far back the first GET /receive of a new client reaches, in seconds."
    )
    role_urls: tuple[str, ...] = Field(
        (),
        description="The other roles for the System page, name=URL of its metrics, separated by commas; "
        "`crowdwatch up` sets it.",
    )
    flower_url: str | None = Field(None, description="Where a browser finds Flower; `crowdwatch up` sets it.")
    flower_sign_in: str | None = Field(
        None,
        pattern=r"^[^:,\s]+:[^:,\s]{12,}$",
        repr=False,
        description="Flower's sign-in, name:password of 12 characters or more; `crowdwatch up` makes one.",
    )
    kafka_ui_url: str | None = Field(None, description="Where a browser finds a Kafka UI.")

    # Every role
    health_host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address that /healthz, /readyz and /metrics of a role bind; in a container 0.0.0.0.",
    )
    health_port: int = Field(0, ge=0, le=65535, description="Port of /healthz, /readyz, /metrics; 0 for any free one.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="From which severity to log.")
    log_format: Literal["json", "text"] = Field("json", description="Shape of log lines.")
    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="Address of a collector of traces (OTLP over HTTP), for instance http://collector:4318.",
    )
    trace_share: float = Field(0.01, ge=0, le=1, description="Share of the frames that are traced, from 0 to 1.")

    @field_validator("send_topics", "venue_limits", "venue_resets", "role_urls", "camera_networks", mode="before")
    @classmethod
    def _split_commas(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("cache_dir", mode="after")
    @classmethod
    def _expand_home(cls, value: Path) -> Path:
        return value.expanduser()

    @field_validator("tls_ca_file", mode="after")
    @classmethod
    def _check_authorities(cls, value: Path | None) -> Path | None:
        if value is not None:
            _check_pem(value, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations)
        return value

    @field_validator("tls_certificate_file", mode="after")
    @classmethod
    def _check_certificate(cls, value: Path | None) -> Path | None:
        if value is not None:  # an empty password: OpenSSL would ask the terminal for that of a key that has one
            load = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain
            _check_pem(value, lambda path: load(path, password=""))
        return value

    @field_validator("camera_networks", mode="after")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            if network != "auto":
                ipaddress.ip_network(network)  # a ValueError names what is wrong
        return value

    @field_validator("role_urls", mode="after")
    @classmethod
    def _check_role_urls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pair in value:
            if not re.fullmatch(r"[^=\s]+=https?://\S+", pair):
                raise ValueError(f"each role should be name=http://host:port/metrics, got {pair!r}")
        return value

    @field_validator("venue_limits", mode="after")
    @classmethod
    def _check_venue_limits(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pair in value:
            if not re.fullmatch(r"[^=]+=[0-9]{1,9}", pair):
                raise ValueError(f"each venue should be name=number, got {pair!r}")
        return value

    @field_validator("venue_resets", mode="after")
    @classmethod
    def _check_venue_resets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            zone = one.rpartition(" ")[2]
            if not re.fullmatch(r"[^=]+=([01][0-9]|2[0-3]):[0-5][0-9] \S+", one) or zone not in available_timezones():
                raise ValueError(f"each venue should be name=hour:minute zone, as 04:00 Europe/Berlin, got {one!r}")
        return value

    @model_validator(mode="after")
    def _kafka_sign_in_is_whole(self) -> "Settings":
        given = [name for name in ("kafka_username", "kafka_password") if getattr(self, name) is not None]
        if self.kafka_security_protocol.startswith("SASL") and len(given) < 2:
            raise ValueError(
                f"CROWDWATCH_KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} needs CROWDWATCH_KAFKA_USERNAME "
                "and CROWDWATCH_KAFKA_PASSWORD"
            )
        if given and not self.kafka_security_protocol.startswith("SASL"):
            raise ValueError(
                f"{' and '.join(PREFIX + name.upper() for name in given)} would not be used: "
                "CROWDWATCH_KAFKA_SECURITY_PROTOCOL must be SASL_SSL or SASL_PLAINTEXT, "
                f"got {self.kafka_security_protocol}"
            )
        return self

    @model_validator(mode="after")
    def _sign_in_or_loopback(self) -> "Settings":
        if self.auth == "off" and not is_loopback(self.web_host):
            raise ValueError(f"CROWDWATCH_AUTH=off needs a loopback CROWDWATCH_WEB_HOST, got {self.web_host}")
        return self

    @model_validator(mode="after")
    def _isolation_fits_into_a_task(self) -> "Settings":
        least_s = 2 * self.isolation_timeout_s + 30
        if self.task_time_limit_s < least_s:
            raise ValueError(
                f"CROWDWATCH_TASK_TIME_LIMIT_S must be at least twice CROWDWATCH_ISOLATION_TIMEOUT_S and 30 s: "
                f"expected {least_s:g}, got {self.task_time_limit_s:g}"
            )
        return self

    @model_validator(mode="after")
    def _topics_differ(self) -> "Settings":
        names = [getattr(self, name) for name in type(self).model_fields if name.startswith("topic_")]
        if len(set(names)) < len(names):
            raise ValueError(f"each topic needs a name of its own, got {names}")
        return self

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings from the environment, and from the files that it names by `NAME_FILE`.

        A variable that holds the value itself goes before one that names a file.

        Raises:
            ConfigurationError: a variable that starts with `CROWDWATCH_` is unknown (the nearest names are
                listed), a file cannot be read, or a value is out of bounds; the message names the variable.
        """
        environment = os.environ if environment is None else environment
        variables = cls.variables()
        values: dict[str, str] = {}
        for name, value in environment.items():
            by_file = name.removesuffix(_BY_FILE)
            if by_file != name and by_file in variables:
                if by_file not in environment:
                    values[variables[by_file]] = _read_value(name, value)
                continue
            if name in variables:
                values[variables[name]] = value
            elif name.startswith(PREFIX) and name not in _OF_CLIENTS:
                ours = [known.removeprefix(PREFIX) for known in sorted(variables)]
                near = difflib.get_close_matches(name.removeprefix(PREFIX), ours, n=3)
                hint = f"did you mean {' or '.join(PREFIX + known for known in near)}?" if near else ""
                hint = hint or f"known: {', '.join(sorted(variables))}"
                raise ConfigurationError(f"unknown setting {name}: {hint}")
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            names = {field: variable for variable, field in variables.items()}
            raise ConfigurationError(
                "; ".join(
                    f"{names.get(str(e['loc'][0]).lower(), e['loc'][0]) if e['loc'] else 'settings'}: {e['msg']}"
                    for e in error.errors()
                )
            ) from error

    @classmethod
    def variables(cls) -> dict[str, str]:
        """The environment variables, each with the field that it sets."""
        return {_SERVERS.get(name, PREFIX + name.upper()): name for name in cls.model_fields}

    def to_environment(self) -> dict[str, str]:
        """Return the variables that give a child process these settings: only those that differ from the defaults."""
        default = Settings()
        return {
            variable: ",".join(value) if isinstance(value, tuple) else str(value)
            for variable, name in self.variables().items()
            if (value := getattr(self, name)) != getattr(default, name)
        }


def _read_value(variable: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{variable}: {path} cannot be read: {error}") from error


def _check_pem(path: Path, load: Callable[[Path], None]) -> None:
    try:
        load(path)
    except OSError as error:  # an SSLError is one
        reason = getattr(error, "reason", None) or error.strerror or error
        raise ValueError(f"{path} cannot be used: {reason}") from error


def is_loopback(host: str) -> bool:
    """Whether `host` names this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
