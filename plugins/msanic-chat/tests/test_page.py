"""The page in a real browser: what people do with it."""

from typing import Any

from playwright.async_api import expect

from msanic_core.testing import TestServer


def test_two_users_meet_and_talk(visit: Any) -> None:
    async def main(_: TestServer, arrive: Any) -> None:
        ada, bob = await arrive("ada"), await arrive("bob")
        await expect(ada.users).to_have_text(["ada", "bob"])
        await expect(bob.users).to_have_text(["ada", "bob"])
        await ada.join("garden")
        await bob.join("garden")
        await ada.say("hello <b>bob</b> <img src=x onerror=alert(1)>")
        await expect(bob.messages).to_have_text(["hello <b>bob</b> <img src=x onerror=alert(1)>"])
        await bob.say("hello ada")
        await bob.say("two\nlines")
        await expect(ada.messages).to_have_text(
            ["hello <b>bob</b> <img src=x onerror=alert(1)>", "hello ada", "two\nlines"]
        )
        await expect(ada.page.locator("#log .message .user")).to_have_text(["You", "bob", "bob"])
        assert await ada.page.locator("#log b, #log img").count() == 0
        await bob.page.close()
        await expect(ada.page.locator("#log")).to_contain_text("bob left")
        await expect(ada.users).to_have_text(["ada"])

    visit(main)


def test_who_comes_later_sees_what_was_said(visit: Any) -> None:
    async def main(_: TestServer, arrive: Any) -> None:
        ada = await arrive("ada")
        await ada.say("first")
        await expect(ada.messages).to_have_text(["first"])
        bob = await arrive("bob")
        await expect(bob.messages).to_have_text(["first"])

    visit(main)


def test_what_comes_in_elsewhere_is_counted(visit: Any) -> None:
    async def main(_: TestServer, arrive: Any) -> None:
        ada, bob = await arrive("ada"), await arrive("bob")
        await ada.join("garden")
        await bob.say("hello?")
        await bob.say("ada?")
        unread = ada.page.locator("#rooms .badge")
        await expect(unread).to_have_text("2 unread")
        await expect(ada.page).to_have_title("(2) garden · Chat")
        await ada.open("lobby")
        await expect(ada.messages).to_have_text(["hello?", "ada?"])
        await expect(unread).to_have_count(0)

    visit(main)


def test_leaving_a_room(visit: Any) -> None:
    async def main(_: TestServer, arrive: Any) -> None:
        ada, bob = await arrive("ada"), await arrive("bob")
        await bob.page.get_by_role("button", name="Leave room").click()
        await expect(bob.page.get_by_role("heading", name="No conversation is open")).to_be_visible()
        await expect(ada.users).to_have_text(["ada"])
        await bob.page.reload()
        await expect(bob.state).to_have_text("Online")
        await expect(bob.page.locator("#rooms li")).to_have_count(0)

    visit(main)


def test_direct_messages(visit: Any) -> None:
    async def main(_: TestServer, arrive: Any) -> None:
        ada, bob = await arrive("ada"), await arrive("bob")
        await ada.page.get_by_role("complementary").get_by_role("button", name="bob").click()
        await ada.say("psst")
        await expect(ada.messages).to_have_text(["psst"])
        await expect(bob.page.locator("#directs .badge")).to_have_text("1 unread")
        await bob.open("ada")
        await expect(bob.messages).to_have_text(["psst"])
        await bob.say("/tell carol are you there?")
        await expect(bob.page.get_by_role("heading", name="carol")).to_be_visible()
        await expect(bob.page.locator("#log")).to_contain_text("carol is offline and gets this on return")
        carol = await arrive("carol")
        await carol.open("bob")
        await expect(carol.messages).to_have_text(["are you there?"])
        # The server has handed it over for good: the browser has to keep it.
        await carol.page.reload()
        await carol.is_online()
        await carol.open("bob")
        await expect(carol.messages).to_have_text(["are you there?"])

    visit(main)


def test_a_refused_text_stays_in_the_field(visit: Any) -> None:
    async def main(_: TestServer, arrive: Any) -> None:
        ada = await arrive("ada")
        field, notice = ada.page.get_by_label("Message", exact=True), ada.page.locator("#notice")
        await ada.say("too long")
        await expect(notice).to_contain_text("at most 5 characters")
        await expect(field).to_have_value("too long")
        await ada.say("/nope")
        await expect(notice).to_contain_text("/nope is not understood")
        await ada.say("//yes")
        await expect(ada.messages).to_have_text(["/yes"])
        await expect(notice).to_be_empty()
        await expect(field).to_have_value("")

    visit(main, {"plugins": {"chat": {"max_text": 5}}})


def test_on_a_phone(visit: Any) -> None:
    async def main(_: TestServer, arrive: Any) -> None:
        phone = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}
        ada, bob = await arrive("ada", **phone), await arrive("bob")
        await bob.say("long" * 200)
        await expect(ada.messages).to_have_count(1)
        assert await ada.page.evaluate("document.documentElement.scrollWidth") == 360
        assert await ada.page.evaluate("document.querySelector('#scroll').scrollWidth") == 360
        menu = ada.page.get_by_role("button", name="Rooms and people")
        field = ada.page.get_by_label("Room to join")
        await expect(field).to_be_hidden()
        await menu.click()
        await field.fill("garden")
        await ada.page.keyboard.press("Enter")
        await expect(ada.page.get_by_role("heading", name="garden")).to_be_visible()
        await expect(field).to_be_hidden()
        await menu.click()
        await ada.page.keyboard.press("Escape")
        await expect(field).to_be_hidden()
        await expect(menu).to_be_focused()
        await ada.page.get_by_role("button", name="1 person").click()
        await expect(ada.users).to_be_visible()

    visit(main)
