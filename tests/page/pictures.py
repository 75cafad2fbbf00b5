"""Draws the page for the manual: `make page-pictures`. Argument: the directory for the pictures.

The accounts are invented. They look as in the middle of a day, because their tokens are made older (`Desk.age`).
"""

import io
import os
import sys
from pathlib import Path

from browser import Browser
from desk import Desk, until
from PIL import Image

LARGEST = 150_000
"""The greatest size of a picture in bytes."""
PICTURES = {
    "page-en": {"language": "en"},
    "page-zh": {"language": "zh-CN"},
    "page-dark": {"language": "en", "dark": True},
    "page-phone": {"language": "zh-CN", "width": 360, "height": 1100, "scale": 2},
}


def main(directory):
    with Desk() as desk:
        ages = {
            desk.account("mall", kind="official_classic", account_id="wx4f1c2b7a90d3e586"): 3900,
            desk.account("office", kind="work", account_id="ww8a7b6c5d4e3f2a1b"): 700,
            desk.account("shop", account_id="wx0123456789abcdef"): 2400,
            desk.account("小程序", account_id="wx9d8c7b6a5f4e3d2c"): 6300,
        }
        desk.account("branch", account_id="wx5a6b7c8d9e0f1a2b", allow_ips=["203.0.113.7"])
        desk.tool("account", "use", "shop")
        key = desk.client("ops", "--allow", "status")
        shop = desk.client("shop-web", "--accounts", "shop,mall")
        crm = desk.client("crm", "--accounts", "office", "--allow", "get")
        desk.client("cron", "--accounts", "mall")
        server = desk.serve()
        until(lambda: "5 accounts" in server.said(), "the first tokens")
        for path, asked_by in (("shop", shop), ("shop/jsapi_ticket", shop), ("office", crm)):
            server.get(f"/v1/token/{path}", asked_by)
        for account_id, seconds in ages.items():
            desk.age(account_id, seconds)
        for name, view in PICTURES.items():
            is_phone = "width" in view
            with Browser(**{"width": 1120, **view}) as browser:
                browser.sign_in(server.url, key)
                # The path of the store is specific to this machine.
                browser.run("for (const dd of document.querySelectorAll('dd')) if (dd.innerText === arguments[0]) dd.innerText = arguments[1]",
                            desk.env["WXTOKEN_STORE"], "/var/lib/wxtoken/tokens.db")
                save(browser.picture(whole=not is_phone), Path(directory) / f"{name}.png")


def save(picture, path):
    """Saves it with a palette, because the page has few colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = Image.open(io.BytesIO(picture)).convert("RGB")
    drawn.quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)
    size = os.path.getsize(path)
    print(f"{path}: {drawn.width} × {drawn.height}, {size / 1000:.0f} kB")
    if size > LARGEST:
        sys.exit(f"{path} is larger than {LARGEST} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
