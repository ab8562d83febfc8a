"""What plugins' HTTP routes are written with: typed queries and bodies, logins, and one form of every answer.

Plugin authors import the four names below. Inside, read `mounting.py` first (a plugin's blueprints become routes of the
app), then `decorators.py`, `endpoint.py` (what runs around a handler), `answer.py` (the form of answers) and
`error_answers.py`; `openapi.py` describes the routes, `health.py` has the core's own. Only `node` imports those.
"""

from msanic_core.http.answer import reply
from msanic_core.http.decorators import body, login_required, query

__all__ = ["body", "login_required", "query", "reply"]
