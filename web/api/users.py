"""`/api/users` and `/api/me`: who may sign in, and what a person may change of their own."""

from datetime import datetime, timezone
from typing import Annotated

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue
from pydantic import Field

from contracts.times import to_rfc3339
from storage.users import User
from web.access import Role, note, principal, requires
from web.access.gate import address
from web.access.sign_in import hash_password
from web.api.openapi import Answer, Content, describes
from web.api.records import Record, Time
from web.errors import RequestError
from web.parameters import Body, Password, UserName
from web.services import Services

Name = Annotated[str, Field(description="The user's name.")]


class NewUser(Body):
    """A person who may sign in."""

    name: UserName
    role: Role
    password: Password


class ChangedUser(Body):
    """What is changed of a user. A new password ends the user's sessions; without one it stays."""

    role: Role
    password: Password | None = None


class OwnPassword(Body):
    """A person's old and new password."""

    old: Password
    new: Password


class UserRecord(Record):
    """A person who may sign in."""

    name: str
    role: Role
    created_at: Time


class UserList(Record):
    """Every user, the oldest first."""

    items: list[UserRecord]


class Me(Record):
    """Who calls."""

    name: str
    role: Role


def blueprint(services: Services) -> Blueprint:
    """Return the routes of users."""
    routes = Blueprint("users", __name__, url_prefix="/api")
    users, sign_in = services.access.users, services.access.sign_in

    @routes.get("/users")
    @requires(Role.ADMINISTRATOR)
    @describes({200: UserList})
    def list_users() -> Response:
        """Every user."""
        return jsonify({"items": [_to_json(user) for user in users.all()]})

    @routes.post("/users")
    @requires(Role.ADMINISTRATOR)
    @describes(
        {
            201: Answer("The user was added.", Content({"application/json": UserRecord})),
            409: "There is a user of this name.",
        }
    )
    def add_user(body: NewUser) -> ResponseReturnValue:
        """Add a user."""
        password = hash_password(body.password.get_secret_value())
        user = User(body.name, body.role, password, datetime.now(timezone.utc))
        if not users.add(user):
            raise RequestError(409, f"there is a user named {body.name} already")
        note(user=body.name, role=body.role.value)
        return _to_json(user), 201

    @routes.put("/users/<name>")
    @requires(Role.ADMINISTRATOR)
    @describes({200: UserRecord, 404: "There is no such user.", 409: "This is the last administrator."})
    def change_user(name: Name, body: ChangedUser) -> ResponseReturnValue:
        """Change a user's role, or password."""
        user = known(name)
        password = None if body.password is None else hash_password(body.password.get_secret_value())
        if not users.change(name, body.role, password):
            raise _last_administrator(name)
        sign_in.forget()
        note(role=body.role.value, role_before=user.role.value, new_password=password is not None)
        return _to_json(known(name))

    @routes.delete("/users/<name>")
    @requires(Role.ADMINISTRATOR)
    @describes({204: "The user is removed.", 404: "There is no such user.", 409: "This is the last administrator."})
    def remove_user(name: Name) -> ResponseReturnValue:
        """Remove a user, and end the user's sessions."""
        known(name)
        if not users.remove(name):
            raise _last_administrator(name)
        services.access.sessions.end_all_of(name)
        sign_in.forget()
        return "", 204

    @routes.get("/me")
    @requires(Role.VIEWER)
    @describes({200: Me})
    def me() -> ResponseReturnValue:
        """Who calls, and with what role."""
        caller = principal()
        return {"name": caller.name, "role": caller.role.value}

    @routes.put("/me/password")
    @requires(Role.VIEWER)
    @describes({204: "The password is changed; sign in again.", 409: "Only a person who signed in has a password."})
    def change_own_password(body: OwnPassword) -> ResponseReturnValue:
        """Change one's own password, which ends all of one's sessions."""
        caller = principal()
        if caller.key is not None or users.get(caller.name) is None:
            raise RequestError(409, "only a person who signed in has a password")
        services.access.limits.refuse_after_failures(address(), caller.name)
        user = sign_in.with_password(caller.name, body.old.get_secret_value())
        if user is None:
            services.access.limits.count_failure(address(), caller.name)
            raise RequestError(403, "the old password is another", code="wrong_password")
        users.change(user.name, user.role, hash_password(body.new.get_secret_value()))
        sign_in.forget()
        return "", 204

    def known(name: str) -> User:
        user = users.get(name)
        if user is None:
            raise RequestError(404, f"there is no user named {name!r:.80}")
        return user

    return routes


def _last_administrator(name: str) -> RequestError:
    return RequestError(409, f"{name} is the last administrator: make another one first", code="last_administrator")


def _to_json(user: User) -> dict[str, str]:
    return {"name": user.name, "role": user.role.value, "created_at": to_rfc3339(user.created_at)}
