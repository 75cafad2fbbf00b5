"""Only gets, for the program that counts instructions: loop.py STORE NAME GETS."""

import sys

from wxtoken import Store


def main(path, name, gets):
    # No look at the store comes in between, however slow the counting is.
    store = Store(path, revalidate_ms=60000)
    store.token(name)
    for _ in range(int(gets)):
        store.token(name)


main(*sys.argv[1:])
