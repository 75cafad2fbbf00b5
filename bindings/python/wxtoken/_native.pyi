from .store import Token

class Base:
    def token(self, name: str | None = None) -> Token: ...
