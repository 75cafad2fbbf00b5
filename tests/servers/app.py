"""The application that gunicorn serves. With --preload this module runs in the master, and every worker uses the handle
created here.

/page                        the token
    /page?meet=NAME&of=WORKERS   the token, after this many workers have arrived at the meeting of that name
"""

import json
import os
import time
from pathlib import Path
from urllib.parse import parse_qs

from wxtoken import Store

STORE = Store()
STORE.register("shop", "official_classic", os.environ["SHOP_ID"], os.environ["SHOP_SECRET"])
STORE.token("shop")
STATE = Path(os.environ["XDG_STATE_HOME"])
(STATE / "preloaded-by").write_text(str(os.getpid()))


def app(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    answer = {"worker": str(os.getpid())}
    status = "200 OK"
    try:
        if "meet" in query:
            meet(query["meet"][0], int(query["of"][0]))
        answer["token"] = STORE.token("shop").value
    except Exception as reason:
        status = "500 Internal Server Error"
        answer["error"] = str(reason)
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


def meet(name, workers):
    """Each worker leaves a file and waits for the others' files, so that all of them ask at once."""
    (STATE / f"meet-{name}.{os.getpid()}").touch()
    patience = time.monotonic() + 10
    while (come := len(list(STATE.glob(f"meet-{name}.*")))) < workers:
        if time.monotonic() > patience:
            raise RuntimeError(f"only {come} of {workers} workers have come")
        time.sleep(0.002)
