from collections import deque

from hypothesis import given
from hypothesis import strategies as st
from msanic_chat.messages import Said
from msanic_chat.rooms import Rooms, group_of, room_of


def say(rooms: Rooms, room: str, text: str) -> None:
    rooms.add(Said("id", "ada", text, 0.0, room))


def texts(rooms: Rooms, room: str) -> list[str]:
    return [said.text for said in rooms.history(room)]


def test_groups_have_the_names_of_their_rooms() -> None:
    assert room_of(group_of("room:lobby")) == "room:lobby"
    assert room_of("lobby") is None


def test_a_history_has_the_last_messages() -> None:
    rooms = Rooms(history=2, empty=1)
    rooms.enter("s1", "lobby")
    for text in "abc":
        say(rooms, "lobby", text)
    assert texts(rooms, "lobby") == ["b", "c"]
    assert texts(rooms, "other") == []


def test_the_rooms_that_emptied_last_are_remembered() -> None:
    rooms = Rooms(history=5, empty=2)
    for room in ("one", "two", "three", "busy"):
        rooms.enter("s1", room)
        say(rooms, room, room)
    rooms.enter("s2", "busy")
    for room in ("one", "two", "busy"):
        rooms.leave("s1", room)
    rooms.enter("s2", "one")
    rooms.leave("s2", "one")
    rooms.forget("s1")
    # In this order they emptied: two, one, three.
    assert [texts(rooms, room) for room in ("two", "one", "three", "busy")] == [[], ["one"], ["three"], ["busy"]]


def test_a_session_is_forgotten_as_a_whole() -> None:
    rooms = Rooms(history=5, empty=2)
    rooms.enter("s1", "one")
    rooms.enter("s1", "two")
    rooms.enter("s2", "two")
    rooms.forget("s1")
    rooms.forget("s1")
    assert rooms.of_session("s1") == frozenset()
    assert rooms.busiest(10) == ["two"]


def test_the_busiest_rooms_come_first() -> None:
    rooms = Rooms(history=5, empty=2)
    for session_id, room in [
        ("s1", "one"),
        ("s1", "two"),
        ("s2", "two"),
        ("s1", "three"),
        ("s2", "three"),
        ("s3", "three"),
    ]:
        rooms.enter(session_id, room)
    assert rooms.busiest(2) == ["three", "two"]


STEPS = st.lists(
    st.tuples(st.sampled_from(["enter", "leave", "forget", "say"]), st.sampled_from("ab"), st.sampled_from("xyz"))
)


@given(STEPS)
def test_what_is_kept_is_what_was_promised(steps: list[tuple[str, str, str]]) -> None:
    rooms = Rooms(history=2, empty=1)
    sessions: set[tuple[str, str]] = set()
    messages: dict[str, deque[str]] = {room: deque(maxlen=2) for room in "xyz"}
    emptied: list[str] = []

    def leave(session_id: str, room: str) -> None:
        sessions.discard((session_id, room))
        if messages[room] and not any(each == room for _, each in sessions) and room not in emptied:
            emptied.append(room)
            for forgotten in emptied[:-1]:
                emptied.remove(forgotten)
                messages[forgotten].clear()

    for number, (action, session_id, room) in enumerate(steps):
        if action == "enter":
            rooms.enter(session_id, room)
            sessions.add((session_id, room))
            emptied = [each for each in emptied if each != room]
        elif action == "leave":
            rooms.leave(session_id, room)
            leave(session_id, room)
        elif action == "forget":
            # In one room at a time: in which order a session leaves several does not matter.
            if len(rooms.of_session(session_id)) <= 1:
                left = rooms.of_session(session_id)
                rooms.forget(session_id)
                for each in left:
                    leave(session_id, each)
        elif (session_id, room) in sessions:
            say(rooms, room, str(number))
            messages[room].append(str(number))
        assert {each: texts(rooms, each) for each in "xyz"} == {each: list(messages[each]) for each in "xyz"}
        assert sorted(rooms.busiest(9)) == sorted({each for _, each in sessions})
