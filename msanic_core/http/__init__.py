"""What plugins' HTTP routes are written with: typed queries and bodies, logins, and one form of every answer."""

from msanic_core.http.declarations import body, login_required, query
from msanic_core.http.envelope import reply

__all__ = ["body", "login_required", "query", "reply"]
