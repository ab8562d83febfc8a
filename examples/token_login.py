"""Login: a plugin says which user a connection belongs to. Without such a plugin, or `--auth anonymous`, none opens."""

import time

from sanic import Request

from msanic_core import AuthenticationError, Context, Identity, command, hookimpl

TOKENS = {"s3cret-of-ada": ("ada", ["admin"]), "s3cret-of-bob": ("bob", [])}


@hookimpl
async def authenticate(request: Request) -> Identity | None:
    """Authenticate connections with `?token=...`. None leaves the others to the next plugin."""
    token = request.args.get("token")
    if token is None:
        return None
    if token not in TOKENS:
        raise AuthenticationError("the token is not valid")
    user, roles = TOKENS[token]
    return Identity(user, {"roles": roles}, expires_at=time.time() + 3600)


@command("account.whoami")
def whoami(ctx: Context) -> dict[str, object]:
    """Return the user of this connection, and the roles."""
    return {"user": ctx.user, "roles": ctx.identity.claims["roles"]}


@hookimpl
def ws_command() -> list[object]:
    """Declare the command."""
    return [whoami]
