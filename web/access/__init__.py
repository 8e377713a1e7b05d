"""Who may call what. Nothing is open by accident: an application with a route that declares no rule does not start.

A route of the HTTP interface is a plain function below three decorators: Flask's, the rule, and the description, from
which `/openapi.json` is made:

    class Listing(Query):
        camera: CameraName | None = described("Only this camera's.", default=None)
        limit: int = described("How many at most.", default=50, ge=1, le=500)

    @routes.get("/<venue>")
    @requires(Role.VIEWER)
    @describes({200: Events, 404: "There is no such venue."})
    def events(venue: str, query: Listing) -> ResponseReturnValue:
        \"\"\"The newest events of a venue, newest first.\"\"\"
        return jsonify(services.events.newest(venue, query.limit))

- `requires(role)` is the least role. `public()` is for what anybody may call; it is rare.
- `requires(role, camera="camera")` names the argument, of the query or the path, that limits the call to one camera.
  Only such routes can be called with a key that is for some cameras alone.
- A parameter `query` is read from the query by its annotation, a parameter `body` from the JSON body; both are
  pydantic models, and what they do not accept is refused (400) before the function is called.
- The docstring becomes the summary (its first line) and the text. A status is described by the model of its JSON, by
  a sentence (an error in the one shape, or an answer without a body), or by an `Answer`. 400, 401, 403, 429 and 503
  are described by themselves, and so are 404 with arguments in the path and 413 and 415 with a body.
- Pages have a rule and no description. They send people who have not signed in to the sign-in page.
- `principal()` tells who calls. Every call that is no GET and succeeds is written down in the audit log by itself;
  `note(name=…)` adds what was changed, and `requires(role, audited=False)` is for what comes many times a second.
"""

from contracts.access import Role
from web.access.gate import note, principal
from web.access.rules import public, requires

__all__ = ["Role", "note", "principal", "public", "requires"]
