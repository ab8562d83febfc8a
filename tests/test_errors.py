from msanic_core.errors import did_you_mean


def test_the_nearest_name_is_asked_for() -> None:
    assert did_you_mean("caht", ["chat", "news"]) == "; did you mean 'chat'?"
    assert did_you_mean("xyz", ["chat"]) == ""
