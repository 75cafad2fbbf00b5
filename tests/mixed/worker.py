"""One process of the mixed test, in Python: see worker.c."""

import sys
from concurrent.futures import ThreadPoolExecutor

from wxtoken import Store

with Store() as store, ThreadPoolExecutor(4) as threads:
    print("ready", flush=True)
    for _line in sys.stdin:
        tokens = [threads.submit(store.token, "shop") for _ in range(4)]
        print(*(future.result() for future in tokens), flush=True)
