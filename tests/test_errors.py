from msanic_core.errors import closest, did_you_mean


def test_the_nearest_name_is_asked_for() -> None:
    assert did_you_mean("caht", ["chat", "news"]) == "; did you mean 'chat'?"
    assert did_you_mean("xyz", ["chat"]) == ""


def test_a_word_that_nothing_is_like() -> None:
    assert closest("caht", ["chat", "news"]) == "chat"
    assert closest("xyz", iter(["chat"])) is None
