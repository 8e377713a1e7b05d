"""Sends one notification over one channel: a webhook, a mail, or one of the services of apprise."""

import hashlib
import hmac
import json
import logging
import smtplib
import ssl
import time
import urllib.error
import urllib.request
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

import apprise

from contracts.errors import UnavailableError
from contracts.notifications import AppriseChannel, Channel, Email, Webhook

TIMEOUT_S = 10.0
_SUBJECT_CHARS = 150

logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its lines may hold addresses, and those secrets


def send(channel: Channel, alert: dict[str, Any] | None, delivery_id: str) -> None:
    """Send an alert (None: a test) over a channel.

    Raises:
        UnavailableError: it was not taken; the message holds no secret.
    """
    if isinstance(channel, Webhook):
        _post(channel, alert, delivery_id)
    elif isinstance(channel, Email):
        _mail(channel, alert, delivery_id)
    else:
        _notify(channel, alert)


def signature(secret: str, at_s: int, body: bytes) -> str:
    """Return what a receiver compares: `t=…,v1=…`, an HMAC-SHA256 of the time, a dot and the body."""
    digest = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def _post(channel: Webhook, alert: dict[str, Any] | None, delivery_id: str) -> None:
    body = json.dumps({"kind": "test" if alert is None else "alert", "alert": alert}, ensure_ascii=False).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "crowdwatch",
        "X-Crowdwatch-Delivery": hashlib.sha256(delivery_id.encode()).hexdigest()[:32],
    }
    if channel.secret:
        headers["X-Crowdwatch-Signature"] = signature(channel.secret, int(time.time()), body)
    request = urllib.request.Request(channel.url, body, headers, method="POST")  # noqa: S310  # http or https, checked
    host = urlsplit(channel.url).hostname
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_S):
            return
    except urllib.error.HTTPError as error:
        error.close()
        raise UnavailableError(f"{host} answered {error.code}") from error
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise UnavailableError(f"{host} does not answer: {getattr(error, 'reason', None) or error}") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: the address is an administrator's to set, not the receiver's."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""


def _mail(channel: Email, alert: dict[str, Any] | None, delivery_id: str) -> None:
    message = EmailMessage()
    title, text = _words(alert)
    message["Subject"], message["From"], message["To"] = title, channel.sender, ", ".join(channel.to)
    name = hashlib.sha256(delivery_id.encode()).hexdigest()[:32]
    message["Message-ID"] = f"<{name}@crowdwatch>"
    message.set_content(text)
    context = ssl.create_default_context()
    try:
        if channel.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(channel.host, channel.port, timeout=TIMEOUT_S, context=context)
        else:
            server = smtplib.SMTP(channel.host, channel.port, timeout=TIMEOUT_S)
        with server:
            if channel.security == "starttls":
                server.starttls(context=context)
            if channel.user is not None:
                server.login(channel.user, channel.password or "")
            server.send_message(message)
    except smtplib.SMTPResponseException as error:
        raise UnavailableError(f"{channel.host} answered {error.smtp_code}") from error
    except (smtplib.SMTPException, OSError) as error:
        raise UnavailableError(f"{channel.host} does not take the mail: {type(error).__name__}") from error


def _notify(channel: AppriseChannel, alert: dict[str, Any] | None) -> None:
    title, text = _words(alert)
    service = apprise.Apprise()
    if not service.add(channel.url):
        raise UnavailableError("apprise does not know this kind of address")
    if not service.notify(body=text, title=title):
        raise UnavailableError("the service did not take the notification")


def _words(alert: dict[str, Any] | None) -> tuple[str, str]:
    if alert is None:
        return "Crowdwatch: a test", "This is a test of a notification channel."
    line = " ".join(f"{alert['severity'].capitalize()}: {alert['message']}".split())
    where = f"{alert['camera_id']}{'' if alert['zone'] is None else ', ' + alert['zone']}"
    return f"Crowdwatch: {line}"[:_SUBJECT_CHARS], f"{line}\nCamera: {where}\nRaised: {alert['raised_at']}\n"
