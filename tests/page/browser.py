"""Debian's Chromium without a screen, driven by its chromedriver. It can reach this host only, and each request is
recorded."""

import base64
import json
import os
import tempfile
from urllib.parse import urlsplit

from desk import PATIENCE_S, until
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

CHROMIUM = "/usr/bin/chromium"
DRIVER = "/usr/bin/chromedriver"
ARGUMENTS = [
    "--headless=new",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-features=OptimizationHints,MediaRouter,Translate",
    "--disable-sync",
    "--hide-scrollbars",
    # Looking up a name is a request to elsewhere. It fails, and the log shows it.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]

_FOCUSED = """
const one = document.activeElement, style = getComputedStyle(one);
return {id: one.id, text: one.innerText, top: one.getBoundingClientRect().top, outline: [style.outlineStyle, parseFloat(style.outlineWidth)]};
"""


class Browser:
    def __init__(self, width=1200, height=900, language="en", scripts=True, dark=False, scale=1):
        self._home = tempfile.TemporaryDirectory(prefix="wxtoken-chromium-")
        options = Options()
        options.binary_location = CHROMIUM
        for argument in [*ARGUMENTS, f"--user-data-dir={self._home.name}/profile"]:
            options.add_argument(argument)
        if os.geteuid() == 0:
            # Chromium's sandbox does not take root.
            options.add_argument("--no-sandbox")
        options.add_experimental_option("prefs", {"intl.accept_languages": language})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = Service(DRIVER, env={**os.environ, "HOME": self._home.name})
        self.driver = webdriver.Chrome(service=service, options=options)
        self.driver.set_page_load_timeout(PATIENCE_S)
        self.width = width
        self._cdp(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        self._cdp("Emulation.setEmulatedMedia", features=[scheme, still])
        if not scripts:
            self._cdp("Emulation.setScriptExecutionDisabled", value=True)
        self._complaints, self._asked = [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.quit()
        self._home.cleanup()

    def _cdp(self, command, **parameters):
        return self.driver.execute_cdp_cmd(command, parameters)

    def open(self, url):
        self.driver.get(url)

    def sign_in(self, url, key):
        self.open(url)
        self.find("#key").send_keys(key + Keys.ENTER)
        until(lambda: self.all("#live"), f"the page behind the form; it says {self.text('body')!r}")

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector):
        """The texts of all matches at one moment, because a refresh may come between two queries."""
        try:
            return self.run("return [...document.querySelectorAll(arguments[0])].map(one => one.innerText)", selector)
        except WebDriverException:
            # Another page is about to load.
            return []

    def text(self, selector="body"):
        return "\n".join(self.texts(selector)[:1])

    def attributes(self, selector, name):
        return self.run("return [...document.querySelectorAll(arguments[0])].map(one => one.getAttribute(arguments[1]))", selector, name)

    def click(self, selector):
        self.run("document.querySelector(arguments[0]).click()", selector)

    def source(self):
        return self.driver.page_source

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def press(self, *keys):
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def focused(self):
        """The focused element: its id, its text, its position, and its outline."""
        return self.run(_FOCUSED)

    def cookies(self):
        return {cookie["name"]: cookie for cookie in self._cdp("Network.getAllCookies")["cookies"]}

    def picture(self, whole=False):
        if whole:
            height = self.run("return document.documentElement.scrollHeight")
            shot = self._cdp(
                "Page.captureScreenshot",
                captureBeyondViewport=True,
                clip={"x": 0, "y": 0, "width": self.width, "height": height, "scale": 1},
            )
        else:
            shot = self._cdp("Page.captureScreenshot")
        return base64.b64decode(shot["data"])

    def complaints(self):
        """The messages on the console: errors of scripts, violations of the policy, missing files."""
        self._complaints += [entry["message"] for entry in self.driver.get_log("browser")]
        return self._complaints

    def asked_elsewhere(self, url):
        """The requests of pages to any place other than this server."""
        own = urlsplit(url).netloc
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                parameters = message["params"]
                self._asked.append(parameters.get("url") or parameters["request"]["url"])
        if not any(urlsplit(asked).netloc == own for asked in self._asked):
            return ["no request was noted at all"]
        is_inside = ("data", "about", "chrome", "chrome-error", "devtools")
        return [one for one in self._asked if urlsplit(one).netloc != own and urlsplit(one).scheme not in is_inside]
