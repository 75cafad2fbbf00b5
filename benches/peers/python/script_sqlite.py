"""The cost of a token in the earlier script: open its SQLite file, select, parse the date, close.

Run it under warm.py. The file has the script's tables.
"""

import os
import sqlite3
import tempfile
from datetime import datetime, timedelta

from rounds import measure

TABLE = (
    "CREATE TABLE weixin_token (id INTEGER, access_token TEXT, expires_in TEXT, expires_on TEXT, is_expired INTEGER)"
)


def get():
    connection = sqlite3.connect(path)
    # The script wrote 1 for the current token.
    select = "SELECT access_token, expires_on FROM weixin_token WHERE is_expired = 1"
    token, expires_on = connection.execute(select).fetchone()
    valid = datetime.strptime(expires_on, "%Y-%m-%d %H:%M:%S.%f") > datetime.now()
    connection.close()
    return token if valid else None


with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "odbp_db.sqlite3")
    connection = sqlite3.connect(path)
    connection.execute(TABLE)
    row = (1, os.environ["WXBENCH_TOKEN"], "7200", str(datetime.now() + timedelta(hours=2)), 1)
    connection.execute("INSERT INTO weixin_token VALUES (?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    measure([("script-sqlite", get, 5)])
