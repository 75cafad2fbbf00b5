"""Stories of the sections that set a host up: 1 to 7."""

from business import LANGUAGES
from machine import IN_MACHINE
from wechat import Account, control

READERS = ["www-data", *(user for user, _ in LANGUAGES.values())]


def the_guide_is_one_in_both_languages(place):
    place.guide.is_one_in_both_languages()


def the_guide_is_followed(place):
    place.follow(1)
    unit_is_sound(place, "wxtoken-keep")
    place.follow(2)
    place.follow(3, place.secrets["shop"])
    register_more(place)
    place.follow(4)
    place.modes_are_those_of_the_picture("once the keeper runs")
    place.follow(5)
    join = next(block.text for block in place.guide[5] if block.language == "sh")
    for user in [*READERS[1:], "eve"]:
        place.root(f"useradd --create-home --shell /bin/bash {user}\n{join.replace('www-data', user)}")
    place.root("useradd --create-home --shell /bin/bash outsider")
    place.follow(6)
    place.follow(7)
    place.checks("the keeper fetched the token before any reader asked", place.shop.minted() >= 1)


def unit_is_sound(place, name):
    verified = place.machine.run(f"systemd-analyze verify --man=no {name}.service")
    good = verified.code == 0 and not verified.said
    place.checks(f"systemd-analyze verifies the installed unit {name}", good, verified.said)
    unit = f"{IN_MACHINE}/contrib/systemd/{name}.service"
    score = place.machine.run(f"systemd-analyze security --no-pager --offline=true --threshold=20 {unit}")
    told = " ".join(score.said.splitlines()[-1].split())
    place.checks(f"the exposure of {name} is at most 2.0 of 10", score.code == 0, told)


def register_more(place):
    """Adds an account whose tokens last two seconds, and a platform whose ticket a reader may want."""
    place.brief = Account("brief", "official", "wxbrief000000001", place.secrets["brief"], lifetime_ms=2000, renew_window_ms=1000)
    place.platform = Account("platform", "component", "wxplatform000001", place.secrets["platform"])
    place.secrets["verify_ticket"] = control("/push", {"id": place.platform.id})["ticket"]
    place.register(place.brief)
    place.register(place.platform)
    place.owner("wxtoken put platform verify_ticket --file -", place.secrets["verify_ticket"])
