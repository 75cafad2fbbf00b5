"""Asks WeChat for its callback addresses through httpx, with a token of the store.

It reads the same environment variables as first_get.py. If WXSIM_HTTP is set, the simulator answers.
"""

import asyncio
import os
import sys

import httpx

from wxtoken import Store, WxTokenError
from wxtoken.httpx import StoreAuth


async def main() -> None:
    """Print the number of addresses."""
    simulator = os.environ.get("WXSIM_HTTP")
    base_url = simulator or "https://api.weixin.qq.com"
    with Store(api_base_url=simulator) as store:
        store.register("demo", "official", os.environ["WXTOKEN_ID"], os.environ["WXTOKEN_SECRET"])
        auth = StoreAuth(store, "demo", hosts=[httpx.URL(base_url).host])
        async with httpx.AsyncClient(base_url=base_url, auth=auth) as client:
            reply = await client.get("/cgi-bin/getcallbackip")
        print(f"python, httpx  {len(reply.json()['ip_list'])} callback addresses")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (WxTokenError, httpx.HTTPError) as e:
        print(e, file=sys.stderr)
        sys.exit(1)
