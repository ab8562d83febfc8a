"""HTTP routes of plugins: typed queries and bodies, logins, and one form of all responses.

Plugin authors import the four names below. Inside, read `mounting.py` first (a plugin's blueprints become routes of the
app), then `decorators.py`, `endpoint.py` (the code around a handler), `answer.py` (the form of responses) and
`error_answers.py`. `openapi.py` describes the routes, `cors.py` adds headers, `health.py` has the core's own routes. Of
the core only `node` imports these, and `admission` the function `reply`.
"""

from msanic_core.http.answer import reply
from msanic_core.http.decorators import body, login_required, query

__all__ = ["body", "login_required", "query", "reply"]
